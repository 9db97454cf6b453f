import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * The databases of a folder that hold a text, byte for byte. What their write-ahead logs still held of older pages is brought in
 * first, as SQLite does by itself sooner or later.
 */
export function databasesWith(directory: string, text: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return names.filter((name) => {
    if (!name.endsWith(".sqlite")) return false;
    const file = path.join(directory, name);
    const database = new DatabaseSync(file);
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    database.close();
    return readFileSync(file).includes(text);
  });
}
