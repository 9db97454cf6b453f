import type { TestProject } from "vitest/node";
import { startService } from "../../scripts/dev/service.ts";
import type { ProvidedService } from "./provided.ts";
import { shareInRun } from "./run-scoped.ts";
import setupBundle from "./setup-bundle.ts";
import { makeTemporaryDirectory, removeDirectory } from "./temporary-directory.ts";

/** One running service for all tests that leave it running; those that kill something start their own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const releaseBundle = await setupBundle(project);
  const { value, release } = await shareInRun<ProvidedService>("service", async () => {
    const stateDir = makeTemporaryDirectory();
    const bundleDir = project.getProvidedContext().bundleDir;
    const service = await startService({ stateDir, bundleDir, onNotice: (text) => console.error(text) });
    const { url, apiKey, adminKey, databaseUrl } = service;
    const close = async (): Promise<void> => {
      await service.stop();
      removeDirectory(stateDir);
    };
    return { value: { url, apiKey, adminKey, databaseUrl, stateDir }, close };
  });
  project.provide("service", value);
  return async () => {
    await release();
    await releaseBundle();
  };
}
