import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { TABLE_GROUPS } from "../src/session/sqlite/schema.ts";

/** The largest string or blob that the runtime accepts or returns; beyond it SQLite says SQLITE_TOOBIG. */
const MAX_VALUE_BYTES = 2_000_000;

/** The tables of a session's object, each of which is created by the first write to its group. */
const TABLES_ON_USE = new Set(
  Object.values(TABLE_GROUPS).flatMap((group) => Array.from(group.matchAll(/CREATE TABLE (\w+)/g), ([, name]) => name)),
);

/** An object's disk: it survives every instance. */
export class Disk {
  database = new DatabaseSync(":memory:");
  /** When the alarm is due, in milliseconds since 1970; null if none is set. */
  alarm: number | null = null;
  /** Rises with every statement that may write. */
  version = 0;
  readonly #statements = new Map<string, StatementSync>();
  readonly #remembered = new Map<string, { readonly version: number; readonly value: unknown }>();

  prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /**
   * Rows for the checks, without the object: no fault is injected here. A table that no write has created yet has no
   * rows.
   */
  read(sql: string, ...bindings: SQLInputValue[]): Record<string, unknown>[] {
    const tables = sql.matchAll(/\b(?:FROM|JOIN) ([a-z_]+)\b(?!\()/g);
    if ([...tables].some(([, name = ""]) => TABLES_ON_USE.has(name) && !this.hasTable(name))) return [];
    return this.prepare(sql).all(...bindings);
  }

  hasTable(name: string): boolean {
    return this.read("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", name).length > 0;
  }

  isEmpty(): boolean {
    return this.read("SELECT 1 FROM sqlite_master LIMIT 1").length === 0;
  }

  /** Rises with every row written. */
  changes(): number {
    return Number(this.read("SELECT total_changes() AS changes")[0]?.["changes"]);
  }

  /** What is read of the disk in its current state, cached. */
  remember<T>(name: string, read: () => T): T {
    const known = this.#remembered.get(name);
    if (known?.version === this.version) return known.value as T;
    const value = read();
    this.#remembered.set(name, { version: this.version, value });
    return value;
  }

  /** In bytes, including unused pages. */
  size(): number {
    const pages = "SELECT page_count * page_size AS size FROM pragma_page_count(), pragma_page_size()";
    return Number(this.read(pages)[0]?.["size"]);
  }

  /** Everything in the tables except one, as one text. */
  dump(exceptTable = ""): string {
    const contents = this.remember(`dump ${exceptTable}`, () => {
      const tables = this.read(
        // The terms of the index are in a table of their own; the pages of FTS5 contain parts of words.
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'search!_index%' ESCAPE '!' AND sql NOT LIKE 'CREATE VIRTUAL%' AND name <> ? ORDER BY name",
        exceptTable,
      );
      return JSON.stringify(
        tables.map(({ name }) => [name, this.read(`SELECT * FROM "${String(name)}"`)]),
        (_, value: unknown) => (value instanceof Uint8Array ? blobText(value) : value),
      );
    });
    return `${this.alarm} ${contents}`;
  }

  clear(): void {
    this.version += 1;
    this.#statements.clear();
    this.database.close();
    this.database = new DatabaseSync(":memory:");
  }

  close(): void {
    this.#statements.clear();
    this.database.close();
  }
}

/** The text in a blob: pages of files contain text, and filling without meaning. */
function blobText(blob: Uint8Array): string {
  if (blob.byteLength <= MAX_KEY_BYTES) return Buffer.from(blob).toString("hex");
  return Buffer.from(blob).toString("latin1").replaceAll("\u0000", "");
}

/** Keys and hashes are not texts. */
const MAX_KEY_BYTES = 64;

/** The error of a failing storage. */
export class StorageFault extends Error {
  override readonly name = "StorageFault";
}

/** The error after its instance was evicted. */
export class InstanceGone extends StorageFault {
  constructor() {
    super("the instance that held this storage is gone");
  }
}

type Row = Record<string, SqlStorageValue>;

/** The runtime returns blobs as ArrayBuffer. */
function toRow(row: Record<string, SQLOutputValue>): Row {
  const converted: Row = {};
  for (const name in row) {
    const value = row[name] ?? null;
    refuseTooBig(value);
    if (typeof value === "bigint") throw new TypeError(`column ${name} holds a number past what the runtime hands out`);
    converted[name] = value instanceof Uint8Array ? Uint8Array.from(value).buffer : value;
  }
  return converted;
}

function refuseTooBig(value: unknown): void {
  const isText = typeof value === "string" && value.length > MAX_VALUE_BYTES / 4;
  const bytes = isText ? Buffer.byteLength(value) : value instanceof Uint8Array ? value.byteLength : 0;
  if (bytes > MAX_VALUE_BYTES) throw new Error(`string or blob too big: SQLITE_TOOBIG (${bytes} bytes)`);
}

function toBinding(value: unknown): SQLInputValue {
  refuseTooBig(value);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value === null || typeof value === "string" || typeof value === "number" || value instanceof Uint8Array)
    return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  throw new TypeError(`a ${typeof value} cannot be bound`);
}

