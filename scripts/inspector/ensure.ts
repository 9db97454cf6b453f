// Builds the inspector, the API reference and the OpenAPI document into dist/inspector if they are missing or older
// than their sources. A start, a deployment and the tests call this first. The npm package contains the build, but no
// sources.
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { projectRoot } from "../dev/paths.ts";

export const INSPECTOR_BUILD = path.join(projectRoot, "dist/inspector");
const PAGES = path.join(projectRoot, "inspector");
/** The sources of the pages and of the OpenAPI document: routes, schemas and examples. */
const SOURCES = [PAGES, path.join(projectRoot, "src"), path.join(projectRoot, "scripts/openapi")];
/** Other files that the build depends on: the sample, and the installed packages. */
const OTHER_SOURCES = ["examples/sample-conversation.jsonl", "package.json", "package-lock.json"];

interface Builder {
  buildInspector(directory: string): Promise<void>;
}

/** Throws if the build fails. */
export async function ensureInspector(): Promise<void> {
  if (!existsSync(PAGES)) return;
  const digest = digestSources();
  if (isBuiltOf(digest)) return;
  const building = `${INSPECTOR_BUILD}-${randomUUID()}`;
  try {
    // The file's name is computed, because the npm package does not contain it; there, this line is never reached.
    const { buildInspector }: Builder = await import(new URL("build.ts", import.meta.url).href);
    await buildInspector(building);
    const page = path.join(building, "index.html");
    writeFileSync(page, `${readFileSync(page, "utf8")}${markOf(digest)}\n`);
    takePlace(building, digest);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

/** Replaces the old build atomically, even if somebody else builds at the same time. */
function takePlace(building: string, digest: string): void {
  const old = `${INSPECTOR_BUILD}-${randomUUID()}`;
  try {
    if (existsSync(INSPECTOR_BUILD)) renameSync(INSPECTOR_BUILD, old);
    renameSync(building, INSPECTOR_BUILD);
  } catch (error) {
    if (!isBuiltOf(digest)) throw error;
  } finally {
    rmSync(old, { recursive: true, force: true });
  }
}

const markOf = (digest: string): string => `<!-- sources ${digest} -->`;

function isBuiltOf(digest: string): boolean {
  const page = path.join(INSPECTOR_BUILD, "index.html");
  return existsSync(page) && readFileSync(page, "utf8").includes(markOf(digest));
}

function digestSources(): string {
  const hash = createHash("sha256");
  const files = SOURCES.flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(projectRoot, path.join(entry.parentPath, entry.name)))
    .toSorted();
  for (const name of [...files, ...OTHER_SOURCES]) {
    hash
      .update(name)
      .update("\0")
      .update(readFileSync(path.join(projectRoot, name)))
      .update("\0");
  }
  return hash.digest("hex");
}
