import type { TestProject } from "vitest/node";
import { applyMigrations, createDatabase, openWorkerRole } from "../../scripts/dev/database.ts";
import { statePaths } from "../../scripts/dev/paths.ts";
import { postgresUrl, startPostgres } from "../../scripts/dev/postgres.ts";
import { identifyProcess, signalProcess } from "../../scripts/dev/processes.ts";
import "./provided.ts";
import { makeTemporaryDirectory, removeDirectory } from "./temporary-directory.ts";

const PASSWORD = "test";

/** A real PostgreSQL with the migrations applied, for the tests that run in workerd, and for simulations to copy. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = makeTemporaryDirectory();
  const server = await startPostgres(statePaths(directory), PASSWORD);
  // A run that is cut off does not reach the end of this file.
  process.once("exit", () => {
    const identity = identifyProcess(server.pid);
    if (identity !== null) signalProcess(identity, "SIGQUIT");
  });
  const databaseUrl = postgresUrl(server.port, PASSWORD, "threadkeep");
  await createDatabase(postgresUrl(server.port, PASSWORD, "postgres"), "threadkeep");
  await applyMigrations(databaseUrl);
  project.provide("databaseUrl", databaseUrl);
  project.provide("workerDatabaseUrl", (await openWorkerRole(databaseUrl, PASSWORD)) ?? databaseUrl);
  return async () => {
    await server.stop();
    removeDirectory(directory);
  };
}
