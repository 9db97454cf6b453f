import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isErrorWithCode } from "../../scripts/dev/processes.ts";

/** On Linux, files in this directory are kept in memory. */
const IN_MEMORY = "/dev/shm";
/** Several times what all tests store at once, so that the directory never becomes full. */
const LEAST_FREE_BYTES = 4 * 2 ** 30;
const PREFIX = "threadkeep-tests-";

/**
 * A folder for the files that tests create, mostly databases. On a disk, tests wait for it and spend processor time on it, so the folder
 * is in memory if there is plenty of it. Null means that the system's own temporary folder is used.
 */
export function openScratch(): string | null {
  if (!existsSync(IN_MEMORY)) return null;
  removeLeftOvers();
  const { bavail, bsize } = statfsSync(IN_MEMORY);
  if (Math.min(bavail * bsize, process.availableMemory()) < LEAST_FREE_BYTES) return null;
  const directory = mkdtempSync(path.join(IN_MEMORY, `${PREFIX}${process.pid}-`));
  // Open to all, as the system's own folder is: if the tests run as root, PostgreSQL and some services run as another user.
  chmodSync(directory, 0o1777);
  if (runsPrograms(directory)) return directory;
  closeScratch(directory);
  return null;
}

export function closeScratch(directory: string | null): void {
  if (directory !== null) rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}

/** Folders that killed runs left behind would occupy memory until the machine is restarted. */
function removeLeftOvers(): void {
  for (const name of readdirSync(IN_MEMORY)) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : 0;
    if (pid > 0 && !isAlive(pid)) closeScratch(path.join(IN_MEMORY, name));
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !isErrorWithCode(error, "ESRCH");
  }
}

/** Some systems do not let programs run from this directory, and tests run programs from their own checkouts. */
function runsPrograms(directory: string): boolean {
  const program = path.join(directory, "probe");
  writeFileSync(program, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  const { status } = spawnSync(program);
  rmSync(program);
  return status === 0;
}
