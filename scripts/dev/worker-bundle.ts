import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { makeFolder } from "./folders.ts";
import { projectRoot } from "./paths.ts";
import { StartError } from "./start-error.ts";

/** For the processes that load wrangler: it asks for no account, sends no statistics, prints no colours, and loads faster. */
export const WRANGLER_ENVIRONMENT = {
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  CI: "true",
  FORCE_COLOR: "0",
  // Parsing wrangler takes a second; Node keeps what it compiled, and does without where it may not write.
  NODE_COMPILE_CACHE: path.join(projectRoot, "node_modules/.cache/threadkeep"),
};

const WRANGLER = path.join(projectRoot, "node_modules/wrangler/wrangler-dist/cli.js");
const READ_OPTIONS = fileURLToPath(new URL("worker-options.ts", import.meta.url));

export interface BundleOptions {
  signal?: AbortSignal | undefined;
  onSpawn?: (pid: number | undefined) => void;
}

/** Where a bundle's directory holds what. */
export function bundlePaths(directory: string): { modules: string; options: string } {
  return { modules: path.join(directory, "modules"), options: path.join(directory, "options.json") };
}

/** Bundles the Worker exactly as a deploy does, into `directory`, with its bindings as wrangler.toml declares them. */
export async function bundleWorker(directory: string, bundleOptions: BundleOptions = {}): Promise<void> {
  const { modules, options } = bundlePaths(directory);
  rmSync(directory, { recursive: true, force: true });
  makeFolder(directory);
  await Promise.all([
    run([WRANGLER, "deploy", "--dry-run", "--env", "", "--outdir", modules], directory, bundleOptions),
    run([READ_OPTIONS, options], directory, bundleOptions),
  ]);
}

async function run(args: string[], directory: string, { signal, onSpawn }: BundleOptions): Promise<void> {
  const child = spawn(process.execPath, ["--no-warnings", ...args], {
    cwd: projectRoot,
    // Its log and settings would go under the home directory, which not every user has.
    env: {
      ...process.env,
      ...WRANGLER_ENVIRONMENT,
      XDG_CONFIG_HOME: directory,
      WRANGLER_LOG_PATH: path.join(directory, "wrangler.log"),
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    signal,
  });
  onSpawn?.(child.pid);
  let output = "";
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", reject);
  });
  if (code !== 0) throw new StartError(`The Worker could not be bundled:\n${output.trim()}`);
}
