import type { TestProject } from "vitest/node";
import { applyMigrations, createDatabase, openWorkerRole } from "../../scripts/dev/database.ts";
import { loadKeys } from "../../scripts/dev/keys.ts";
import { statePaths } from "../../scripts/dev/paths.ts";
import { postgresUrl, startPostgres } from "../../scripts/dev/postgres.ts";
import { bundleWorker } from "../../scripts/dev/worker-bundle.ts";
import "./provided.ts";
import { shareInRun } from "./run-scoped.ts";
import { makeTemporaryDirectory, removeDirectory } from "./temporary-directory.ts";

/**
 * The data directory of a service that was started once and stopped: its keys, its bundle, its database with the migrations applied.
 * Making them takes more processor time than most tests have, so services of tests start on copies.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { value: preparedState, release } = await shareInRun("state", async () => {
    const value = makeTemporaryDirectory();
    const paths = statePaths(value);
    await Promise.all([bundleWorker(paths.bundle), prepareDatabase(value)]);
    return { value, close: async () => removeDirectory(value) };
  });
  project.provide("preparedState", preparedState);
  project.provide("bundleDir", statePaths(preparedState).bundle);
  return release;
}

async function prepareDatabase(directory: string): Promise<void> {
  const paths = statePaths(directory);
  const { postgresPassword, workerPassword } = loadKeys(paths.keys);
  const server = await startPostgres(paths, postgresPassword);
  try {
    await createDatabase(postgresUrl(server.port, postgresPassword, "postgres"), "threadkeep");
    const url = postgresUrl(server.port, postgresPassword, "threadkeep");
    await applyMigrations(url);
    await openWorkerRole(url, workerPassword);
  } finally {
    await server.stop();
  }
}
