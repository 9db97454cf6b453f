/**
 * Bytes of one row of filling. Large enough that few rows are needed, small enough that the last of them hardly makes
 * the database larger.
 */
const FILLING_BYTES = 64 * 1024;

/** The part of `SqlStorage` that `overwriteFreedPages` uses. */
interface FillableSql {
  exec(query: string, ...bindings: number[]): unknown;
  readonly databaseSize: number;
}

/**
 * Overwrites with zeros the pages that the database has freed. FTS5 frees pages when it merges its segments, and SQLite
 * leaves freed pages as they are, so they still hold the terms of erased messages. (`PRAGMA secure_delete` would clear
 * them, but the runtime has it off and refuses to set it.) SQLite uses up all freed pages before the file grows, so
 * writing zeros until `databaseSize` rises overwrites every one of them. It writes as many bytes as there are free:
 * call it only after something was erased.
 */
export function overwriteFreedPages(sql: FillableSql): void {
  sql.exec("CREATE TABLE filling (zeros BLOB)");
  const { databaseSize } = sql;
  while (sql.databaseSize <= databaseSize) sql.exec("INSERT INTO filling VALUES (zeroblob(?))", FILLING_BYTES);
  sql.exec("DROP TABLE filling");
}
