import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { writePrivateFile } from "./files.ts";
import type { StatePaths } from "./paths.ts";
import { StartError } from "./start-error.ts";

/**
 * How a state directory keeps its data. It rises when tables change in a way that no migration bridges, which ends with the first
 * deployment: from then on migrations only add.
 */
const STORE_FORMAT = 6;

/**
 * Notes the format in a new state directory. Call it before anything is made there.
 *
 * @throws {StartError} if the directory holds data of another format, which this version would misread
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
