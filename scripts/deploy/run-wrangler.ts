// Runs the wrangler version of the lockfile without a terminal, so that it asks nothing, and reads its output.
import { spawn } from "node:child_process";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { projectRoot } from "../dev/paths.ts";
import { WRANGLER_ENVIRONMENT } from "../dev/worker-bundle.ts";
import { ensureInspector } from "../inspector/ensure.ts";

const WRANGLER = path.join(projectRoot, "node_modules/wrangler/wrangler-dist/cli.js");

export interface WranglerRun {
  code: number | null;
  /** Standard output and standard error, in order. */
  output: string;
}

export interface WranglerOptions {
  /** Text for its standard input, where secrets are hidden from other users of the machine. */
  input?: string;
  env?: Record<string, string>;
}

/** @param directory for its log and settings, which would otherwise be in the home directory */
export async function runPinnedWrangler(args: readonly string[], directory: string): Promise<WranglerRun> {
  await ensureInspector();
  const env = { XDG_CONFIG_HOME: directory, WRANGLER_LOG_PATH: path.join(directory, "wrangler.log") };
  return run(process.execPath, ["--no-warnings", WRANGLER, ...args], { env: { ...WRANGLER_ENVIRONMENT, ...env } });
}

/** Runs the wrangler on the PATH (with `npm run`, that of the lockfile), with the person's own login. */
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
  // If wrangler ends before it has read its input, its output says why.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input ?? "");
  const code = await new Promise<number | null>((resolve) => {
    child.once("close", resolve);
    child.once("error", (error) => {
      output += error.message;
      resolve(null);
    });
  });
  // Wrangler colours its errors in any case.
  return { code, output: stripVTControlCharacters(output) };
}
