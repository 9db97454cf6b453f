import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { identifyProcess, killTrees } from "../../scripts/dev/processes.ts";
import { RESULTS_FILE, type ResultLine } from "./results-reporter.ts";
import { closeScratch, openScratch } from "./scratch-directory.ts";

/** Far longer than the tests take. A run that hangs is stopped, so that it still ends with a count. */
const TIMEOUT_MS = 20 * 60_000;
/** How long a run may take to end after its last test. Then it is stopped, because all that is left is to end what it started. */
const LAST_TEST_REST_MS = 20_000;
const LOOK_EVERY_MS = 1_000;

export interface TestCounts {
  passed: number;
  failed: number;
  /** Full names of skipped tests, with the reason where the test gives one. */
  skipped: string[];
  /** Full names of the tests that failed. */
  failures: string[];
}

/**
 * All projects. The lanes run in parallel, and the runs of a lane one after the other, each with its vitest options. The tests in workerd
 * share one thread, and the simulation mostly computes in one; tests that wait for services leave time to both.
 */
const LANES = [
  [["--project=unit"], ["--project=system", "--project=crash"]],
  [["--project=worker"]],
  [["--project=fuzz"]],
];

/**
 * Runs all tests.
 * @param checks what the first lane waits for; the other lanes start at the same time as the checks
 */
export async function runAllTests(checks: Promise<unknown>): Promise<TestCounts> {
  const counts: TestCounts[] = [];
  const runLane = async (runs: string[][], isFirst: boolean): Promise<void> => {
    if (isFirst) await checks;
    for (const options of runs) counts.push(await runVitest(options, { holdsOutput: !isFirst }));
  };
  await Promise.all(LANES.map((runs, index) => runLane(runs, index === 0)));
  return {
    passed: counts.reduce((sum, { passed }) => sum + passed, 0),
    failed: counts.reduce((sum, { failed }) => sum + failed, 0),
    skipped: counts.flatMap(({ skipped }) => skipped),
    failures: counts.flatMap(({ failures }) => failures),
  };
}

export interface RunOptions {
  /** The output is printed when the run is over, because another run prints in the meantime. */
  readonly holdsOutput?: boolean;
}

/** Runs vitest in its own process, so that a crash of vitest counts as a failure and does not end this program. */
export async function runVitest(args: string[], { holdsOutput = false }: RunOptions = {}): Promise<TestCounts> {
  const directory = mkdtempSync(path.join(tmpdir(), "threadkeep-report-"));
  const results = path.join(directory, "results.jsonl");
  const held = path.join(directory, "output");
  const scratch = openScratch();
  const output = holdsOutput ? openSync(held, "w") : "inherit";
  try {
    const options = [...args, "--reporter=default", "--reporter=tools/check/results-reporter.ts"];
    const { code, isStopped } = await spawnVitest(options, output, { scratch, results });
    const found = readResults(results);
    if (isStopped && isOver(found)) {
      console.error("\nVitest did not end after its last test and was stopped. The results of its tests count.");
      return countResults(found, 0);
    }
    return countResults(found, code);
  } finally {
    if (output !== "inherit") {
      closeSync(output);
      process.stdout.write(readFileSync(held));
    }
    rmSync(directory, { recursive: true, force: true });
    closeScratch(scratch);
  }
}

/** If vitest fails, this counts at least one failure, even if no test failed. */
export function countResults(report: unknown, exitCode: number | null): TestCounts {
  const counts: TestCounts = { passed: 0, failed: 0, skipped: [], failures: [] };
  const files = listOf(report, "testResults");
  for (const file of files) {
    const tests = listOf(file, "assertionResults");
    for (const test of tests) {
      const status = textOf(test, "status");
      const name = textOf(test, "fullName") ?? "a test without a name";
      if (status === "passed") counts.passed += 1;
      else if (status === "failed") counts.failures.push(name);
      else counts.skipped.push(name);
    }
    const isFileBroken =
      textOf(file, "status") === "failed" && !tests.some((test) => textOf(test, "status") === "failed");
    if (isFileBroken) counts.failed += 1;
  }
  counts.failed += counts.failures.length;
  if (exitCode !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

interface Results {
  readonly planned: number | null;
  readonly testResults: readonly ResultLine[];
}

/** What `ResultsReporter` has written so far. */
function readResults(file: string): Results {
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
  const noted = lines.map((line): ResultLine => JSON.parse(line));
  const planned = noted.flatMap((line) => ("planned" in line ? [line.planned] : [])).at(-1) ?? null;
  return { planned, testResults: noted.filter((line) => !("planned" in line)) };
}

/**
 * Whether every test file has ended.
 * @internal A test gives it the last lines of runs that ended in each way.
 */
export function isOver({ planned, testResults }: Results): boolean {
  return planned !== null && testResults.length >= planned;
}

interface Ended {
  readonly code: number | null;
  /** Stops a run that continues after its last test, or takes far too long. */
  readonly isStopped: boolean;
}

async function spawnVitest(
  args: string[],
  output: number | "inherit",
  { scratch, results }: { readonly scratch: string | null; readonly results: string },
): Promise<Ended> {
  const vitest = path.join(projectRoot, "node_modules/vitest/vitest.mjs");
  const child = spawn(process.execPath, ["--no-warnings", vitest, "run", ...args], {
    cwd: projectRoot,
    stdio: ["inherit", output, output],
    env: { ...process.env, [RESULTS_FILE]: results, ...(scratch === null ? {} : { TMPDIR: scratch }) },
  });
  const forward = (signal: NodeJS.Signals): boolean => child.kill(signal);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, forward);
  const identity = child.pid === undefined ? null : identifyProcess(child.pid);
  let isStopped = false;
  const stop = (): void => {
    isStopped = true;
    if (identity !== null) void killTrees([identity]);
  };
  const timer = setTimeout(() => {
    console.error(`\nThe tests have run for ${TIMEOUT_MS / 60_000} minutes and are stopped.`);
    stop();
  }, TIMEOUT_MS);
  let overAt: number | null = null;
  const watch = setInterval(() => {
    if (overAt === null && isOver(readResults(results))) overAt = Date.now();
    if (overAt !== null && Date.now() - overAt > LAST_TEST_REST_MS) stop();
  }, LOOK_EVERY_MS);
  const code = await new Promise<number | null>((resolve) => {
    child.once("exit", resolve);
    child.once("error", (error) => {
      console.error(error);
      resolve(null);
    });
  });
  clearTimeout(timer);
  clearInterval(watch);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, forward);
  return { code, isStopped };
}

function listOf(value: unknown, name: string): unknown[] {
  const found = propertyOf(value, name);
  return Array.isArray(found) ? found : [];
}

function textOf(value: unknown, name: string): string | undefined {
  const found = propertyOf(value, name);
  return typeof found === "string" ? found : undefined;
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}
