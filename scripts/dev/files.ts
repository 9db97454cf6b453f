import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

/**
 * Writes to a temporary file and renames it, so that neither a reader nor a crash ever leaves half a file. Mode 0600,
 * because it may contain keys.
 */
export function writePrivateFile(file: string, content: string): void {
  const temporary = `${file}.${process.pid}.new`;
  writeFileSync(temporary, content, { mode: 0o600 });
  chmodSync(temporary, 0o600);
  renameSync(temporary, file);
}

/** Returns undefined if the file is missing or contains no JSON. */
export function readJsonFile(file: string): unknown {
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** The last lines of a log, indented, to show under an error. */
export function readTail(file: string, lineCount: number): string {
  if (!existsSync(file)) return "";
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return lines
    .slice(-lineCount)
    .map((line) => `  ${line}`)
    .join("\n");
}
