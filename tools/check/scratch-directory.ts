import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isErrorWithCode } from "../../scripts/dev/processes.ts";

/** Linux keeps files there in memory. */
const IN_MEMORY = "/dev/shm";
/** Several times what all tests hold at once, so that none of them finds it full. */
const LEAST_FREE_BYTES = 4 * 2 ** 30;
const PREFIX = "threadkeep-tests-";

/**
 * A folder for the files that tests make: databases for the most part, which on a disk wait for it and take processor time for it. In
 * memory where there is plenty; null where the system's own folder has to do.
 */
export function openScratch(): string | null {
  if (!existsSync(IN_MEMORY)) return null;
  removeLeftOvers();
  const { bavail, bsize } = statfsSync(IN_MEMORY);
  if (Math.min(bavail * bsize, process.availableMemory()) < LEAST_FREE_BYTES) return null;
  const directory = mkdtempSync(path.join(IN_MEMORY, `${PREFIX}${process.pid}-`));
  // As the system's own: where the tests run as root, PostgreSQL and some services run as another user.
  chmodSync(directory, 0o1777);
  if (runsPrograms(directory)) return directory;
  closeScratch(directory);
  return null;
}

export function closeScratch(directory: string | null): void {
  if (directory !== null) rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}

/** What runs that were killed have left would hold memory until the machine is started anew. */
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

/** Some systems let no program run from there, and tests run some from checkouts of their own. */
function runsPrograms(directory: string): boolean {
  const program = path.join(directory, "probe");
  writeFileSync(program, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  const { status } = spawnSync(program);
  rmSync(program);
  return status === 0;
}
