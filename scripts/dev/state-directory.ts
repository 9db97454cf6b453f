import { chmodSync, readdirSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { makeFolder } from "./folders.ts";
import { OWN_FILES, projectRoot, type StatePaths } from "./paths.ts";
import { killTrees, readSurvivors, signalProcess, waitUntilGone } from "./processes.ts";
import { StartError } from "./start-error.ts";
import { checkStoreFormat } from "./store-format.ts";

// The folder of a service's state, before the service starts.

export function makeStateDirectory(paths: StatePaths): void {
  refuseSharedFolder(paths.directory);
  makeFolder(paths.directory);
  const isOurs = readdirSync(paths.directory).every((name) => OWN_FILES.has(name));
  // If this runs as root, PostgreSQL runs as another user and must be able to enter the folder; every file in it has
  // its own mode.
  if (isOurs && statSync(paths.directory).uid === process.getuid?.()) {
    chmodSync(paths.directory, process.getuid() === 0 ? 0o755 : 0o700);
  }
  checkStoreFormat(paths);
  makeFolder(paths.workerState, 0o700);
  makeFolder(paths.workerTemporary, 0o700);
}

/**
 * Refuses a folder such as a home, a checkout or a disk for the state: its permissions would change, and deleting the
 * state would delete everything in it.
 */
function refuseSharedFolder(directory: string): void {
  for (const kept of [homedir(), projectRoot]) {
    const isWithin = `${path.resolve(kept)}${path.sep}`.startsWith(
      directory.endsWith(path.sep) ? directory : `${directory}${path.sep}`,
    );
    if (!isWithin) continue;
    throw new StartError(
      `${directory} holds more than a service's state. Name a folder of its own: --state ${path.join(directory, ".threadkeep")}`,
    );
  }
}

/**
 * Ends the processes that a killed start left running. They are identified by id and start time, so no other process is
 * hit.
 */
export async function clearSurvivors(paths: StatePaths): Promise<void> {
  const survivors = readSurvivors(paths.processes);
  const postgres = survivors.get("postgres");
  const others = [...survivors].filter(([role]) => role !== "postgres").map(([, identity]) => identity);
  await killTrees(others);
  if (postgres !== undefined) {
    signalProcess(postgres, "SIGINT");
    if (!(await waitUntilGone(postgres, 15_000))) await killTrees([postgres]);
  }
  rmSync(paths.processes, { force: true });
}
