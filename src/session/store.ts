import type { Tokenizer } from "../api/context.ts";
import type { TokenCount } from "../api/message.ts";
import type { Metadata, SessionRef } from "../api/session.ts";
import { Changes } from "./changes.ts";
import { LineageStore } from "./copies/index.ts";
import { BranchStore, FeedStore, MessageStore } from "./log/index.ts";
import { AuditStore, JobStore } from "./outbox/index.ts";
import { SpentStore } from "./quota/index.ts";
import { VectorStore } from "./search/index.ts";
import {
  type Copying,
  FileStore,
  type FinishedImport,
  type MessageArchive,
  migrate,
  numberOrNull,
  type OwnSettings,
  schemaVersion,
  type SessionRow,
  type TenantTerms,
  toSession,
  type TotalsChange,
} from "./sqlite/index.ts";
import { SummaryStore } from "./summary/index.ts";

/** Every SQL statement about the session's own row; the other statements stand in the stores that it hands out, one a noun. */

export class SessionStore {
  readonly #sql: SqlStorage;
  readonly branches: BranchStore;
  readonly files: FileStore;
  readonly messages: MessageStore;
  readonly summaries: SummaryStore;
  readonly jobs: JobStore;
  readonly lineage: LineageStore;
  readonly feed: FeedStore;
  readonly audit: AuditStore;
  readonly spent: SpentStore;
  readonly vectors: VectorStore;
  /**
   * Whose tokens contexts by the session's own budget were asked for in last, as far as this object remembers. No row: it only makes a
   * summary come somewhat sooner.
   */
  readIn: Tokenizer = "o200k";
  /** What the transaction at hand changed, for its commit. */
  readonly changes = new Changes();
  /** The session's row as it stands; undefined until read. Every write of it forgets it here, so that no read is stale. */
  #row: SessionRow | null | undefined;
  /** Whether the tables are there: an object that was never written to has none. */
  #isCreated: boolean | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.branches = new BranchStore(sql, this.changes);
    this.files = new FileStore(sql);
    this.vectors = new VectorStore(sql);
    this.messages = new MessageStore(sql, this.branches, this.files, this.vectors, this.changes);
    this.summaries = new SummaryStore(sql, this.vectors);
    this.jobs = new JobStore(sql, this.changes);
    this.lineage = new LineageStore(sql);
    this.feed = new FeedStore(sql);
    this.audit = new AuditStore(sql, this.changes);
    this.spent = new SpentStore(sql);
  }

  /** Forgets what was read: a transaction was rolled back, and with it perhaps what a read has seen. */
  forget(): void {
    this.#row = undefined;
    this.#isCreated = undefined;
    this.branches.forget();
    this.messages.forget();
    this.summaries.forget();
    this.jobs.forget();
    this.audit.forget();
    this.vectors.forget();
  }

  get isCreated(): boolean {
    return (this.#isCreated ??= schemaVersion(this.#sql) > 0);
  }

  /** Writes the session's row. */
  #write(statement: string, ...values: readonly unknown[]): void {
    this.#row = undefined;
    this.changes.isRescheduled = true;
    this.#sql.exec(statement, ...values);
  }

  /** Makes the tables, if they are not there. */
  createSchema(): void {
    migrate(this.#sql);
    this.#isCreated = undefined;
    this.#row = undefined;
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

  /** Null if there is none, or nothing was ever written. */
  session(): SessionRow | null {
    if (this.#row === undefined) this.#row = this.isCreated ? this.#readSession() : null;
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

  setArchiveRev(rev: number, isReplaced: boolean): void {
    this.#write("UPDATE session SET archive_rev = ?, archive_replace = ? WHERE one = 1", rev, isReplaced ? 1 : 0);
  }

  /** The last version of the summary that the archive holds at the newest revision. */
  setArchiveVersion(version: number): void {
    this.#write("UPDATE session SET archive_version = ? WHERE one = 1", version);
  }

  setMessageArchive(archive: MessageArchive | null): void {
    this.#write(
      "UPDATE session SET message_archive = ? WHERE one = 1",
      archive === null ? null : JSON.stringify(archive),
    );
  }

  /** How many rows of the session PostgreSQL refuses. */
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
   * Counts an edit or an erasure, and what it adds to the totals.
   * @param said what an edit said that was not there before; null if it said nothing else
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

  /** The tokens that edits brought on a day. */
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

  /** A copy retries and edits as its source does: it takes over what appended messages are told apart by. */
  setHashKey(hashKey: Uint8Array): void {
    this.#write("UPDATE session SET hash_key = ? WHERE one = 1", hashKey);
  }

  setArchived(rev: number, version: number): void {
    this.#write("UPDATE session SET archived_rev = ?, archived_version = ? WHERE one = 1", rev, version);
  }

  /**
   * Forgets all that was said and all that was pending but erasures. The names stay, for what the archive and the copies have yet to
   * confirm; so do the blanks that the next epoch's rows must not take the place of.
   */
  wipe(erasedAt: number): void {
    this.#forgetContent();
    this.jobs.deleteAllButErasures();
    this.#write("UPDATE session SET erased_at = ?, copying = NULL, imported = NULL WHERE one = 1", erasedAt);
  }

  /** Forgets all that was said, and keeps what says that the session was, and who took something from it. */
  expire(expiredAt: number): void {
    this.#forgetContent();
    this.#write("UPDATE session SET expired_at = ? WHERE one = 1", expiredAt);
  }

  #forgetContent(): void {
    this.deleteLog();
    this.#write("UPDATE session SET metadata = '{}', settings = '{}', hash_key = x'', file_key = NULL WHERE one = 1");
  }

  /** Takes out every message and every summary. */
  deleteLog(): void {
    this.#row = undefined;
    this.messages.clear();
    this.summaries.clear();
    this.feed.clear();
  }
}
