import type { Seq } from "../../api/message.ts";
import { type CodeBlock, type CodePlace } from "../../prompt/meaning/codes.ts";
import { codeOf, codeWords, storedBytes, storeVector, unitVector } from "../../prompt/meaning/vector.ts";
import { number, type TableSql, text } from "../sqlite/index.ts";

/**
 * All SQL statements for vectors. A vector has a place (a number), and its owner stands beside its code: the seq of a
 * message, or the negative row number of an item. Rows are only appended, all of one size, and overwritten in place, so
 * SQLite leaves no copy of what is erased. A session without vectors has none of these tables.
 */

/**
 * How many vectors one row holds. Written rows are billed by number, and a summary adds a few dozen vectors. A search
 * reads 200 vectors, mostly of as many rows, and SQLite reads each of these rows as a whole: 8 KiB with 1,024
 * dimensions.
 */
const VECTORS_PER_ROW = 8;
/**
 * How many codes one row holds. A search reads all of them. A row has 32 KiB with the 1,024 dimensions of a common
 * model, so that a small chat stays small, and 100,000 vectors take 391 rows.
 */
const CODES_PER_ROW = 256;
const OWNER_BYTES = 4;
const WORD_BYTES = 4;

/**
 * The placeholder rows fill each table's first page, of which SQLite leaves a copy behind when it first splits. Owners
 * come before codes, because SQLite reads the pages of a row only up to the requested column.
 */
const SCHEMA = `
  CREATE TABLE vector_state (
    one INTEGER PRIMARY KEY CHECK (one = 1), model TEXT NOT NULL, dimensions INTEGER NOT NULL, done_seq INTEGER NOT NULL
  );
  CREATE TABLE vector_codes (row INTEGER PRIMARY KEY, owners BLOB NOT NULL, codes BLOB NOT NULL);
  CREATE TABLE vector_blocks (row INTEGER PRIMARY KEY, vectors BLOB NOT NULL);
  INSERT INTO vector_codes (row, owners, codes) SELECT value, zeroblob(2000), x'' FROM json_each('[-2,-1,0]');
  INSERT INTO vector_blocks (row, vectors) SELECT value, zeroblob(2000) FROM json_each('[-2,-1,0]');
`;
const TABLES = ["vector_state", "vector_codes", "vector_blocks"] as const;

/** The message or item that a vector represents. */
export type VectorOwner =
  | { readonly of: "message"; readonly seq: Seq }
  /** `row` is its row number in the table of items. */
  | { readonly of: "item"; readonly row: number };

/** The one row of `vector_state`. */
export interface VectorState {
  /** The model that made the vectors. Only vectors of one model can be compared. */
  readonly model: string;
  readonly dimensions: number;
  /** All users' messages up to this one were given to the model. Those without a vector are not looked for again. */
  readonly doneSeq: Seq;
}

/** A vector of any length, with its owner. It is normalized when it is saved. */
export interface OwnedVector {
  readonly owner: VectorOwner;
  readonly vector: ArrayLike<number>;
}

/** The number that stands for an owner in a row; 0 marks a free place. */
const ownerNumber = (owner: VectorOwner): number => (owner.of === "message" ? owner.seq : -owner.row);

export class VectorStore {
  readonly #sql: TableSql;
  /** Cache of the state; undefined if it was not read yet. */
  #state: VectorState | null | undefined;
  /** Cache of the codes: at most 132 bytes a vector, which is 13 MB in the longest chat. */
  #codes: readonly CodeBlock[] | null = null;

  constructor(sql: TableSql) {
    this.#sql = sql;
  }

  /** Clears the caches after a rollback, since they may hold what was never committed. */
  forget(): void {
    this.#state = undefined;
    this.#codes = null;
  }

  /** The state; null if the session has no vectors. */
  state(): VectorState | null {
    if (this.#state === undefined) this.#state = this.#readState();
    return this.#state;
  }

  #readState(): VectorState | null {
    const isThere = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'vector_state'");
    if (isThere.toArray().length === 0) return null;
    const row = this.#sql.exec("SELECT * FROM vector_state WHERE one = 1").toArray()[0];
    if (row === undefined) return null;
    return {
      model: text(row["model"]),
      dimensions: number(row["dimensions"]),
      doneSeq: number(row["done_seq"]),
    };
  }

