import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { writePrivateFile } from "./files.ts";
import type { StatePaths } from "./paths.ts";
import { StartError } from "./start-error.ts";

/**
 * Version of the data in a state directory. It is raised when tables change without a migration, which is allowed only
 * until the first deployment; from then on migrations only add.
 */
const STORE_FORMAT = 17;

/**
 * Writes the version into a new state directory. Must be called before anything else is created there.
 *
 * @throws {StartError} if the directory has data of another version, which this one would misread
 */
export function checkStoreFormat({ directory, workerState, storeFormat }: StatePaths): void {
  const known = existsSync(storeFormat) ? readFileSync(storeFormat, "utf8").trim() : null;
  if (known === String(STORE_FORMAT)) return;
  if (known !== null || existsSync(workerState)) {
    const aside = `${directory}-old`;
    throw new StartError(
      `${directory} holds data of another version of Threadkeep, which this one cannot read. ` +
        `Set it aside, and the next start makes a new one: mv ${path.relative("", directory)} ${path.relative("", aside)}`,
    );
  }
  writePrivateFile(storeFormat, `${STORE_FORMAT}\n`);
}
