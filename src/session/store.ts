import type { Tokenizer } from "../api/context.ts";
import type { TokenCount } from "../api/message.ts";
import type { Metadata, SessionRef } from "../api/session.ts";
import { Changes } from "./changes.ts";
import { LineageStore } from "./copies/index.ts";
import {
  BranchStore,
  ClientIdIndex,
  FeedStore,
  MessageEraser,
  MessageReader,
  MessageTotals,
  MessageWriter,
  RunningErasure,
} from "./log/index.ts";
import { AuditStore, JobStore } from "./outbox/index.ts";
import { SpentStore } from "./quota/index.ts";
import { VectorStore } from "./search/index.ts";
import {
  type Copying,
  FileStore,
  type FinishedImport,
  type MessageArchive,
  numberOrNull,
  type OwnSettings,
  type SessionRow,
  type TableGroup,
  Tables,
  type TenantTerms,
  toSession,
  type TotalsChange,
} from "./sqlite/index.ts";
import { SummaryStore } from "./summary/index.ts";

// The store of a session's object. It contains the SQL statements about the session's own row; all others are in the
// stores that it creates, one for each table or group of tables.

export class SessionStore {
  readonly #tables: Tables;
  readonly #sql: TableGroup;
  readonly branches: BranchStore;
  readonly clientIds: ClientIdIndex;
  readonly files: FileStore;
  readonly messages: MessageReader;
  readonly messageWriter: MessageWriter;
  readonly messageEraser: MessageEraser;
  readonly totals: MessageTotals;
  readonly erasure: RunningErasure;
  readonly summaries: SummaryStore;
  readonly jobs: JobStore;
  readonly lineage: LineageStore;
  readonly feed: FeedStore;
  readonly audit: AuditStore;
  readonly spent: SpentStore;
  readonly vectors: VectorStore;
  /**
   * The tokenizer for which clients last asked contexts with the session's own budget. It is kept in memory only: if it
   * is forgotten, a summary may merely become due somewhat earlier or later.
   */
  readIn: Tokenizer = "o200k";
  /** What the current transaction has changed so far: its commit acts on it. */
  readonly changes = new Changes();
  /**
   * The session's row as cached; null if there is none, undefined if it has not been read. Every write clears it, so no
   * read is stale.
   */
  #row: SessionRow | null | undefined;

  constructor(sql: SqlStorage) {
    const tables = new Tables(sql);
    const session = tables.group("session");
    const instructions = tables.group("messages_pinned");
    const outbox = tables.group("jobs");
    this.#tables = tables;
    this.#sql = session;
    this.branches = new BranchStore(tables.group("branches"), this.changes);
    this.clientIds = new ClientIdIndex(session, tables.group("client_ids"));
    this.files = new FileStore(tables.group("files"), session);
    this.vectors = new VectorStore(sql);
    this.erasure = new RunningErasure(tables.group("erasing"));
    this.totals = new MessageTotals(session, tables.group("cost_changes"), this.erasure);
    this.messages = new MessageReader(session, instructions, this);
    this.messageWriter = new MessageWriter(session, instructions, this);
    this.messageEraser = new MessageEraser(session, this);
    this.summaries = new SummaryStore(tables.group("summaries"), this.vectors);
    this.jobs = new JobStore(outbox, this.changes);
    this.lineage = new LineageStore(tables.group("origins"));
    this.feed = new FeedStore(tables.group("changes"));
    this.audit = new AuditStore(outbox, session, this.changes);
    this.spent = new SpentStore(tables.group("spent"));
  }

  /**
   * Clears everything that was cached. Called when a transaction was rolled back, since reads in it may have seen what
   * is gone now.
   */
  forget(): void {
    this.#row = undefined;
    this.#tables.forget();
    this.branches.forget();
    this.clientIds.forget();
    this.erasure.forget();
    this.totals.forget();
    this.messages.forget();
    this.summaries.forget();
    this.jobs.forget();
    this.audit.forget();
    this.vectors.forget();
  }

  /** Clears what is cached within a call alone, because a later one would hardly find it unchanged. */
  beginCall(): void {
    this.messages.forgetHead();
    this.summaries.beginCall();
    this.audit.beginCall();
  }

  /** Whether nothing was ever written to the object, or its storage was deleted. */
  get isEmpty(): boolean {
    return this.#tables.isEmpty;
  }

