import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

/** The files of databases, by name. */
export type RawDatabases = ReadonlyMap<string, Buffer>;

/**
 * Reads the databases of a folder, byte for byte. Their write-ahead logs are checkpointed first, as SQLite does by itself sooner
 * or later.
 */
export function readDatabases(directory: string): RawDatabases {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  const files = names
    .filter((name) => name.endsWith(".sqlite"))
    .map((name) => [name, path.join(directory, name)] as const);
  for (const [, file] of files) {
    const database = new DatabaseSync(file);
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    database.close();
  }
  return new Map(files.map(([name, file]) => [name, readFileSync(file)]));
}

/** The databases that contain a text. */
export function databasesWith(databases: RawDatabases, text: string): string[] {
  return [...databases].filter(([, bytes]) => bytes.includes(text)).map(([name]) => name);
}
