// Measures the size of the Worker as it is uploaded.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { projectRoot } from "../dev/paths.ts";
import { bundlePaths, WRANGLER_ENVIRONMENT } from "../dev/worker-bundle.ts";

const WRANGLER = path.join(projectRoot, "node_modules/wrangler/wrangler-dist/cli.js");
/** Files beside the modules that are not uploaded. */
const NOT_UPLOADED = /\.map$|^README\.md$/;

export interface ModuleSize {
  readonly rawKiB: number;
  readonly gzipKiB: number;
}

export interface BundleSize {
  /** With the setting of wrangler.toml; the other measurements use this bundle too. */
  readonly deployed: ModuleSize;
  /** With --minify. */
  readonly minified: ModuleSize;
}

/** @param bundleDirectory as made by `bundleWorker` */
export async function measureBundle(bundleDirectory: string, signal: AbortSignal): Promise<BundleSize> {
  const minifiedDirectory = path.join(bundleDirectory, "minified");
  await promisify(execFile)(
    process.execPath,
    ["--no-warnings", WRANGLER, "deploy", "--dry-run", "--minify", "--env", "", "--outdir", minifiedDirectory],
    {
      cwd: projectRoot,
      signal,
      env: {
        ...process.env,
        ...WRANGLER_ENVIRONMENT,
        XDG_CONFIG_HOME: bundleDirectory,
        WRANGLER_LOG_PATH: path.join(bundleDirectory, "wrangler.log"),
      },
    },
  );
  return { deployed: sizeOf(bundlePaths(bundleDirectory).modules), minified: sizeOf(minifiedDirectory) };
}

/** @param directory the `--outdir` with the modules */
export function sizeOf(directory: string): ModuleSize {
  let raw = 0;
  let gzip = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || NOT_UPLOADED.test(entry.name)) continue;
    const bytes = readFileSync(path.join(entry.parentPath, entry.name));
    raw += bytes.length;
    gzip += gzipSync(bytes).length;
  }
  return { rawKiB: Math.round(raw / 1024), gzipKiB: Math.round(gzip / 1024) };
}
