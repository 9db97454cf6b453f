// The Worker's bundle with a module in front of it: levers for a drill, or what a later version would add.
import { copyFileSync, cpSync, existsSync, renameSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { bundlePaths } from "../../scripts/dev/worker-bundle.ts";

/** `levers`: levers-worker.mjs; `later-version`: later-worker.mjs */
export type Plant = "nothing" | "levers" | "later-version";

const ENTRIES: Record<Exclude<Plant, "nothing">, string> = {
  levers: fileURLToPath(new URL("levers-worker.mjs", import.meta.url)),
  "later-version": fileURLToPath(new URL("later-worker.mjs", import.meta.url)),
};

/**
 * @param directory where the changed copy is written
 * @returns the bundle to start
 */
export function plantBundle(bundleDir: string, directory: string, plant: Plant): string {
  if (plant === "nothing") return bundleDir;
  const copy = path.join(directory, `bundle-${plant}`);
  if (existsSync(copy)) return copy;
  cpSync(bundleDir, copy, { recursive: true });
  const { modules } = bundlePaths(copy);
  renameSync(path.join(modules, "worker.js"), path.join(modules, "service.js"));
  copyFileSync(ENTRIES[plant], path.join(modules, "worker.js"));
  return copy;
}
