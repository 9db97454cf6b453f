import type { Tokenizer } from "../contracts/context.ts";
import type { TokenCount } from "../contracts/message.ts";
import type { Metadata, SessionRef } from "../contracts/session.ts";
import { AuditStore } from "./audit-store.ts";
import { BranchStore } from "./branch-store.ts";
import { FeedStore } from "./feed-store.ts";
import { FileStore } from "./file-store.ts";
import { JobStore } from "./job-store.ts";
import { LineageStore } from "./lineage-store.ts";
import { MessageStore } from "./message-store.ts";
import {
  type Copying,
  type FinishedImport,
  type MessageArchive,
  numberOrNull,
  type SessionRow,
  toSession,
  type TotalsChange,
} from "./rows.ts";
import type { OwnSettings, TenantTerms } from "./settings.ts";
import { SpentStore } from "./spent-store.ts";
import { SummaryStore } from "./summary-store.ts";
import { VectorStore } from "./vector-store.ts";

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

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.branches = new BranchStore(sql);
    this.files = new FileStore(sql);
    this.vectors = new VectorStore(sql);
    this.messages = new MessageStore(sql, this.branches, this.files, this.vectors);
    this.summaries = new SummaryStore(sql, this.vectors);
    this.jobs = new JobStore(sql);
    this.lineage = new LineageStore(sql);
    this.feed = new FeedStore(sql);
    this.audit = new AuditStore(sql);
    this.spent = new SpentStore(sql);
  }

  /** Forgets what was read: a transaction was rolled back, and with it perhaps what a read has seen. */
  forget(): void {
    this.branches.forget();
    this.messages.forget();
    this.summaries.forget();
    this.jobs.forget();
    this.vectors.forget();
  }

  insertSession(
    row: Pick<
      SessionRow,
      | keyof SessionRef
      | "incarnation"
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
    this.#sql.exec(
      `INSERT OR REPLACE INTO session (one, tenant, owner, session, incarnation, hash_key, metadata, settings, created_at, began_at,
         granted_at, begun_by, tenant_rev, tenant_settings, copying, rev_base)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.tenant,
      row.owner,
      row.session,
      row.incarnation,
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

  session(): SessionRow | null {
    const row = this.#sql.exec("SELECT * FROM session WHERE one = 1").toArray()[0];
    if (row === undefined) return null;
    return toSession(row);
  }

  updateSession(metadata: Metadata, settings: OwnSettings): void {
    this.#sql.exec(
      "UPDATE session SET metadata_rev = metadata_rev + 1, metadata = ?, settings = ? WHERE one = 1",
      JSON.stringify(metadata),
      JSON.stringify(settings),
    );
  }

  setArchiveRev(rev: number, isReplaced: boolean): void {
    this.#sql.exec("UPDATE session SET archive_rev = ?, archive_replace = ? WHERE one = 1", rev, isReplaced ? 1 : 0);
  }

  /** The last version of the summary that the archive holds at the newest revision. */
  setArchiveVersion(version: number): void {
    this.#sql.exec("UPDATE session SET archive_version = ? WHERE one = 1", version);
  }

  setMessageArchive(archive: MessageArchive | null): void {
    this.#sql.exec(
      "UPDATE session SET message_archive = ? WHERE one = 1",
      archive === null ? null : JSON.stringify(archive),
    );
  }

  /** How many rows of the session PostgreSQL refuses. */
  setArchiveAside(rows: number): void {
    this.#sql.exec("UPDATE session SET archive_aside = ? WHERE one = 1", rows);
  }

  setBeganAt(beganAt: number): void {
    this.#sql.exec("UPDATE session SET began_at = ? WHERE one = 1", beganAt);
  }

  setGrantedAt(grantedAt: number): void {
    this.#sql.exec("UPDATE session SET granted_at = ? WHERE one = 1", grantedAt);
  }

  setTenantSettings(rev: number, settings: TenantTerms): void {
    this.#sql.exec(
      "UPDATE session SET tenant_rev = ?, tenant_settings = ? WHERE one = 1",
      rev,
      JSON.stringify(settings),
    );
  }

  /**
   * Counts an edit or an erasure, and what it adds to the totals.
   * @param said what an edit said that was not there before; null if it said nothing else
   */
  countChange(
    { cost, bytes }: TotalsChange = { cost: 0, bytes: 0 },
    said: { readonly at: number; readonly day: number; readonly tokens: TokenCount } | null = null,
  ): void {
    this.#sql.exec(
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
    this.#sql.exec("UPDATE session SET copying = ? WHERE one = 1", copying === null ? null : JSON.stringify(copying));
  }

  setImported(imported: FinishedImport): void {
    this.#sql.exec("UPDATE session SET imported = ? WHERE one = 1", JSON.stringify(imported));
  }

  /** A copy retries and edits as its source does: it takes over what appended messages are told apart by. */
  setHashKey(hashKey: Uint8Array): void {
    this.#sql.exec("UPDATE session SET hash_key = ? WHERE one = 1", hashKey);
  }

  setArchived(rev: number, version: number): void {
    this.#sql.exec("UPDATE session SET archived_rev = ?, archived_version = ? WHERE one = 1", rev, version);
  }

  /**
   * Forgets all that was said and all that was owed but erasures. The names stay, for what the archive and the copies have yet to
   * confirm; so do the blanks that the next life's rows must not take the place of.
   */
  wipe(erasedAt: number): void {
    this.#forgetContent();
    this.jobs.deleteAllButErasures();
    this.#sql.exec("UPDATE session SET erased_at = ?, copying = NULL, imported = NULL WHERE one = 1", erasedAt);
  }

  /** Forgets all that was said, and keeps what says that the session was, and who took something from it. */
  expire(expiredAt: number): void {
    this.#forgetContent();
    this.#sql.exec("UPDATE session SET expired_at = ? WHERE one = 1", expiredAt);
  }

  #forgetContent(): void {
    this.deleteLog();
    this.#sql.exec(
      "UPDATE session SET metadata = '{}', settings = '{}', hash_key = x'', file_key = NULL WHERE one = 1",
    );
  }

  /** Takes out every message and every summary. */
  deleteLog(): void {
    this.messages.clear();
    this.summaries.clear();
    this.feed.clear();
  }
}
