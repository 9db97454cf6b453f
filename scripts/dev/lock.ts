import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { readJsonFile } from "./files.ts";
import { identifyProcess, isErrorWithCode, isIdentity, isRunning } from "./processes.ts";
import { StartError } from "./start-error.ts";

/**
 * Allows only one service per state directory, because two would write the same objects and the same database. Returns
 * a function that releases the lock.
 */
export function lockState(file: string, stateDirectory: string): () => void {
  const content = JSON.stringify({ ...identifyProcess(process.pid), token: randomUUID() });
  for (let attempt = 0; attempt < 20; attempt += 1) {
    try {
      writeFileSync(file, content, { flag: "wx", mode: 0o600 });
    } catch (error) {
      if (!isErrorWithCode(error, "EEXIST")) throw error;
      clearStaleLock(file, stateDirectory);
      continue;
    }
    // If two starts remove the same stale lock at once, only the one whose lock is in the file continues.
    if (readFileSync(file, "utf8") === content) return () => rmSync(file, { force: true });
  }
  throw new StartError(`Cannot lock ${file}: another start is taking it at this moment. Try again.`);
}

function clearStaleLock(file: string, stateDirectory: string): void {
  const lock = readJsonFile(file);
  if (isIdentity(lock) && isRunning(lock)) {
    throw new StartError(
      `Threadkeep is running on ${stateDirectory} already (process ${lock.pid}; its address is in dev.json there).\n` +
        "Stop that one first, or run a second beside it: npm start -- --state .threadkeep-2 --port 8788",
    );
  }
  // Renamed first, because only one of two starts can rename it; so neither removes the other's new lock.
  const stale = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, stale);
    rmSync(stale, { force: true });
  } catch (error) {
    if (!isErrorWithCode(error, "ENOENT")) throw error;
  }
}
