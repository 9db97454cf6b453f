import { MAX_BRANCHES } from "../../api/limits.ts";
import type { Seq, TokenCount } from "../../api/message.ts";
import type { Branch, SeqRange } from "../../prompt/branch.ts";
import {
  type HeadRow,
  type LedgerRow,
  number,
  numberOrNull,
  toLedger,
  type TotalsChange,
  type TableGroup,
} from "../sqlite/index.ts";
import { AMONG_SEQS, APPENDED_COST, SAID_BYTES } from "./message-sql.ts";
import type { RunningErasure } from "./running-erasure.ts";

// The SQL statements about the sums over messages: what they take of a context's budget, and their bytes.

/** By how much the messages of one block changed. */
export interface BlockChange extends TotalsChange {
  readonly block: number;
}

/**
 * A block is 2^BLOCK_BITS messages, whose changes of cost are summed up in one row. To compute the sum at a message, it
 * takes the rows of its block and one row for each block before.
 */
const BLOCK_BITS = 7;

/** How many ranges of messages off a branch have their cost cached: enough for the active branch and a few others. */
const MAX_OFF_COSTS = 4 * MAX_BRANCHES;

export class MessageTotals {
  readonly #sql: TableGroup;
  readonly #changes: TableGroup;
  readonly #erasure: RunningErasure;
  /** The sum that was read last, as cached: each append asks for the sum at the end of the summary. */
  #totalRead: { readonly seq: Seq; readonly cost: TokenCount } | null = null;
  /** The cost of ranges of messages off a branch, as cached. */
  readonly #offCosts = new Map<string, TokenCount>();

  /** @param changes the group of `cost_changes` */
  constructor(sql: TableGroup, changes: TableGroup, erasure: RunningErasure) {
    this.#sql = sql;
    this.#changes = changes;
    this.#erasure = erasure;
  }

  /** Clears what was cached: the sums have changed, or a transaction was rolled back. */
  forget(): void {
    this.#totalRead = null;
    this.#offCosts.clear();
  }

  /** What the messages after `afterSeq` add to the running sums, the oldest first, without their contents. */
  ledger(afterSeq: Seq, limit: number): LedgerRow[] {
    return this.#sql
      .exec(
        `SELECT seq, author, tokens, total_cost, total_bytes, cost_change, erased_at
         FROM messages WHERE seq > max(?, 0) ORDER BY seq LIMIT ?`,
        afterSeq,
        limit,
      )
      .toArray()
      .map(toLedger);
  }

