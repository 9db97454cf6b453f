import { existsSync, mkdirSync, mkdtempSync, renameSync } from "node:fs";
import path from "node:path";
import { type Browser, chromium } from "playwright-core";
import manifest from "../../package.json" with { type: "json" };
import { projectRoot } from "../../scripts/dev/paths.ts";
import { makeTemporaryDirectory, removeDirectory } from "./temporary-directory.ts";

const CHROMIUM_VERSION = manifest.optionalDependencies["@sparticuz/chromium"];

export interface TestBrowser {
  readonly browser: Browser;
  close(): Promise<void>;
}

/** A real browser: on Linux x64 the one that npm installed, elsewhere Chrome if it is installed. Null if there is none. */
export async function openBrowser(): Promise<TestBrowser | null> {
  const directory = makeTemporaryDirectory();
  const temporary = path.join(directory, "tmp");
  mkdirSync(temporary);
  const executablePath = await findExecutable();
  try {
    const browser = await chromium.launch({
      ...(executablePath === null ? { channel: "chrome" } : { executablePath }),
      // The package's own arguments would turn web security off.
      args: ["--no-sandbox"],
      env: { ...process.env, TMPDIR: temporary },
    });
    const close = async (): Promise<void> => {
      await browser.close();
      removeDirectory(directory);
    };
    return { browser, close };
  } catch (error) {
    removeDirectory(directory);
    if (executablePath !== null) throw error;
    return null;
  }
}

/** It is unpacked once for all runs, because that takes many seconds. It is complete or absent, even if others unpack it or a run is killed. */
async function findExecutable(): Promise<string | null> {
  if (process.platform !== "linux" || process.arch !== "x64") return null;
  const cache = path.join(projectRoot, "node_modules/.cache/threadkeep");
  const unpacked = path.join(cache, `chromium-${CHROMIUM_VERSION}`);
  if (existsSync(unpacked)) return path.join(unpacked, "chromium");
  const packed = await import("@sparticuz/chromium").catch(() => null);
  if (packed === null) return null;
  mkdirSync(cache, { recursive: true });
  const directory = mkdtempSync(path.join(cache, "unpacking-"));
  const before = process.env["TMPDIR"];
  // It is unpacked where temporary files go.
  process.env["TMPDIR"] = directory;
  try {
    await packed.default.executablePath();
    if (!existsSync(unpacked)) renameSync(directory, unpacked);
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    removeDirectory(directory);
  }
  return path.join(unpacked, "chromium");
}
