import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import path from "node:path";
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

export interface BundleOptions {
  signal?: AbortSignal | undefined;
  onSpawn?: (pid: number | undefined) => void;
}

/** Bundles the Worker exactly as a deploy does, into `directory`. */
export async function bundleWorker(directory: string, { signal, onSpawn }: BundleOptions = {}): Promise<void> {
  rmSync(directory, { recursive: true, force: true });
  const child = spawn(
    process.execPath,
    ["--no-warnings", WRANGLER, "deploy", "--dry-run", "--env", "", "--outdir", directory],
    {
      cwd: projectRoot,
      env: { ...process.env, ...WRANGLER_ENVIRONMENT },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      signal,
    },
  );
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