  /** Bytes of the contents of all messages through one, as they are now. Reads each row. */
  bytesThrough(seq: Seq): number {
    const erased = this.#erasure.throughSeq();
    const sum = this.#sql.exec(
      `SELECT sum(${SAID_BYTES}) AS bytes FROM messages WHERE seq > ? AND seq <= ?`,
      erased,
      seq,
    );
    return numberOrNull(sum.one()["bytes"]) ?? 0;
  }

  /** What the messages of a branch through one take of a context's budget now. */
  costOn(branch: Branch, seq: Seq): TokenCount {
    return this.costAt(seq) - this.offCost(branch, seq);
  }

  /** The cost of the messages up to one that are not on the branch. */
  offCost({ off }: Branch, throughSeq: Seq): TokenCount {
    let cost = 0;
    for (const range of off) {
      if (range.fromSeq > throughSeq) break;
      cost += this.#rangeCost({ ...range, throughSeq: Math.min(range.throughSeq, throughSeq) });
    }
    return cost;
  }

  #rangeCost({ fromSeq, throughSeq }: SeqRange): TokenCount {
    const key = `${fromSeq}-${throughSeq}`;
    const known = this.#offCosts.get(key);
    if (known !== undefined) return known;
    if (this.#offCosts.size >= MAX_OFF_COSTS) this.#offCosts.clear();
    const cost = this.#readCost(throughSeq) - this.#readCost(fromSeq - 1);
    this.#offCosts.set(key, cost);
    return cost;
  }

  /** What all messages through one take of a context's budget now; 0 before the first. */
  costAt(seq: Seq): TokenCount {
    if (this.#totalRead?.seq === seq) return this.#totalRead.cost;
    const cost = this.#readCost(seq);
    this.#totalRead = { seq, cost };
    return cost;
  }

  #readCost(seq: Seq): TokenCount {
    const erasing = this.#erasure.read();
    if (erasing !== null) return this.#costAfter(erasing.throughSeq, seq);
    if (!this.#changes.isThere) return this.appendedCostAt(seq);
    const first = (seq >> BLOCK_BITS) << BLOCK_BITS;
    const row = this.#sql
      .exec(
        `SELECT total_cost
           + coalesce((SELECT sum(cost) FROM cost_changes WHERE block < ?2), 0)
           + CASE WHEN EXISTS (SELECT 1 FROM cost_changes WHERE block = ?2)
               THEN coalesce((SELECT sum(cost_change) FROM messages WHERE seq > 0 AND seq >= ?3 AND seq <= ?1), 0)
               ELSE 0 END AS cost
         FROM messages WHERE seq = ?1`,
        seq,
        seq >> BLOCK_BITS,
        first,
      )
      .toArray()[0];
    return row === undefined ? 0 : number(row["cost"]);
  }

  /**
   * Does the same while an erasure of the messages through `erasedSeq` is running: the sums of their blocks are not
   * corrected until they are overwritten.
   */
  #costAfter(erasedSeq: Seq, seq: Seq): TokenCount {
    if (seq <= erasedSeq) return 0;
    const changes = this.#sql
      .exec("SELECT sum(cost_change) AS cost FROM messages WHERE seq > ? AND seq <= ?", erasedSeq, seq)
      .one()["cost"];
    return this.appendedCostAt(seq) - this.appendedCostAt(erasedSeq) + (numberOrNull(changes) ?? 0);
  }

  /** What all messages through one took of a context's budget when they were appended; 0 before the first. */
  appendedCostAt(seq: Seq): TokenCount {
    const row = this.#sql.exec("SELECT total_cost FROM messages WHERE seq = ?", seq).toArray()[0];
    return row === undefined ? 0 : number(row["total_cost"]);
  }

  /**
   * Whether the sums by block and on the session's row agree with the messages. Part of the integrity check.
   * @param head the newest message, with the sums on the session's row
   */
  areTrue(head: HeadRow | null): boolean {
    // During an erasure they do not: they are corrected with each step.
    if (this.#erasure.isRunning()) return true;
    const table = this.#changes.isThere ? "cost_changes" : "(SELECT 0 AS block, 0 AS cost)";
    const wrong = this.#sql
      .exec(
        `WITH changed AS (SELECT block, cost FROM ${table}),
         blocks AS (SELECT seq >> ${BLOCK_BITS} AS block, sum(cost_change) AS cost FROM messages WHERE seq > 0 GROUP BY block)
         SELECT 1 FROM blocks LEFT JOIN changed USING (block) WHERE blocks.cost <> coalesce(changed.cost, 0)
         UNION ALL SELECT 1 FROM session WHERE cost_change <> coalesce((SELECT sum(cost) FROM changed), 0)
         LIMIT 1`,
      )
      .toArray();
    const bytes = this.#sql.exec(`SELECT sum(${SAID_BYTES}) AS bytes FROM messages WHERE seq > 0`).one();
    return wrong.length === 0 && (numberOrNull(bytes["bytes"]) ?? 0) === (head?.totalBytes ?? 0);
  }

  /** What messages take now, summed up by block. */
  sizesOf(seqs: readonly Seq[]): BlockChange[] {
    return this.#sql
      .exec(
        `SELECT seq >> ${BLOCK_BITS} AS block, sum(${APPENDED_COST} + cost_change) AS cost,
           sum(coalesce(${SAID_BYTES}, 0)) AS bytes
         FROM messages WHERE ${AMONG_SEQS} GROUP BY block`,
        JSON.stringify(seqs),
      )
      .toArray()
      .map((row) => ({ block: number(row["block"]), cost: number(row["cost"]), bytes: number(row["bytes"]) }));
  }

  /**
   * Adds changes to the sums by block.
   * @returns their sum, to be added on the session's row
   */
  noteChanges(changes: readonly BlockChange[]): TotalsChange {
    this.forget();
    const costs = changes.filter(({ cost }) => cost !== 0);
    for (const { block, cost } of costs) {
      this.#changes.exec(
        "INSERT INTO cost_changes (block, cost) VALUES (?, ?) ON CONFLICT (block) DO UPDATE SET cost = cost + excluded.cost",
        block,
        cost,
      );
    }
    return {
      cost: costs.reduce((sum, { cost }) => sum + cost, 0),
      bytes: changes.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  clear(): void {
    this.forget();
    this.#changes.exec("DELETE FROM cost_changes");
    this.#sql.exec("UPDATE session SET cost_change = 0, bytes_change = 0");
  }
}
