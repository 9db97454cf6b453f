import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ensureInspector } from "../inspector/ensure.ts";
import { makeFolder } from "./folders.ts";
import { projectRoot } from "./paths.ts";
import { StartError } from "./start-error.ts";

/** Environment for processes that load wrangler: no account, no statistics, no colours, and faster loading. */
export const WRANGLER_ENVIRONMENT = {
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  CI: "true",
  FORCE_COLOR: "0",
  // Parsing wrangler takes a second. Node caches the compiled code if it can write there.
  NODE_COMPILE_CACHE: path.join(projectRoot, "node_modules/.cache/threadkeep"),
};

const WRANGLER = path.join(projectRoot, "node_modules/wrangler/wrangler-dist/cli.js");
const READ_OPTIONS = fileURLToPath(new URL("worker-options.ts", import.meta.url));

export interface BundleOptions {
  signal?: AbortSignal | undefined;
  onSpawn?: (pid: number | undefined) => void;
}

/** The parts of a bundle's directory. */
export function bundlePaths(directory: string): { modules: string; options: string; sources: string } {
  return {
    modules: path.join(directory, "modules"),
    options: path.join(directory, "options.json"),
    sources: path.join(directory, "sources.sha256"),
  };
}

/**
 * Bundles the Worker into `directory` exactly as a deployment does, with its bindings as declared in wrangler.toml. An
 * existing bundle of the same sources is kept, because bundling takes seconds.
 */
export async function bundleWorker(directory: string, bundleOptions: BundleOptions = {}): Promise<void> {
  const { modules, options, sources } = bundlePaths(directory);
  await ensureInspector();
  const digest = digestSources();
  if (existsSync(sources) && readFileSync(sources, "utf8") === digest) return;
  rmSync(directory, { recursive: true, force: true });
  makeFolder(directory);
  await Promise.all([
    run([WRANGLER, "deploy", "--dry-run", "--env", "", "--outdir", modules], directory, bundleOptions),
    run([READ_OPTIONS, options], directory, bundleOptions),
  ]);
  // Written last, so that an interrupted bundle is made again.
  writeFileSync(sources, digest);
}

/** Files that a bundle depends on besides `src`: settings, and the installed packages. */
const BUNDLED_FILES = ["wrangler.toml", ".dev.vars", ".env", ".env.local", "package.json", "tsconfig.json"];
/** npm writes it whenever it changes what is installed. */
const INSTALLED = "node_modules/.package-lock.json";

/** A hash of everything that a bundle is made of. */
function digestSources(): string {
  const hash = createHash("sha256");
  const folder = path.join(projectRoot, "src");
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .toSorted();
  for (const file of [...files, ...BUNDLED_FILES.map((name) => path.join(projectRoot, name))]) {
    if (existsSync(file)) hash.update(file).update("\0").update(readFileSync(file)).update("\0");
  }
  const installed = path.join(projectRoot, INSTALLED);
  if (existsSync(installed)) hash.update(String(statSync(installed).mtimeMs));
  return hash.digest("hex");
}

async function run(args: string[], directory: string, { signal, onSpawn }: BundleOptions): Promise<void> {
  const child = spawn(process.execPath, ["--no-warnings", ...args], {
    cwd: projectRoot,
    // Its log and settings would otherwise be in the home directory, which not every user has.
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
