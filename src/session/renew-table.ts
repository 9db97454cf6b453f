/**
 * Puts an empty table in the place of a full one: its pages go with it at once, however much it held, since the runtime's databases give
 * pages that fall free back to the file system with each commit (auto-vacuum). To write over rows by the gigabyte would take longer than
 * an invocation has.
 * @param filling a statement for the rows that every such table begins with
 */
export function renewTable(sql: Pick<SqlStorage, "exec">, table: string, filling: string): void {
  const made = sql
    .exec<{ sql: string }>(
      "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC",
      table,
    )
    .toArray();
  sql.exec(`DROP TABLE ${table}`);
  // The table before its indexes, as the letter after i.
  for (const { sql: statement } of made) sql.exec(statement);
  sql.exec(filling);
}
