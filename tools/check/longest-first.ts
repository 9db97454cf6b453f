import path from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Test files that wait longest: for services that start, for agents that fail, for alerts that begin and end. They start first, so that a
 * run does not end with one of them alone while the other core is idle. Without an earlier run Vitest sorts files by size.
 */
const LONGEST = [
  "drills.test.ts",
  "start.test.ts",
  "ignore-scripts.test.ts",
  "session-contract.test.ts",
  "promise-12-failing-models.test.ts",
  "promise-12-failing-agents.test.ts",
  "import.test.ts",
  "examples.test.ts",
  "demo.test.ts",
];

/** Vitest's own order, with these files moved to the front. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const projects = [...new Set(sorted.map(({ project }) => project))];
    return projects.flatMap((project) =>
      sorted.filter((file) => file.project === project).toSorted((a, b) => rankOf(a) - rankOf(b)),
    );
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONGEST.indexOf(path.basename(moduleId));
  return rank < 0 ? LONGEST.length : rank;
}
