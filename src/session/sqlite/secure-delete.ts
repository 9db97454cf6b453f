/**
 * SQL for a text of as many bytes as a column has; NULL stays NULL. A row that keeps its size is written over in place. Not by `printf`,
 * which the runtime cuts at 100,000 characters: of a longer text the rest would be freed as it was.
 */
export function overwritten(column: string): string {
  return `CASE WHEN ${column} IS NOT NULL THEN CAST(zeroblob(length(CAST(${column} AS BLOB))) AS TEXT) END`;
}
