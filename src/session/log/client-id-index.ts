import { createHash } from "node:crypto";
import type { Seq } from "../../api/message.ts";
import { number, type Row, textOrNull, type TableGroup } from "../sqlite/index.ts";
import { AMONG_SEQS } from "./message-sql.ts";

// The SQL statements that find messages by their clients' ids.

/**
 * The ids of so many messages are hashed at once. Each write of a row is billed, so an index entry for each message would
 * double the cost of an append.
 */
const HASHED_AT_ONCE = 64;

/**
 * A row holds the hashes of so many messages, a multiple of HASHED_AT_ONCE: with them it fills one page of 4 KiB and
 * needs no second one.
 */
const BLOCK_MESSAGES = 960;

/** The hash of a message without a client's id. */
const NO_ID = 0;

/**
 * Finds messages by their clients' ids. The index is one row of 32-bit hashes for each block of messages, which is
 * written when HASHED_AT_ONCE messages more are there; the ids of the few messages after those are read from their own
 * rows. Two ids can have the same hash, so each message that is found by a hash is compared by its id.
 *
 * Nothing but this class keeps an id from being stored twice: look for an id in the transaction that inserts it.
 */
export class ClientIdIndex {
  readonly #sql: TableGroup;
  readonly #blocks: TableGroup;
  /**
   * The hashes by block, as cached; undefined if they have not been read. They take four bytes for each message that a
   * session may have, 400 KB at most.
   */
  #hashes: Map<number, Uint32Array> | undefined;

  /** @param blocks the group of `client_ids` */
  constructor(sql: TableGroup, blocks: TableGroup) {
    this.#sql = sql;
    this.#blocks = blocks;
  }

  /** Clears what was cached: a transaction was rolled back. */
  forget(): void {
    this.#hashes = undefined;
  }

  /** The seqs of the messages with these ids, in no particular order. */
  seqsOf(ids: readonly string[]): Seq[] {
    if (ids.length === 0) return [];
    const wanted = JSON.stringify(ids);
    const unhashed = this.#sql.exec(
      `SELECT seq FROM messages WHERE seq > (SELECT max(seq) / ${HASHED_AT_ONCE} * ${HASHED_AT_ONCE} FROM messages)
         AND client_id IN (SELECT value FROM json_each(?))`,
      wanted,
    );
    const seqs = unhashed.toArray().map(seqOf);
    const possible = this.#seqsWithHashOf(ids);
    if (possible.length === 0) return seqs;
    const hashed = this.#sql.exec(
      `SELECT seq FROM messages WHERE ${AMONG_SEQS} AND client_id IN (SELECT value FROM json_each(?))`,
      JSON.stringify(possible),
      wanted,
    );
    return [...seqs, ...hashed.toArray().map(seqOf)];
  }

  /** The seqs of the hashed messages whose ids have the same hash as one of these. */
  #seqsWithHashOf(ids: readonly string[]): Seq[] {
    this.#hashes ??= this.#read();
    if (this.#hashes.size === 0) return [];
    const seqs: Seq[] = [];
    for (const hash of new Set(ids.map(hashOfId))) {
      for (const [block, hashes] of this.#hashes) {
        for (let at = hashes.indexOf(hash); at !== -1; at = hashes.indexOf(hash, at + 1)) {
          seqs.push(block * BLOCK_MESSAGES + at + 1);
        }
      }
    }
    return seqs;
  }

  #read(): Map<number, Uint32Array> {
    const rows = this.#blocks.exec("SELECT block, hashes FROM client_ids").toArray();
    return new Map(rows.map((row) => [number(row["block"]), toHashes(row["hashes"])]));
  }

  /** A message was inserted at the end of the log. */
  noteInserted(seq: Seq): void {
    if (seq % HASHED_AT_ONCE !== 0) return;
    const rows = this.#hashesBetween(seq - HASHED_AT_ONCE, seq);
    if (rows.every(({ hash }) => hash === NO_ID)) return;
    this.#hashes ??= this.#read();
    const block = blockOf(seq);
    // With its full length from the first write on, a row never moves.
    const hashes = this.#hashes.get(block) ?? new Uint32Array(BLOCK_MESSAGES);
    for (const row of rows) hashes[placeOf(row.seq)] = row.hash;
    this.#hashes.set(block, hashes);
    this.#blocks.exec(
      "INSERT INTO client_ids (block, hashes) VALUES (?, ?) ON CONFLICT (block) DO UPDATE SET hashes = excluded.hashes",
      block,
      new Uint8Array(hashes.buffer),
    );
  }

  /** The hashes of the messages after `afterSeq` through `throughSeq`, computed from their ids. */
  #hashesBetween(afterSeq: Seq, throughSeq: Seq): { readonly seq: Seq; readonly hash: number }[] {
    return this.#sql
      .exec("SELECT seq, client_id FROM messages WHERE seq > ? AND seq <= ? ORDER BY seq", afterSeq, throughSeq)
      .toArray()
      .map((row) => {
        const id = textOrNull(row["client_id"]);
        return { seq: seqOf(row), hash: id === null ? NO_ID : hashOfId(id) };
      });
  }

  /**
   * The messages after `afterSeq` through `throughSeq` that the index would not find by their ids. Part of the
   * integrity check: it reads the index and the messages, whatever is cached.
   */
  missing(afterSeq: Seq, throughSeq: Seq): Seq[] {
    const newest = number(this.#sql.exec("SELECT max(seq) AS seq FROM messages").one()["seq"]);
    const blocks = this.#read();
    return this.#hashesBetween(afterSeq, Math.min(throughSeq, newest - (newest % HASHED_AT_ONCE)))
      .filter(({ seq, hash }) => hash !== (blocks.get(blockOf(seq))?.[placeOf(seq)] ?? NO_ID))
      .map(({ seq }) => seq);
  }

  /** A message whose id an earlier one has; null if there is none. Part of the integrity check: it reads each row. */
  repeated(): Seq | null {
    const row = this.#sql
      .exec(
        "SELECT max(seq) AS seq FROM messages WHERE client_id IS NOT NULL GROUP BY client_id HAVING count(*) > 1 LIMIT 1",
      )
      .toArray()[0];
    return row === undefined ? null : seqOf(row);
  }

  clear(): void {
    this.forget();
    this.#blocks.drop();
  }
}

/** The block of a message, and its place there: the first message is seq 1. */
function blockOf(seq: Seq): number {
  return Math.floor((seq - 1) / BLOCK_MESSAGES);
}

function placeOf(seq: Seq): number {
  return (seq - 1) % BLOCK_MESSAGES;
}

function seqOf(row: Row): Seq {
  return number(row["seq"]);
}

function toHashes(blob: SqlStorageValue | undefined): Uint32Array {
  if (!(blob instanceof ArrayBuffer)) throw new TypeError("client_ids.hashes is no blob");
  return new Uint32Array(blob);
}

/**
 * The first 32 bits of a SHA-256. With a weaker hash, a client could choose thousands of ids with the same one, and each
 * of its appends would compare them all.
 */
function hashOfId(id: string): number {
  const hash = createHash("sha256").update(id).digest().readUInt32LE(0);
  return hash === NO_ID ? 1 : hash;
}
