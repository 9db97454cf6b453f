// Runs the wrangler that the lockfile pins, without a terminal: it asks nothing, and its output is read.
import { spawn } from "node:child_process";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { projectRoot } from "../dev/paths.ts";
import { WRANGLER_ENVIRONMENT } from "../dev/worker-bundle.ts";
import { ensureInspector } from "../inspector/ensure.ts";

const WRANGLER = path.join(projectRoot, "node_modules/wrangler/wrangler-dist/cli.js");

export interface WranglerRun {
  code: number | null;
  /** Both streams, as they came. */
  output: string;
}

export interface WranglerOptions {
  /** What it reads on its standard input: the place for secrets, which other users of the machine must not see. */
  input?: string;
  env?: Record<string, string>;
}

/** @param directory for its log and settings, which otherwise go under the home directory */
export async function runPinnedWrangler(args: readonly string[], directory: string): Promise<WranglerRun> {
  await ensureInspector();
  const env = { XDG_CONFIG_HOME: directory, WRANGLER_LOG_PATH: path.join(directory, "wrangler.log") };
  return run(process.execPath, ["--no-warnings", WRANGLER, ...args], { env: { ...WRANGLER_ENVIRONMENT, ...env } });
}

/** The wrangler on the PATH, which with `npm run` is the pinned one, as the person who is logged in. */
export async function runWrangler(args: readonly string[], options: WranglerOptions = {}): Promise<WranglerRun> {
  await ensureInspector();
  const { WRANGLER_SEND_METRICS, WRANGLER_HIDE_BANNER, CI, FORCE_COLOR } = WRANGLER_ENVIRONMENT;
  const env = { WRANGLER_SEND_METRICS, WRANGLER_HIDE_BANNER, CI, FORCE_COLOR, ...options.env };
  return run("wrangler", args, { ...options, env });
}

async function run(command: string, args: readonly string[], { input, env }: WranglerOptions): Promise<WranglerRun> {
  const child = spawn(command, args, { cwd: projectRoot, env: { ...process.env, ...env }, stdio: "pipe" });
  let output = "";
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  // A wrangler that ends before it has read everything says why in its output.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input ?? "");
  const code = await new Promise<number | null>((resolve) => {
    child.once("close", resolve);
    child.once("error", (error) => {
      output += error.message;
      resolve(null);
    });
  });
  // Its errors are coloured whatever it is told.
  return { code, output: stripVTControlCharacters(output) };
}
