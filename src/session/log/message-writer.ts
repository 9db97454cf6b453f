import type { Content, Seq, TokenCount } from "../../api/message.ts";
import { byteLength } from "../../api/text.ts";
import type { Changes } from "../changes.ts";
import type { VectorStore } from "../search/index.ts";
import {
  type FileStore,
  type NewMessageRow,
  renewTable,
  toStoredTime,
  type TotalsChange,
  type TableGroup,
} from "../sqlite/index.ts";
import type { BranchStore } from "./branch-store.ts";
import type { ClientIdIndex } from "./client-id-index.ts";
import type { MessageReader } from "./message-reader.ts";
import { APPENDED_COST, overwriteColumns } from "./message-sql.ts";
import type { MessageTotals } from "./message-totals.ts";
import type { RunningErasure } from "./running-erasure.ts";

// The SQL statements that add, edit and pin messages of the log, and that delete all of them. Erasures are in
// message-eraser.ts.

/**
 * The rows of spaces with which the table begins: they fill the first page, of which SQLite leaves a copy behind when
 * the table outgrows it. See the schema.
 */
const FILLING = `INSERT INTO messages (seq, role, content, created_at, tokens, total_cost, total_bytes)
  SELECT value, 'system', printf('%2000s', ''), 0, 0, 0, 0 FROM json_each('[-2,-1,0]')`;

/** The stores of what belongs to messages. */
export interface MessageParts {
  readonly messages: MessageReader;
  readonly totals: MessageTotals;
  readonly erasure: RunningErasure;
  readonly branches: BranchStore;
  readonly clientIds: ClientIdIndex;
  readonly files: FileStore;
  readonly vectors: VectorStore;
  readonly changes: Changes;
}

export class MessageWriter {
  readonly #sql: TableGroup;
  readonly #instructions: TableGroup;
  readonly #messages: MessageReader;
  readonly #totals: MessageTotals;
  readonly #erasure: RunningErasure;
  readonly #branches: BranchStore;
  readonly #clientIds: ClientIdIndex;
  readonly #files: FileStore;
  readonly #vectors: VectorStore;
  readonly #changes: Changes;

  /** @param instructions the group of the index of instructions and pinned messages */
  constructor(
    sql: TableGroup,
    instructions: TableGroup,
    { messages, totals, erasure, branches, clientIds, files, vectors, changes }: MessageParts,
  ) {
    this.#sql = sql;
    this.#instructions = instructions;
    this.#messages = messages;
    this.#totals = totals;
    this.#erasure = erasure;
    this.#branches = branches;
    this.#clientIds = clientIds;
    this.#files = files;
    this.#vectors = vectors;
    this.#changes = changes;
  }

  /**
   * Adds a message at the end of the log.
   * @param contentJson the content as JSON; null for an erased message, which only forks and imports add
   * @param isNamed whether the client named the message that this one follows
   */
  insert(message: NewMessageRow, contentJson: string | null, isNamed = false): void {
    const { seq, afterSeq, content } = message;
    const packed = content === null || contentJson === null ? null : this.#files.pack(content, contentJson);
    if (afterSeq !== null && afterSeq < seq - 1) this.#branches.insert({ seq, afterSeq }, isNamed);
    this.#sql.exec(
      `INSERT INTO messages (seq, client_id, role, author, content, metadata, occurred_at, created_at, edited_at, erased_at,
         pinned, hash, tokens, total_cost, total_bytes, held_bytes)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      message.seq,
      message.clientId,
      message.role,
      message.author,
      packed?.json ?? null,
      message.metadata === null ? null : JSON.stringify(message.metadata),
      toStoredTime(message),
      message.createdAt,
      message.editedAt,
      message.erasedAt,
      message.isPinned ? 1 : 0,
      message.hash,
      message.tokens,
      message.totalCost,
      message.totalBytes,
      packed?.heldBytes ?? 0,
    );
    this.#clientIds.noteInserted(seq);
    if (packed !== null && packed.files.length > 0) this.#files.cite(seq, packed.files);
    this.#changes.isAppended = true;
    this.#messages.noteHead(message);
    const isInstruction = message.isPinned || message.role === "system" || message.role === "developer";
    if (isInstruction) this.#instructions.create();
    else this.#messages.noteUninstructed(seq);
  }

  /**
   * Replaces the content and metadata of a message. The old ones are overwritten first.
   * @param cost what the message takes of a context's budget from now on, in tokens
   * @returns by how much the sums change, to be added on the session's row
   */
  edit(
    seq: Seq,
    content: Content,
    contentJson: string,
    metadataJson: string | null,
    { tokens, cost }: { readonly tokens: TokenCount; readonly cost: TokenCount },
    editedAt: number,
  ): TotalsChange {
    const before = this.#totals.sizesOf([seq]);
    const packed = this.#files.pack(content, contentJson);
    if (this.#vectors.state() !== null && !this.#saysStill(seq, packed.json)) this.#vectors.forgetMessages([seq]);
    overwriteColumns(this.#sql, [seq], ["content", "metadata"]);
    this.#sql.exec(
      `UPDATE messages SET content = ?, held_bytes = ?, metadata = ?, tokens = ?, edited_at = ?,
         cost_change = ? - ${APPENDED_COST} WHERE seq = ?`,
      packed.json,
      packed.heldBytes,
      metadataJson,
      tokens,
      editedAt,
      cost,
      seq,
    );
    this.#files.cite(seq, packed.files);
    this.#changes.edited.add(seq);
    return this.#totals.noteChanges(
      before.map((block) => ({ ...block, cost: cost - block.cost, bytes: byteLength(contentJson) - block.bytes })),
    );
  }

  #saysStill(seq: Seq, packedJson: string): boolean {
    return this.#sql.exec("SELECT 1 FROM messages WHERE seq = ? AND content = ?", seq, packedJson).toArray().length > 0;
  }

  pin(seq: Seq, isPinned: boolean): void {
    this.#messages.forget();
    this.#instructions.create();
    this.#sql.exec("UPDATE messages SET pinned = ? WHERE seq = ?", isPinned ? 1 : 0, seq);
  }

  /** Deletes every message, and everything that belongs to messages. */
  clear(): void {
    this.#changes.isLogCleared = true;
    this.#messages.forget();
    this.#branches.clear();
    this.#clientIds.clear();
    this.#totals.clear();
    renewTable(this.#sql, "messages", FILLING);
    this.#files.clear();
    this.#vectors.drop();
    this.#erasure.end();
  }
}
