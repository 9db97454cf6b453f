/**
 * Returns SQL for a text of zeros with as many bytes as the column's value; NULL stays NULL. Because the row keeps its
 * size, SQLite overwrites it in place. `printf` would not do: the runtime cuts its result at 100,000 characters, so the
 * rest of a longer text would be freed without being overwritten.
 */
export function overwritten(column: string): string {
  return `CASE WHEN ${column} IS NOT NULL THEN CAST(zeroblob(length(CAST(${column} AS BLOB))) AS TEXT) END`;
}
