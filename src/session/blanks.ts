/** SQL for as many blanks as a column has bytes; NULL stays NULL. */
export function blanksOf(column: string): string {
  return `CASE WHEN ${column} IS NOT NULL THEN printf('%*s', length(CAST(${column} AS BLOB)), '') END`;
}
