import path from "node:path";
import type { TestProject } from "vitest/node";
import { bundleWorker } from "../../scripts/dev/worker-bundle.ts";
import "./provided.ts";
import { shareInRun } from "./run-scoped.ts";
import { makeTemporaryDirectory, removeDirectory } from "./temporary-directory.ts";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { value: bundleDir, release } = await shareInRun("bundle", async () => {
    const directory = makeTemporaryDirectory();
    const value = path.join(directory, "bundle");
    await bundleWorker(value);
    return { value, close: async () => removeDirectory(directory) };
  });
  project.provide("bundleDir", bundleDir);
  return release;
}
