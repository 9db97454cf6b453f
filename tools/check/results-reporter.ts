import { appendFileSync } from "node:fs";
import type { Reporter, TestModule, TestSpecification } from "vitest/node";

/** The environment variable with the name of the file that `ResultsReporter` writes. */
export const RESULTS_FILE = "THREADKEEP_TEST_RESULTS";

/** A line of that file: how many test files there are, or the result of one. */
export type ResultLine =
  | { readonly planned: number }
  | {
      readonly status: string;
      readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
    };

/**
 * Writes the result of each test file as soon as it ends. Vitest's own report comes at the end of the run, and after its last test Vitest
 * may hang if a test file ran in workerd.
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