/** Rows are read to the end at once. A cursor that is read across an await would see later writes, which the real one also allows. */
class Cursor {
  readonly #rows: Row[];
  readonly rowsWritten: number;
  #at = 0;

  constructor(rows: Row[], rowsWritten: number) {
    this.#rows = rows;
    this.rowsWritten = rowsWritten;
  }

  get rowsRead(): number {
    return this.#rows.length;
  }

  toArray(): Row[] {
    const rest = this.#rows.slice(this.#at);
    this.#at = this.#rows.length;
    return rest;
  }

  one(): Row {
    const [row, ...more] = this.toArray();
    if (row === undefined || more.length > 0) throw new Error("expected exactly one row");
    return row;
  }

  next(): { done: boolean; value: Row | undefined } {
    const value = this.#rows[this.#at];
    this.#at += 1;
    return { done: value === undefined, value };
  }

  *[Symbol.iterator](): Generator<Row> {
    for (let row = this.next(); row.value !== undefined; row = this.next()) yield row.value;
  }
}

const SEVERAL_STATEMENTS = /;\s*\S/;
const IS_READ = /^\s*SELECT/i;
/** Statements whose rows nobody reads. */
const IS_WRITE = /^\s*(?:INSERT|UPDATE|DELETE|REPLACE)(?![\s\S]*\bRETURNING\b)/i;
/** Statements that read the log through its full-text index. */
const IS_SEARCH = /\bsearch_(?:index|texts|vocabulary)\b/;

/** What goes wrong with the storage during one call. */
export type StorageTrouble =
  /** The statement after this many more fails, once. */
  | { readonly kind: "disk"; readonly statements: number }
  /** The invocation is ended at the statement after this many more: nothing that it does afterwards happens. */
  | { readonly kind: "cut"; readonly statements: number }
  /** Whatever is read through the search index takes more memory than there is. */
  | { readonly kind: "memory" };

/** What a call did. */
export interface Work {
  statements: number;
  /** Rows that were read or written. */
  rows: number;
}

/**
 * An instance's access to its disk, as `ctx.storage`: transactions can be nested, and include the alarm. Once the instance is gone it
 * writes nothing more.
 */
export class ObjectStorage {
  readonly sql: { exec(sql: string, ...bindings: unknown[]): Cursor; readonly databaseSize: number };
  readonly #disk: Disk;
  #depth = 0;
  #isDead = false;
  #trouble: StorageTrouble | null = null;
  #statementsLeft = Number.POSITIVE_INFINITY;
  /** How much each call may do, as a stand-in for its processor time. */
  #rowsLeft = Number.POSITIVE_INFINITY;
  #work: Work = { statements: 0, rows: 0 };

  constructor(disk: Disk) {
    this.#disk = disk;
    this.sql = {
      exec: (sql, ...bindings) => this.#exec(sql, bindings),
      get databaseSize() {
        return disk.size();
      },
    };
  }

  /** A call begins. */
  begin(trouble: StorageTrouble | null, maxRows: number): void {
    this.#trouble = trouble;
    this.#statementsLeft =
      trouble === null || trouble.kind === "memory" ? Number.POSITIVE_INFINITY : trouble.statements;
    this.#rowsLeft = maxRows;
    this.#work = { statements: 0, rows: 0 };
  }

