import { appendFileSync } from "node:fs";
import type { Reporter, TestModule, TestSpecification } from "vitest/node";

/** Names the file that `ResultsReporter` writes. */
export const RESULTS_FILE = "THREADKEEP_TEST_RESULTS";

/** A line of that file: how many files of tests there are, or what became of one. */
export type ResultLine =
  | { readonly planned: number }
  | {
      readonly status: string;
      readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
    };

/**
 * Notes what became of each file of tests as soon as it is over. Vitest's own report comes when all of it is: after its last test it may
 * hang, where a file of tests ran in workerd.
 */
export default class ResultsReporter implements Reporter {
  readonly #file = process.env[RESULTS_FILE];

  onTestRunStart(specifications: readonly TestSpecification[]): void {
    this.#note({ planned: specifications.length });
  }

  onTestModuleEnd(module: TestModule): void {
    const assertionResults = Array.from(module.children.allTests(), (test) => ({
      status: test.result().state,
      fullName: test.fullName,
    }));
    this.#note({ status: module.state(), assertionResults });
  }

  #note(line: ResultLine): void {
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(line)}\n`);
  }
}
