import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { readJsonFile } from "../../scripts/dev/files.ts";
import { identifyProcess, killTrees } from "../../scripts/dev/processes.ts";
import { countResults, type TestCounts } from "../check/vitest-run.ts";

/** A bug that makes a test wait for ever is noticed by this limit. */
const TIMEOUT_MS = 5 * 60_000;

/** @returns the results of the tests; null if they took too long */
export async function runTests(directory: string, tests: readonly string[]): Promise<TestCounts | null> {
  const reports = mkdtempSync(path.join(tmpdir(), "threadkeep-mutant-"));
  const report = path.join(reports, "report.json");
  const child = spawn(
    process.execPath,
    [
      "--no-warnings",
      path.join(directory, "node_modules/vitest/vitest.mjs"),
      "run",
      ...tests,
      "--bail=1",
      "--reporter=json",
      `--outputFile.json=${report}`,
    ],
    { cwd: directory, stdio: "ignore" },
  );
  const identity = child.pid === undefined ? null : identifyProcess(child.pid);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    if (identity !== null) void killTrees([identity]);
  }, TIMEOUT_MS);
  const code = await new Promise<number | null>((resolve) => {
    child.once("exit", resolve);
    child.once("error", () => resolve(null));
  });
  clearTimeout(timer);
  const counts = countResults(readJsonFile(report), code);
  rmSync(reports, { recursive: true, force: true });
  return isLate ? null : counts;
}
