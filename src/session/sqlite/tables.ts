import type { TableSql } from "./renew-table.ts";
import { type GroupName, TABLE_GROUPS } from "./schema.ts";

/** What a store uses of a cursor. */
type Rows<T extends Record<string, SqlStorageValue>> = Pick<SqlStorageCursor<T>, "toArray" | "one" | "rowsWritten">;

/** A statement that adds rows, and so needs the tables. */
const ADDS_ROWS = /^\s*INSERT\b/;

/**
 * The tables of one object. A table takes at least one page of 4 KiB, and most sessions never use most tables, so each
 * group of tables is created by the first statement that adds a row to it.
 *
 * Which groups exist is read once, and cached. A group that was created in a transaction that is rolled back is gone
 * again: whoever rolls back, or deletes the object's storage, calls `forget`.
 */
export class Tables {
  readonly #sql: SqlStorage;
  /** The tables and indexes of the database; undefined if they have not been read. */
  #names: Set<string> | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  forget(): void {
    this.#names = undefined;
  }

  /** Whether the object was ever written to. Does not write. */
  get isEmpty(): boolean {
    return !GROUP_NAMES.some((name) => this.has(name));
  }

  group(name: GroupName): TableGroup {
    return new TableGroup(this.#sql, this, name);
  }

  has(name: GroupName): boolean {
    this.#names ??= new Set(
      this.#sql
        .exec<{ name: string }>("SELECT name FROM sqlite_master")
        .toArray()
        .map((row) => row.name),
    );
    return this.#names.has(name);
  }

  /** Creates a group if it does not exist, in the caller's transaction. */
  create(name: GroupName): void {
    if (this.has(name)) return;
    this.#sql.exec(withoutComments(TABLE_GROUPS[name]));
    this.#names?.add(name);
  }

  /** Drops a group if it exists. This frees all of its pages at once, however many rows there are. */
  drop(name: GroupName): void {
    if (!this.has(name)) return;
    for (const [, table] of TABLE_GROUPS[name].matchAll(/CREATE TABLE (\w+)/g)) this.#sql.exec(`DROP TABLE ${table}`);
    this.#names?.delete(name);
  }
}

const GROUP_NAMES = Object.keys(TABLE_GROUPS) as GroupName[];

/**
 * The statements of one group. As long as the group does not exist, every statement finds it empty: only one that adds
 * a row creates it. Such statements must not read or write other tables.
 */
export class TableGroup implements TableSql {
  readonly #sql: SqlStorage;
  readonly #tables: Tables;
  readonly #name: GroupName;

  constructor(sql: SqlStorage, tables: Tables, name: GroupName) {
    this.#sql = sql;
    this.#tables = tables;
    this.#name = name;
  }

  get isThere(): boolean {
    return this.#tables.has(this.#name);
  }

  create(): void {
    this.#tables.create(this.#name);
  }

  drop(): void {
    this.#tables.drop(this.#name);
  }

  exec<T extends Record<string, SqlStorageValue>>(
    query: string,
    ...bindings: (SqlStorageValue | Uint8Array)[]
  ): Rows<T> {
    if (!this.isThere) {
      if (!ADDS_ROWS.test(query)) return NO_ROWS;
      this.create();
    }
    return this.#sql.exec<T>(query, ...bindings);
  }
}

const NO_ROWS = {
  toArray: () => [],
  one: () => {
    throw new Error("expected one row of a table that does not exist yet: use toArray()[0]");
  },
  rowsWritten: 0,
};

/** SQLite keeps the text of each CREATE statement, on the first page of the database. */
function withoutComments(sql: string): string {
  return sql.replace(/--.*$/gm, "").replace(/\s+/g, " ");
}
