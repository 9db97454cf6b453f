/** What statements of a table need of the object's storage. */
export interface TableSql {
  exec<T extends Record<string, SqlStorageValue>>(
    query: string,
    ...bindings: (SqlStorageValue | Uint8Array)[]
  ): Pick<SqlStorageCursor<T>, "toArray">;
}

/**
 * Puts an empty table in the place of a full one: its pages go with it at once, however much it held, since the runtime's databases give
 * pages that fall free back to the file system with each commit (auto-vacuum). To write over rows by the gigabyte would take longer than
 * an invocation has.
 * @param filling a statement for the rows that every such table begins with; null: it begins empty
 */
export function renewTable(sql: TableSql, table: string, filling: string | null): void {
  const made = sql
    .exec<{ sql: string }>(
      "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC",
      table,
    )
    .toArray();
  sql.exec(`DROP TABLE ${table}`);
  // The table before its indexes, as the letter after i.
  for (const { sql: statement } of made) sql.exec(statement);
  if (filling !== null) sql.exec(filling);
}
