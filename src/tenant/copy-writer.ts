import { retryDelayMs } from "../lib/retry-policy.ts";
import { withTimeout } from "../lib/with-timeout.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import type { TenantCopy } from "./copy-record.ts";
import type { CopySeal } from "./copy-seal.ts";

/** Workers KV accepts one write of a key in a second. Changes within this time, in ms, are written together. */
const WRITE_EVERY_MS = 1_000;
/** A write that takes longer, in ms, counts as failed. */
const WRITE_TIMEOUT_MS = 10_000;
/**
 * A write that failed may still arrive, and replace what was written after it. So the tenant is written once more this
 * many ms after the last failure, when no such write is under way any more.
 */
const WRITE_AGAIN_MS = 60_000;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS copy (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    tenant TEXT NOT NULL,
    version INTEGER NOT NULL,
    written_version INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    again_at INTEGER,
    sealed_by TEXT NOT NULL
  );
`;

interface CopyRow extends Record<string, SqlStorageValue> {
  readonly tenant: string;
  /** Rises with each change that the copy has to follow. */
  readonly version: number;
  /** The last version that the store confirmed. */
  readonly written_version: number;
  /** Failed writes since the last one that succeeded. */
  readonly failures: number;
  /** When the tenant has to be written once more because a write failed, in ms since 1970; null if none did. */
  readonly again_at: number | null;
  /** The fingerprint of the secret with which the store's copy is sealed; empty before the first. */
  readonly sealed_by: string;
}

/** The part of a KV namespace that writing needs. */
export interface CopyTarget {
  put(key: string, value: Uint8Array): Promise<void>;
}

export interface CopyWriterDeps {
  readonly storage: DurableObjectStorage;
  readonly store: CopyTarget;
  readonly seal: CopySeal;
  /** Reads the tenant as it is now. */
  readonly read: () => TenantCopy;
  readonly log: Log;
}

/**
 * Writes the tenant's copy to the store after each change. The object's alarm does it, until the store has confirmed
 * the last change. One write is under way at a time, and each writes the tenant as it is at that moment.
 */
export class CopyWriter {
  readonly #deps: CopyWriterDeps;
  #running: Promise<boolean> | null = null;
  /** When the last write began, in ms since 1970. */
  #beganAt = 0;

  constructor(deps: CopyWriterDeps) {
    this.#deps = deps;
  }

  /** Whether the tenant has a copy, or will have one soon. */
  get exists(): boolean {
    return this.#row() !== null;
  }

  /** Whether the store has the tenant as it is now, sealed with the present secret. */
  get isCurrent(): boolean {
    const row = this.#row();
    return row !== null && !isBehind(row) && row.sealed_by === this.#deps.seal.fingerprint;
  }

  /** Whether nobody will write a copy that the present secret opens, unless it is noted. */
  get isMissing(): boolean {
    const row = this.#row();
    return row === null || (!isBehind(row) && row.sealed_by !== this.#deps.seal.fingerprint);
  }

  /** Records that the copy has to be written. Called in the transaction of the change. */
  note(tenant: string): void {
    const { storage } = this.#deps;
    storage.sql.exec(SCHEMA);
    storage.sql.exec(
      `INSERT INTO copy (one, tenant, version, written_version, failures, sealed_by) VALUES (1, ?, 1, 0, 0, '')
       ON CONFLICT (one) DO UPDATE SET version = version + 1`,
      tenant,
    );
    void storage.setAlarm(Date.now() + WRITE_EVERY_MS);
  }

  /**
   * Writes what has to be written.
   * @returns whether the store has everything that had changed before the call
   */
  async write(): Promise<boolean> {
    const wanted = this.#row()?.version ?? 0;
    while ((this.#row()?.written_version ?? wanted) < wanted) {
      if (!(await this.#writeNext())) return false;
    }
    return true;
  }

  async alarm(): Promise<void> {
    const { storage } = this.#deps;
    const row = this.#row();
    if (row === null) return;
    const isAgain = row.again_at !== null && row.again_at <= Date.now();
    if (!isBehind(row) && !isAgain) {
      if (row.again_at !== null) await storage.setAlarm(row.again_at);
      return;
    }
    // Set before the write, because an alarm that fails too often is lost.
    await storage.setAlarm(Date.now() + retryDelayMs(row.failures + 1, Math.random()));
    await this.#writeNext();
  }

  /** The write under way, or a new one. */
  #writeNext(): Promise<boolean> {
    this.#running ??= this.#writeOnce().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #writeOnce(): Promise<boolean> {
    const restMs = this.#beganAt + WRITE_EVERY_MS - Date.now();
    if (restMs > 0) await scheduler.wait(restMs);
    const row = this.#row();
    if (row === null) return true;
    const beganAt = Date.now();
    this.#beganAt = beganAt;
    try {
      await withTimeout(this.#put(row.tenant), WRITE_TIMEOUT_MS, () => {
        throw new Error(`the store did not answer within ${WRITE_TIMEOUT_MS} ms`);
      });
    } catch (error) {
      this.#noteFailure(row, error);
      return false;
    }
    this.#noteSuccess(row.version, beganAt);
    return true;
  }

  async #put(tenant: string): Promise<void> {
    const { store, seal, read } = this.#deps;
    await store.put(tenant, seal.seal(tenant, read()));
  }

  #noteSuccess(version: number, beganAt: number): void {
    const { storage, seal } = this.#deps;
    storage.transactionSync(() => {
      storage.sql.exec(
        `UPDATE copy SET written_version = ?1, sealed_by = ?2, failures = 0,
           again_at = CASE WHEN again_at > ?3 THEN again_at END`,
        version,
        seal.fingerprint,
        beganAt,
      );
      const row = this.#row();
      // A change meanwhile has set the alarm.
      if (row === null || isBehind(row)) return;
      if (row.again_at === null) void storage.deleteAlarm();
      else void storage.setAlarm(row.again_at);
    });
  }

  #noteFailure({ tenant, failures }: CopyRow, error: unknown): void {
    const { storage, log } = this.#deps;
    log.warn("tenant_copy_not_written", { tenant, failures: failures + 1, ...errorFields(error) });
    const now = Date.now();
    storage.transactionSync(() => {
      storage.sql.exec("UPDATE copy SET failures = failures + 1, again_at = ?", now + WRITE_AGAIN_MS);
      void storage.setAlarm(now + retryDelayMs(failures + 1, Math.random()));
    });
  }

  #row(): CopyRow | null {
    const { sql } = this.#deps.storage;
    const tables = sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'copy'").toArray();
    return tables.length === 0 ? null : (sql.exec<CopyRow>("SELECT * FROM copy").toArray()[0] ?? null);
  }
}

function isBehind({ version, written_version: written }: CopyRow): boolean {
  return version > written;
}