  #setState(state: VectorState): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO vector_state (one, model, dimensions, done_seq) VALUES (1, ?, ?, ?)",
      state.model,
      state.dimensions,
      state.doneSeq,
    );
    this.#state = state;
  }

  /** The numbers of all owners that have a vector. */
  owners(): Set<number> {
    const owners = new Set<number>();
    for (const { owners: ofRow } of this.#ownerRows()) for (const owner of ofRow) if (owner !== 0) owners.add(owner);
    return owners;
  }

  #ownerRows(): { readonly row: number; readonly owners: Int32Array }[] {
    if (this.state() === null) return [];
    return this.#sql
      .exec("SELECT row, owners FROM vector_codes WHERE row > 0 ORDER BY row")
      .toArray()
      .map((row) => ({ row: number(row["row"]), owners: new Int32Array(bytes(row["owners"])) }));
  }

  /** The binary codes of all vectors, in the order of their rows. Cached. */
  codes(): readonly CodeBlock[] {
    if (this.state() === null) return [];
    this.#codes ??= this.#readCodes();
    return this.#codes;
  }

  #readCodes(): CodeBlock[] {
    return this.#sql
      .exec("SELECT owners, codes FROM vector_codes WHERE row > 0 ORDER BY row")
      .toArray()
      .map((row) => ({ owners: new Int32Array(bytes(row["owners"])), codes: new Uint32Array(bytes(row["codes"])) }));
  }

  /**
   * The vectors at these places, in one statement. SQLite cuts each out of its row: 200 whole rows would take 2 MB of
   * memory a search.
   */
  vectorsOf(places: readonly CodePlace[]): Uint8Array[] {
    const { dimensions } = this.state() ?? { dimensions: 0 };
    const size = storedBytes(dimensions);
    const asked = places.map(({ block, at }) => {
      const place = block * CODES_PER_ROW + at;
      return [blockRow(place), (place % VECTORS_PER_ROW) * size + 1];
    });
    const rows = this.#sql
      .exec(
        `SELECT substr(vectors, asked.value ->> 1, ?) AS vector FROM json_each(?) AS asked
         JOIN vector_blocks ON row = asked.value ->> 0 ORDER BY asked.key`,
        size,
        JSON.stringify(asked),
      )
      .toArray();
    if (rows.length !== places.length) throw new Error("a row of vector_blocks is missing");
    return rows.map(({ vector }) => new Uint8Array(bytes(vector)));
  }

  /**
   * Saves vectors, each in its owner's place or in a free one. If they are of another model or length than the stored
   * ones, those are deleted first, because they can no longer be compared with a query.
   */
  put(model: string, vectors: readonly OwnedVector[]): void {
    if (vectors.length === 0) return;
    const units = vectors.map(({ owner, vector }) => ({ owner: ownerNumber(owner), unit: unitVector(vector) }));
    const dimensions = units[0]?.unit.length ?? 0;
    if (units.some(({ unit }) => unit.length !== dimensions))
      throw new RangeError("the vectors of one call differ in length");
    if (!this.isOf(model, dimensions)) this.clear();
    if (this.state() === null) this.#create(model, dimensions);
    const places = this.#placesFor(
      units.map(({ owner }) => owner),
      dimensions,
    );
    this.#write(
      dimensions,
      units.map(({ unit, owner }, at) => ({ place: places[at] ?? 0, owner, unit })),
    );
  }

  /** Sets `doneSeq`: see `VectorState`. */
  setDone(doneSeq: Seq): void {
    const state = this.state();
    if (state !== null && state.doneSeq !== doneSeq) this.#setState({ ...state, doneSeq });
  }

  /** Whether the stored vectors are of this model and length. */
  isOf(model: string, dimensions: number): boolean {
    const state = this.state();
    return state !== null && state.model === model && state.dimensions === dimensions;
  }

  #create(model: string, dimensions: number): void {
    this.#sql.exec(SCHEMA);
    this.#setState({ model, dimensions, doneSeq: 0 });
  }

  /**
   * The places of these owners. An owner without one gets the first free place; rows are added if there are too few.
   */
  #placesFor(owners: readonly number[], dimensions: number): number[] {
    const rows = this.#ownerRows();
    const placeOf = new Map<number, number>();
    const free: number[] = [];
    for (const [index, { owners: ofRow }] of rows.entries()) {
      for (const [at, owner] of ofRow.entries()) {
        if (owner === 0) free.push(index * CODES_PER_ROW + at);
        else placeOf.set(owner, index * CODES_PER_ROW + at);
      }
    }
    let next = 0;
    let end = rows.length * CODES_PER_ROW;
    return owners.map((owner) => {
      const known = placeOf.get(owner);
      if (known !== undefined) return known;
      const reused = free[next];
      next += 1;
      if (reused !== undefined) return this.#withBlock(reused, dimensions);
      if (end % CODES_PER_ROW === 0) {
        const wordBytes = codeWords(dimensions) * WORD_BYTES;
        this.#sql.exec(
          "INSERT INTO vector_codes (row, owners, codes) VALUES (?, zeroblob(?), zeroblob(?))",
          end / CODES_PER_ROW + 1,
          CODES_PER_ROW * OWNER_BYTES,
          CODES_PER_ROW * wordBytes,
        );
      }
      end += 1;
      return this.#withBlock(end - 1, dimensions);
    });
  }

  /**
   * Creates the row of `vector_blocks` for a place if it does not exist yet: these rows are created when they are first
   * needed.
   */
  #withBlock(place: number, dimensions: number): number {
    this.#sql.exec(
      "INSERT OR IGNORE INTO vector_blocks (row, vectors) VALUES (?, zeroblob(?))",
      blockRow(place),
      VECTORS_PER_ROW * storedBytes(dimensions),
    );
    return place;
  }

  /**
   * Overwrites places, writing each row once.
   * @param written `unit` null: the place is filled with zeros
   */
  #write(
    dimensions: number,
    written: readonly { readonly place: number; readonly owner: number; readonly unit: Float32Array | null }[],
  ): void {
    this.#codes = null;
    const words = codeWords(dimensions);
    for (const [row, ofRow] of byRow(written, ({ place }) => codeRow(place))) {
      const [known] = this.#sql.exec("SELECT owners, codes FROM vector_codes WHERE row = ?", row).toArray();
      const owners = new Int32Array(bytes(known?.["owners"]));
      const codes = new Uint32Array(bytes(known?.["codes"]));
      for (const { place, owner, unit } of ofRow) {
        const at = place % CODES_PER_ROW;
        owners[at] = owner;
        codes.set(unit === null ? new Uint32Array(words) : codeOf(unit), at * words);
      }
      this.#sql.exec(
        "UPDATE vector_codes SET owners = ?, codes = ? WHERE row = ?",
        new Uint8Array(owners.buffer),
        new Uint8Array(codes.buffer),
        row,
      );
    }
    const size = storedBytes(dimensions);
    for (const [row, ofRow] of byRow(written, ({ place }) => blockRow(place))) {
      const [known] = this.#sql.exec("SELECT vectors FROM vector_blocks WHERE row = ?", row).toArray();
      const vectors = new Uint8Array(bytes(known?.["vectors"]));
      for (const { place, unit } of ofRow) {
        vectors.set(unit === null ? new Uint8Array(size) : storeVector(unit), (place % VECTORS_PER_ROW) * size);
      }
      this.#sql.exec("UPDATE vector_blocks SET vectors = ? WHERE row = ?", vectors, row);
    }
  }

  /**
   * Overwrites the vectors of messages with zeros. Messages from the first of them on are then looked through again, so
   * that edited ones get a new vector.
   */
  forgetMessages(seqs: readonly Seq[]): void {
    this.#forgetOwners(seqs);
    const state = this.state();
    const first = Math.min(...seqs);
    if (state !== null && state.doneSeq >= first) this.setDone(first - 1);
  }

  /** Overwrites the vectors of items, given by their row numbers, with zeros. */
  forgetItems(rows: readonly number[]): void {
    this.#forgetOwners(rows.map((row) => -row));
  }

  #forgetOwners(owners: readonly number[]): void {
    const state = this.state();
    if (state === null || owners.length === 0) return;
    const gone = new Set(owners);
    const written = this.#ownerRows().flatMap(({ row, owners: ofRow }) =>
      [...ofRow].flatMap((owner, at) =>
        owner !== 0 && gone.has(owner) ? [{ place: (row - 1) * CODES_PER_ROW + at, owner: 0, unit: null }] : [],
      ),
    );
    if (written.length === 0) return;
    this.#write(state.dimensions, written);
  }

  /**
   * Deletes all vectors of a session that continues. They are overwritten with zeros first: the freed pages may be
   * reused, and only partly filled, by whatever this transaction writes next.
   */
  clear(): void {
    if (this.state() === null) return;
    this.#sql.exec("UPDATE vector_codes SET owners = zeroblob(length(owners)), codes = zeroblob(length(codes))");
    this.#sql.exec("UPDATE vector_blocks SET vectors = zeroblob(length(vectors))");
    this.drop();
  }

  /** Deletes all vectors of a session that ends. Its pages are dropped with the tables, like those of its messages. */
  drop(): void {
    if (this.state() === null) return;
    for (const table of TABLES) this.#sql.exec(`DROP TABLE IF EXISTS ${table}`);
    this.#state = null;
    this.#codes = null;
  }
}

const codeRow = (place: number): number => Math.floor(place / CODES_PER_ROW) + 1;
const blockRow = (place: number): number => Math.floor(place / VECTORS_PER_ROW) + 1;

function bytes(value: SqlStorageValue | undefined): ArrayBuffer {
  if (value instanceof ArrayBuffer) return value;
  throw new TypeError("a BLOB column holds a value of another type");
}

function byRow<T>(values: readonly T[], rowOf: (value: T) => number): Map<number, T[]> {
  const rows = new Map<number, T[]>();
  for (const value of values) {
    const row = rowOf(value);
    const known = rows.get(row);
    if (known === undefined) rows.set(row, [value]);
    else known.push(value);
  }
  return rows;
}
