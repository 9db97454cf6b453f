import { spawn } from "node:child_process";
import path from "node:path";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { WRANGLER_ENVIRONMENT } from "../../scripts/dev/worker-bundle.ts";

export interface CheckResult {
  name: string;
  passed: boolean;
  output: string;
  seconds: number;
}

interface Step {
  name: string;
  /** What to do if the step fails. */
  mend: string;
  command: string[];
}

const packages = (file: string): string => path.join(projectRoot, "node_modules", file);

/**
 * tsc and esbuild are Go programs that end within seconds, and garbage collection takes a fifth of their time. It starts only above this
 * memory limit.
 */
const GO_ENVIRONMENT = { GOGC: "off", GOMEMLIMIT: "2GiB" };

/** With several checkers, tsc would load the packages' types once for each. One is enough, because the steps themselves run in parallel. */
export const ONE_CHECKER = ["--checkers", "1"];

const checkTypes = (project: string): string[] => [packages("typescript/bin/tsc"), "-p", project, ...ONE_CHECKER];

const KNIP_OPTIONS = ["--no-progress", "--no-config-hints"];
/**
 * Finds exports and files that nothing but tests imports.
 *
 * @internal A test plants such an export and runs knip with it.
 */
export const FOR_TESTS_ALONE = ["--production", "--include", "exports,files", "--tags=-internal"];

const STEPS: Step[] = [
  { name: "types of the Worker", mend: "", command: checkTypes("tsconfig.json") },
  { name: "types of programs and tests", mend: "", command: checkTypes("tsconfig.node.json") },
  { name: "types of the client", mend: "", command: [...checkTypes("client/tsconfig.json"), "--noEmit"] },
  { name: "types of the inspector", mend: "", command: checkTypes("inspector/tsconfig.json") },
  { name: "types of the example's Agent", mend: "", command: checkTypes("examples/cloudflare-agent/tsconfig.json") },
  { name: "format", mend: "Run: npm run format", command: [packages("oxfmt/bin/oxfmt"), "--check"] },
  {
    name: "lint",
    mend: "Some can be fixed automatically: npx oxlint --fix",
    command: [packages("oxlint/bin/oxlint"), "--deny-warnings"],
  },
  { name: "imports", mend: "The rules are in tools/check/import-rules.ts", command: ["tools/check-imports.ts"] },
  {
    name: "documents",
    mend: "If a code block needs something that its reader has already, put it into a comment before the block: <!-- given: … -->",
    command: ["tools/check-documents.ts"],
  },
  { name: "words", mend: "The rules are in tools/check/word-rules.ts", command: ["tools/check-words.ts"] },
  {
    name: "dead code",
    mend: "Delete what nothing uses, and the word `export` where only the file itself uses it. knip.jsonc lists the files that are started by their path",
    command: [packages("knip/bin/knip.js"), ...KNIP_OPTIONS],
  },
  {
    name: "code for tests alone",
    mend: "Move what only tests use to test/support, or test it through what uses it. knip.jsonc says what the tag @internal is for",
    command: [packages("knip/bin/knip.js"), ...KNIP_OPTIONS, ...FOR_TESTS_ALONE],
  },
  {
    name: "every environment deploys",
    mend: "Run it alone: npm run deploy:check",
    command: ["scripts/deploy-check.ts"],
  },
];

/** Runs two steps at a time. `onResult` is called when a step ends. */
export async function runChecks(onResult: (result: CheckResult) => void): Promise<CheckResult[]> {
  const waiting = [...STEPS];
  const results: CheckResult[] = [];
  const work = async (): Promise<void> => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const result = await runStep(step);
      results.push(result);
      onResult(result);
    }
  };
  await Promise.all([work(), work()]);
  return results;
}

export function describeCheck({ name, passed, output, seconds }: CheckResult): string {
  const line = `${passed ? "ok    " : "FAILED"}  ${name} (${seconds.toFixed(1)} s)`;
  return passed ? line : `${line}\n${output.trim()}\n`;
}

async function runStep({ name, mend, command }: Step): Promise<CheckResult> {
  const beganAt = performance.now();
  const child = spawn(process.execPath, ["--no-warnings", ...command], {
    cwd: projectRoot,
    env: { ...process.env, ...WRANGLER_ENVIRONMENT, ...GO_ENVIRONMENT },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const code = await new Promise<number | null>((resolve) => {
    child.once("close", resolve);
    child.once("error", (error) => {
      output += error.message;
      resolve(null);
    });
  });
  const seconds = (performance.now() - beganAt) / 1000;
  return { name, passed: code === 0, output: code === 0 ? output : `${output}\n${mend}`, seconds };
}
