// How much space a memory takes, read from its storage.
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { withClient } from "../../../scripts/dev/database.ts";
import type { Size } from "./peer.ts";

const TABLES = `
  select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name, pg_total_relation_size(c.oid)::float8 as bytes
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')`;

/** Counts all tables of a database, with their indexes. */
export function sizeOfDatabase(url: string): Promise<Size> {
  return withClient(url, async (client) => {
    const { rows: tables } = await client.query<{ name: string; bytes: number }>(TABLES);
    let [bytes, rows] = [0, 0];
    for (const table of tables) {
      bytes += table.bytes;
      const { rows: counted } = await client.query<{ count: number }>(
        `select count(*)::int as count from ${table.name}`,
      );
      rows += counted[0]?.count ?? 0;
    }
    return { bytes, rows };
  });
}

/** Counts all SQLite files in a folder whose path contains this text, with their write-ahead logs. */
export function sizeOfSqlite(folder: string, part = ""): Size {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.includes(part) && /\.(sqlite|db)(-wal)?$/.test(name))
    .map((name) => path.join(folder, name));
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  const rows = files.filter((file) => !file.endsWith("-wal")).reduce((sum, file) => sum + countRows(file), 0);
  return { bytes, rows };
}

function countRows(file: string): number {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const tables = database
      .prepare(
        "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' and sql not like '%virtual%'",
      )
      .all();
    return tables.reduce(
      (sum, { name }) =>
        sum + Number(database.prepare(`select count(*) as count from "${String(name)}"`).get()?.["count"]),
      0,
    );
  } finally {
    database.close();
  }
}

export function growth(before: Size, after: Size): Size {
  const difference = (from: number | null, to: number | null): number | null =>
    from === null || to === null ? null : to - from;
  return { bytes: difference(before.bytes, after.bytes), rows: difference(before.rows, after.rows) };
}
