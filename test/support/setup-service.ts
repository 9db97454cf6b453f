import type { TestProject } from "vitest/node";
import { startService } from "../../scripts/dev/service.ts";
import { copyState } from "./copy-state.ts";
import type { ProvidedService } from "./provided.ts";
import { shareInRun } from "./run-scoped.ts";
import setupState from "./setup-state.ts";
import { removeDirectory } from "./temporary-directory.ts";

/** One running service for all tests that do not stop it; tests that kill something start their own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const releaseState = await setupState(project);
  const { value, release } = await shareInRun<ProvidedService>("service", async () => {
    const { bundleDir, preparedState } = project.getProvidedContext();
    const stateDir = copyState(preparedState);
    const service = await startService({ stateDir, bundleDir, onNotice: (text) => console.error(text) });
    const { url, apiKey, adminKey, databaseUrl } = service;
    await awaitFirstAnswer(url, apiKey);
    const close = async (): Promise<void> => {
      await service.stop();
      removeDirectory(stateDir);
    };
    return { value: { url, apiKey, adminKey, databaseUrl, stateDir }, close };
  });
  project.provide("service", value);
  return async () => {
    await release();
    await releaseState();
  };
}

/** Far longer than a busy machine needs. */
const MAX_TRIES = 20;

/** The first request starts objects that were never used, while all test files start at once: it may take longer than the Worker's usual timeouts. */
async function awaitFirstAnswer(url: string, apiKey: string): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const response = await fetch(`${url}/v1/sessions`, {
      headers: { authorization: `Bearer ${apiKey}` },
    });
    await response.text();
    if (response.status === 200) return;
  }
}
