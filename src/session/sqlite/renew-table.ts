/** The part of `SqlStorage` that the statements about one table use. */
export interface TableSql {
  exec<T extends Record<string, SqlStorageValue>>(
    query: string,
    ...bindings: (SqlStorageValue | Uint8Array)[]
  ): Pick<SqlStorageCursor<T>, "toArray">;
}

/**
 * Empties a table by dropping it and creating it again with its indexes. Dropping frees all of its pages at once,
 * however many rows there are, and the runtime's databases return freed pages to the file system at each commit
 * (auto-vacuum). Overwriting gigabytes row by row would take longer than one invocation may run.
 * @param filling an INSERT statement for the rows of spaces that the table begins with
 */
export function renewTable(sql: TableSql, table: string, filling: string): void {
  const made = sql
    .exec<{ sql: string }>(
      "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC",
      table,
    )
    .toArray();
  sql.exec(`DROP TABLE ${table}`);
  // Descending by type, "table" comes before "index": an index needs its table.
  for (const { sql: statement } of made) sql.exec(statement);
  sql.exec(filling);
}
