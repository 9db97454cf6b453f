import { describe, expect, it } from "vitest";
import { countResults, isOver } from "../../tools/check/vitest-run.ts";

const file = (status: string, ...tests: string[]): object => ({
  status,
  assertionResults: tests.map((test, index) => ({ status: test, fullName: `test ${index}` })),
});

describe("the count at the end of npm test", () => {
  it("counts passed, failed and skipped tests separately", () => {
    const report = { testResults: [file("failed", "passed", "failed"), file("passed", "passed", "skipped", "todo")] };
    expect(countResults(report, 1)).toEqual({
      passed: 2,
      failed: 1,
      skipped: ["test 1", "test 2"],
      failures: ["test 1"],
    });
  });

  it("counts a file that breaks before its first test", () => {
    expect(countResults({ testResults: [file("failed")] }, 1)).toMatchObject({ passed: 0, failed: 1 });
  });

  it("counts a crash that leaves no report", () => {
    expect(countResults(undefined, null)).toMatchObject({ passed: 0, failed: 1 });
  });

  it("counts an error outside of all tests, which vitest reports only by its exit code", () => {
    expect(countResults({ testResults: [file("passed", "passed")] }, 1)).toMatchObject({ passed: 1, failed: 1 });
  });

  it("recognizes a finished run: each planned file has ended", () => {
    expect(isOver({ planned: null, testResults: [] })).toBe(false);
    expect(isOver({ planned: 2, testResults: [{ status: "passed", assertionResults: [] }] })).toBe(false);
    expect(isOver({ planned: 1, testResults: [{ status: "failed", assertionResults: [] }] })).toBe(true);
  });
});