  /** A call ended. */
  end(): Work {
    const work = this.#work;
    this.begin(null, Number.POSITIVE_INFINITY);
    return work;
  }

  /** The call waits for another object: what others do meanwhile is not counted. Returns a function that continues the count. */
  pause(): () => void {
    const paused = [this.#trouble, this.#statementsLeft, this.#rowsLeft, this.#work] as const;
    this.begin(null, Number.POSITIVE_INFINITY);
    return () => {
      [this.#trouble, this.#statementsLeft, this.#rowsLeft, this.#work] = paused;
    };
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** The instance is gone: whatever it still tries fails. */
  kill(): void {
    this.#isDead = true;
  }

  #use(): Disk {
    if (this.#isDead) throw new InstanceGone();
    return this.#disk;
  }

  #beforeStatement(sql: string): void {
    this.#work.statements += 1;
    this.#statementsLeft -= 1;
    if (this.#trouble?.kind === "memory" && IS_READ.test(sql) && IS_SEARCH.test(sql)) {
      throw new StorageFault("out of memory: SQLITE_NOMEM, as the simulation asked");
    }
    if (this.#statementsLeft >= 0) return;
    if (this.#trouble?.kind === "cut") {
      this.kill();
      throw new StorageFault("the invocation was ended, as the simulation asked");
    }
    this.#statementsLeft = Number.POSITIVE_INFINITY;
    throw new StorageFault("the disk failed, as the simulation asked");
  }

  #afterStatement(rows: number): void {
    this.#work.rows += rows;
    this.#rowsLeft -= rows;
    if (this.#rowsLeft >= 0) return;
    this.kill();
    throw new StorageFault("the invocation was ended: it did more than one may");
  }

  #exec(sql: string, bindings: readonly unknown[]): Cursor {
    const disk = this.#use();
    this.#beforeStatement(sql);
    if (IS_READ.test(sql)) {
      const rows = disk
        .prepare(sql)
        .all(...bindings.map(toBinding))
        .map(toRow);
      this.#afterStatement(rows.length);
      return new Cursor(rows, 0);
    }
    disk.version += 1;
    if (bindings.length === 0 && SEVERAL_STATEMENTS.test(sql)) {
      disk.database.exec(sql);
      return new Cursor([], 0);
    }
    const statement = disk.prepare(sql);
    if (IS_WRITE.test(sql)) {
      const changes = Number(statement.run(...bindings.map(toBinding)).changes);
      this.#afterStatement(changes);
      return new Cursor([], changes);
    }
    const rows = statement.all(...bindings.map(toBinding)).map(toRow);
    this.#afterStatement(rows.length);
    return new Cursor(rows, rows.length);
  }

  transactionSync<T>(body: () => T): T {
    const { database } = this.#use();
    const { alarm } = this.#disk;
    const name = `level_${this.#depth}`;
    database.exec(this.#depth === 0 ? "BEGIN" : `SAVEPOINT ${name}`);
    this.#depth += 1;
    try {
      const result = body();
      // Code that caught the error which ended the invocation still does nothing more.
      this.#use();
      this.#depth -= 1;
      database.exec(this.#depth === 0 ? "COMMIT" : `RELEASE ${name}`);
      return result;
    } catch (error) {
      this.#depth -= 1;
      this.#disk.version += 1;
      database.exec(this.#depth === 0 ? "ROLLBACK" : `ROLLBACK TO ${name}; RELEASE ${name}`);
      this.#disk.alarm = alarm;
      throw error;
    }
  }

  // Not async: the alarm is set before anything else runs, as in the runtime.
  setAlarm(at: number | Date): Promise<void> {
    this.#use().alarm = typeof at === "number" ? at : at.getTime();
    return Promise.resolve();
  }

  getAlarm(): Promise<number | null> {
    return Promise.resolve(this.#use().alarm);
  }

  deleteAlarm(): Promise<void> {
    this.#use().alarm = null;
    return Promise.resolve();
  }

  /** Includes the alarm, as from the compatibility date 2026-02-24 on. */
  deleteAll(): Promise<void> {
    const disk = this.#use();
    disk.clear();
    disk.alarm = null;
    return Promise.resolve();
  }
}
