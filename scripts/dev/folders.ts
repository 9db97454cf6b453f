// Checks and creates folders that a person names.
import { accessSync, constants, lstatSync, mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { StartError } from "./start-error.ts";

/**
 * Creates a folder and its parents one by one, because Node's recursive mkdir loops forever where nothing can be
 * created, as under /proc.
 * @param mode of the folder itself, if it is created
 * @throws {StartError} that says which folder cannot be used, why, and what to do
 */
export function makeFolder(directory: string, mode?: number): void {
  const missing: string[] = [];
  for (let place = path.resolve(directory); isMissing(place); place = path.dirname(place)) missing.unshift(place);
  for (const place of missing) {
    try {
      mkdirSync(place, place === path.resolve(directory) ? { mode } : {});
    } catch (error) {
      // Another start may create it at the same moment.
      if (codeOf(error) !== "EEXIST" || isMissing(place)) throw cannotHave(place, error);
    }
  }
  try {
    if (!statSync(directory).isDirectory()) throw cannotHave(directory, { code: "ENOTDIR" });
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw error instanceof StartError ? error : cannotHave(directory, error);
  }
}

/** Whether nothing exists there, not even a broken link. */
function isMissing(place: string): boolean {
  try {
    return lstatSync(place, { throwIfNoEntry: false }) === undefined;
  } catch (error) {
    // A part of its path is a file instead of a folder.
    if (codeOf(error) === "ENOTDIR") return true;
    throw cannotHave(place, error);
  }
}

function cannotHave(place: string, error: unknown): StartError {
  const code = codeOf(error);
  const reason = REASONS[code] ?? `it cannot be used (${code === "" ? String(error) : code})`;
  return new StartError(`${place} cannot be the folder that is wanted: ${reason}. Choose another one.`, {
    cause: error,
  });
}

const NOT_YOURS = "this user may not write there. Did root make it? Then it is given to you with chown -R";
const REASONS: Readonly<Record<string, string>> = {
  EACCES: NOT_YOURS,
  EPERM: NOT_YOURS,
  EROFS: "its file system is read-only",
  ENOENT: "nothing can be made there, or it is a link that leads nowhere",
  ENOTDIR: "a file stands there, or in place of a folder above it",
  EEXIST: "a file or a link that leads nowhere stands there",
  ELOOP: "its links lead to each other",
  ENAMETOOLONG: "its name is too long",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk's quota is used up",
};

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : "";
}
