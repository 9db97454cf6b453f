import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";

/** What an object leaves on disk: it outlives every instance. */
export class Disk {
  database = new DatabaseSync(":memory:");
  /** When the alarm is due, in milliseconds since 1970; null: none is set. */
  alarm: number | null = null;
  readonly #statements = new Map<string, StatementSync>();

  prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Rows for the checks, past the object: no fault is injected here. */
  read(sql: string, ...bindings: SQLInputValue[]): Record<string, unknown>[] {
    return this.prepare(sql).all(...bindings);
  }

  hasTable(name: string): boolean {
    return this.read("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", name).length > 0;
  }

  /** Rises with every row written. */
  changes(): number {
    return Number(this.read("SELECT total_changes() AS changes")[0]?.["changes"]);
  }

  /** In bytes, pages that were freed included. */
  size(): number {
    const pages = "SELECT page_count * page_size AS size FROM pragma_page_count(), pragma_page_size()";
    return Number(this.read(pages)[0]?.["size"]);
  }

  /** Everything that the tables hold, as one text, but for one of them. */
  dump(exceptTable = ""): string {
    const tables = this.read(
      `SELECT name FROM sqlite_master WHERE type = 'table' AND name <> '${exceptTable}' ORDER BY name`,
    );
    const contents = tables.map(({ name }) => [name, this.database.prepare(`SELECT * FROM "${String(name)}"`).all()]);
    return JSON.stringify({ alarm: this.alarm, contents });
  }

  clear(): void {
    this.#statements.clear();
    this.database.close();
    this.database = new DatabaseSync(":memory:");
  }

  close(): void {
    this.#statements.clear();
    this.database.close();
  }
}

/** What a storage that fails throws. */
export class StorageFault extends Error {
  override readonly name = "StorageFault";
}

type Row = Record<string, SqlStorageValue>;

/** The runtime hands out blobs as ArrayBuffer. */
function toRow(row: Record<string, SQLOutputValue>): Row {
  const converted: Row = {};
  for (const name in row) {
    const value = row[name] ?? null;
    if (typeof value === "bigint") throw new TypeError(`column ${name} holds a number past what the runtime hands out`);
    converted[name] = value instanceof Uint8Array ? Uint8Array.from(value).buffer : value;
  }
  return converted;
}

function toBinding(value: unknown): SQLInputValue {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value === null || typeof value === "string" || typeof value === "number" || value instanceof Uint8Array)
    return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  throw new TypeError(`a ${typeof value} cannot be bound`);
}

/** Rows are read to the end at once: one that is read across an await would see later writes, which the real one allows as well. */
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

/**
 * An instance's hold on its disk, as `ctx.storage`: transactions nest, and take the alarm along. Once the instance is gone it writes
 * nothing more.
 */
export class ObjectStorage {
  readonly sql: { exec(sql: string, ...bindings: unknown[]): Cursor; readonly databaseSize: number };
  readonly #disk: Disk;
  #depth = 0;
  #isDead = false;
  #statementsLeft = Number.POSITIVE_INFINITY;

  constructor(disk: Disk) {
    this.#disk = disk;
    this.sql = {
      exec: (sql, ...bindings) => this.#exec(sql, bindings),
      get databaseSize() {
        return disk.size();
      },
    };
  }

  /** The statement after so many more fails, once. */
  failAfter(statements: number): void {
    this.#statementsLeft = statements;
  }

  heal(): void {
    this.#statementsLeft = Number.POSITIVE_INFINITY;
  }

  /** The instance is gone: what it still tries fails. */
  kill(): void {
    this.#isDead = true;
  }

  #use(): Disk {
    if (this.#isDead) throw new StorageFault("the instance that held this storage is gone");
    return this.#disk;
  }

  #exec(sql: string, bindings: readonly unknown[]): Cursor {
    const disk = this.#use();
    this.#statementsLeft -= 1;
    if (this.#statementsLeft < 0) {
      this.heal();
      throw new StorageFault("the disk failed, as the simulation asked");
    }
    if (bindings.length === 0 && SEVERAL_STATEMENTS.test(sql)) {
      disk.database.exec(sql);
      return new Cursor([], 0);
    }
    const isRead = /^\s*SELECT/i.test(sql);
    const before = isRead ? 0 : disk.changes();
    const rows = disk
      .prepare(sql)
      .all(...bindings.map(toBinding))
      .map(toRow);
    return new Cursor(rows, isRead ? 0 : disk.changes() - before);
  }

  transactionSync<T>(body: () => T): T {
    const { database } = this.#use();
    const { alarm } = this.#disk;
    const name = `level_${this.#depth}`;
    database.exec(this.#depth === 0 ? "BEGIN" : `SAVEPOINT ${name}`);
    this.#depth += 1;
    try {
      const result = body();
      this.#depth -= 1;
      database.exec(this.#depth === 0 ? "COMMIT" : `RELEASE ${name}`);
      return result;
    } catch (error) {
      this.#depth -= 1;
      database.exec(this.#depth === 0 ? "ROLLBACK" : `ROLLBACK TO ${name}; RELEASE ${name}`);
      this.#disk.alarm = alarm;
      throw error;
    }
  }

  // Not async: the alarm is set before anything else runs, as it is in the runtime.
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

  /** With the alarm, as from the compatibility date 2026-02-24 on. */
  deleteAll(): Promise<void> {
    const disk = this.#use();
    disk.clear();
    disk.alarm = null;
    return Promise.resolve();
  }
}