  /** Writes to the session's row, clears the cached one, and lets the commit compute the next alarm anew. */
  #write(statement: string, ...values: readonly (SqlStorageValue | Uint8Array)[]): void {
    this.messages.forgetHead();
    this.#row = undefined;
    this.changes.isRescheduled = true;
    this.#sql.exec(statement, ...values);
  }

  insertSession(
    row: Pick<
      SessionRow,
      | keyof SessionRef
      | "epoch"
      | "hashKey"
      | "metadata"
      | "settings"
      | "createdAt"
      | "beganAt"
      | "grantedAt"
      | "begunBy"
      | "tenantRev"
      | "tenantSettings"
      | "copying"
      | "revBase"
    >,
  ): void {
    this.#write(
      `INSERT OR REPLACE INTO session (one, tenant, owner, session, epoch, hash_key, metadata, settings, created_at, began_at,
         granted_at, begun_by, tenant_rev, tenant_settings, copying, rev_base)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.tenant,
      row.owner,
      row.session,
      row.epoch,
      row.hashKey,
      JSON.stringify(row.metadata),
      JSON.stringify(row.settings),
      row.createdAt,
      row.beganAt,
      row.grantedAt,
      row.begunBy,
      row.tenantRev,
      JSON.stringify(row.tenantSettings),
      row.copying === null ? null : JSON.stringify(row.copying),
      row.revBase,
    );
  }

  /** The session's row; null if there is none. */
  session(): SessionRow | null {
    if (this.#row === undefined) this.#row = this.#readSession();
    return this.#row;
  }

  #readSession(): SessionRow | null {
    const row = this.#sql.exec("SELECT * FROM session WHERE one = 1").toArray()[0];
    return row === undefined ? null : toSession(row);
  }

  updateSession(metadata: Metadata, settings: OwnSettings): void {
    this.#write(
      "UPDATE session SET metadata_rev = metadata_rev + 1, metadata = ?, settings = ? WHERE one = 1",
      JSON.stringify(metadata),
      JSON.stringify(settings),
    );
  }

  /** @param version the last version of the summary that is sent with this revision */
  setArchiveRev(rev: number, isReplaced: boolean, version: number): void {
    this.#write(
      "UPDATE session SET archive_rev = ?, archive_replace = ?, archive_version = ? WHERE one = 1",
      rev,
      isReplaced ? 1 : 0,
      version,
    );
  }

  setMessageArchive(archive: MessageArchive | null): void {
    this.#write(
      "UPDATE session SET message_archive = ? WHERE one = 1",
      archive === null ? null : JSON.stringify(archive),
    );
  }

  /** @param rows how many rows of this session PostgreSQL refuses to store */
  setArchiveAside(rows: number): void {
    this.#write("UPDATE session SET archive_aside = ? WHERE one = 1", rows);
  }

  setBeganAt(beganAt: number): void {
    this.#write("UPDATE session SET began_at = ? WHERE one = 1", beganAt);
  }

  setGrantedAt(grantedAt: number): void {
    this.#write("UPDATE session SET granted_at = ? WHERE one = 1", grantedAt);
  }

  setTenantSettings(rev: number, settings: TenantTerms): void {
    this.#write("UPDATE session SET tenant_rev = ?, tenant_settings = ? WHERE one = 1", rev, JSON.stringify(settings));
  }

  /**
   * Counts an edit or an erasure, and adds what it changes to the session's sums.
   * @param said if an edit changed what a message says: when, on which day (its start, in ms since 1970), and how many
   * tokens it added; else null
   */
  countChange(
    { cost, bytes }: TotalsChange = { cost: 0, bytes: 0 },
    said: { readonly at: number; readonly day: number; readonly tokens: TokenCount } | null = null,
  ): void {
    this.#write(
      `UPDATE session SET changes = changes + 1, cost_change = cost_change + ?1, bytes_change = bytes_change + ?2,
         edited_at = coalesce(?3, edited_at),
         edited_tokens = CASE WHEN ?4 IS NULL THEN edited_tokens WHEN edited_day = ?4 THEN edited_tokens + ?5 ELSE ?5 END,
         edited_day = coalesce(?4, edited_day)
       WHERE one = 1`,
      cost,
      bytes,
      said?.at ?? null,
      said?.day ?? null,
      said?.tokens ?? 0,
    );
  }

  /**
   * The tokens that edits added on a day. Only the last day on which an edit changed a text is stored: for any other it
   * is 0.
   */
  editedTokensOn(day: number): TokenCount {
    const row = this.#sql.exec("SELECT edited_tokens FROM session WHERE one = 1 AND edited_day = ?", day).toArray()[0];
    return numberOrNull(row?.["edited_tokens"]) ?? 0;
  }

  setCopying(copying: Copying | null): void {
    this.#write("UPDATE session SET copying = ? WHERE one = 1", copying === null ? null : JSON.stringify(copying));
  }

  setImported(imported: FinishedImport): void {
    this.#write("UPDATE session SET imported = ? WHERE one = 1", JSON.stringify(imported));
  }

  /** @param fanOuts which fan-out objects have sockets: bit n for the object n */
  setFanOuts(fanOuts: number): void {
    this.#write("UPDATE session SET fan_outs = ? WHERE one = 1", fanOuts);
  }

  /**
   * A fork takes over its source's key, so that a retry of an append to the source is recognised in the fork as well.
   */
  setHashKey(hashKey: Uint8Array): void {
    this.#write("UPDATE session SET hash_key = ? WHERE one = 1", hashKey);
  }

  /** Records what the archive has confirmed: the revision, and the last version of the summary. */
  setArchived(rev: number, version: number): void {
    this.#write("UPDATE session SET archived_rev = ?, archived_version = ? WHERE one = 1", rev, version);
  }

  /**
   * Deletes everything that was said and every pending job except erasures, and marks the session as erased. The
   * session's name and epoch stay until the archive and the copies have confirmed the erasure. The tables are not
   * dropped, so the rows of spaces at their beginnings stay for the next epoch.
   */
  wipe(erasedAt: number): void {
    this.#forgetContent();
    this.jobs.deleteAllButErasures();
    this.#write("UPDATE session SET erased_at = ?, copying = NULL, imported = NULL WHERE one = 1", erasedAt);
  }

  /** Deletes everything that was said, and marks the session as expired. Its name and the list of its copies stay. */
  expire(expiredAt: number): void {
    this.#forgetContent();
    this.#write("UPDATE session SET expired_at = ? WHERE one = 1", expiredAt);
  }

  #forgetContent(): void {
    this.deleteLog();
    this.#write("UPDATE session SET metadata = '{}', settings = '{}', hash_key = x'', file_key = NULL WHERE one = 1");
  }

  /** Deletes every message, every summary and every event of the feed. */
  deleteLog(): void {
    this.#row = undefined;
    this.messageWriter.clear();
    this.summaries.clear();
    this.feed.clear();
  }
}
