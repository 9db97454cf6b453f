/** One row of filling: large enough that few are needed, small enough that the file hardly grows by the last of them. */
const FILLING_BYTES = 64 * 1024;

/** What the filling needs of the object's storage. */
interface FillableSql {
  exec(query: string, ...bindings: number[]): unknown;
  readonly databaseSize: number;
}

/**
 * Writes zeros over the pages that the database has freed. FTS5 merges its segments as it grows and frees pages that still hold their
 * terms; SQLite keeps freed pages as they are (its `secure_delete` is off here, and the pragma refused), and takes them before the file
 * grows. So whatever is written until it grows lies over all of them. Costs as many bytes as are free; call it where something is erased.
 */
export function overwriteFreedPages(sql: FillableSql): void {
  sql.exec("CREATE TABLE filling (zeros BLOB)");
  const { databaseSize } = sql;
  while (sql.databaseSize <= databaseSize) sql.exec("INSERT INTO filling VALUES (zeroblob(?))", FILLING_BYTES);
  sql.exec("DROP TABLE filling");
}
