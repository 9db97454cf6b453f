import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { readJsonFile } from "./files.ts";
import { identifyProcess, isErrorWithCode, isIdentity, isRunning } from "./processes.ts";
import { StartError } from "./start-error.ts";

/** Tokens of the locks that this process holds: a lock with our own pid but another token is a crash's leftover. */
const heldTokens = new Set<string>();

export interface StateLock {
  release(): void;
  /** Forgets the lock but leaves the file, as a crash does. */
  abandon(): void;
}

/** One service a state directory: two would write the same objects and the same database. */
export function lockState(file: string, stateDirectory: string): StateLock {
  const token = randomUUID();
  const content = JSON.stringify({ ...identifyProcess(process.pid), token });
  for (let attempt = 0; attempt < 20; attempt += 1) {
    try {
      writeFileSync(file, content, { flag: "wx", mode: 0o600 });
    } catch (error) {
      if (!isErrorWithCode(error, "EEXIST")) throw error;
      clearStaleLock(file, stateDirectory);
      continue;
    }
    // Of two starts that clear the same stale lock at once, only the one whose lock still stands goes on.
    if (readFileSync(file, "utf8") !== content) continue;
    heldTokens.add(token);
    return {
      release: () => {
        if (heldTokens.delete(token)) rmSync(file, { force: true });
      },
      abandon: () => heldTokens.delete(token),
    };
  }
  throw new StartError(`Cannot lock ${file}: another start is taking it at this moment. Try again.`);
}

function clearStaleLock(file: string, stateDirectory: string): void {
  const lock = readJsonFile(file);
  if (isIdentity(lock) && isRunning(lock)) {
    const isLeftOver = lock.pid === process.pid && "token" in lock && !heldTokens.has(String(lock.token));
    if (!isLeftOver) {
      throw new StartError(
        `Threadkeep is running on ${stateDirectory} already (process ${lock.pid}; its address is in dev.json there).\n` +
          "Stop that one first, or run a second beside it: npm start -- --state .threadkeep-2 --port 8788",
      );
    }
  }
  // Moved away first: of two starts that clear it at once, only one can, so that none removes the other's new lock.
  const stale = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, stale);
    rmSync(stale, { force: true });
  } catch (error) {
    if (!isErrorWithCode(error, "ENOENT")) throw error;
  }
}
