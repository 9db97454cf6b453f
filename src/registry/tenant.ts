import { DurableObject } from "cloudflare:workers";
import type { SessionSettings } from "../contracts/session.ts";
import { type TenantPatch, type TenantSettings, UNSET_TENANT } from "../contracts/tenant.ts";
import { canonicalJson } from "../contracts/text.ts";

/** What the object holds of a tenant. */
export interface TenantRecord extends TenantSettings {
  /** ISO 8601; null if nothing was ever set. */
  readonly updatedAt: string | null;
}

interface TenantRow extends Record<string, SqlStorageValue> {
  readonly rev: number;
  readonly settings: string;
  readonly summarization: TenantSettings["summarization"];
  readonly updated_at: number;
}

/** Holds what one tenant sets for all of its sessions. Reading a tenant that set nothing makes no schema and writes no row. */
export class Tenant extends DurableObject {
  #hasSchema: boolean;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#hasSchema =
      ctx.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'tenant'").toArray().length > 0;
  }

  async read(): Promise<TenantRecord> {
    return this.#load();
  }

  /**
   * Replaces what the patch names and leaves the rest. Idempotent: a patch that changes nothing keeps `rev` and moment.
   * @returns the record as it is afterwards
   */
  async update(patch: TenantPatch): Promise<TenantRecord> {
    const record = this.ctx.storage.transactionSync(() => {
      const before = this.#load();
      const settings = patch.settings ?? before.settings;
      const summarization = patch.summarization ?? before.summarization;
      if (settingsText(settings) === settingsText(before.settings) && summarization === before.summarization) {
        return before;
      }
      const now = Date.now();
      const after = { rev: before.rev + 1, settings, summarization, updatedAt: new Date(now).toISOString() };
      this.#store(after, now);
      return after;
    });
    // Not before the commit: a schema that was rolled back is none.
    this.#hasSchema = record.rev > 0;
    return record;
  }

  #load(): TenantRecord {
    const row = this.#hasSchema
      ? this.ctx.storage.sql.exec<TenantRow>("SELECT rev, settings, summarization, updated_at FROM tenant").toArray()[0]
      : undefined;
    if (row === undefined) return { ...UNSET_TENANT, updatedAt: null };
    return {
      rev: row.rev,
      settings: JSON.parse(row.settings),
      summarization: row.summarization,
      updatedAt: new Date(row.updated_at).toISOString(),
    };
  }

  #store(record: TenantSettings, now: number): void {
    const { sql } = this.ctx.storage;
    sql.exec(`
      CREATE TABLE IF NOT EXISTS tenant (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        rev INTEGER NOT NULL,
        settings TEXT NOT NULL,
        summarization TEXT NOT NULL,
        updated_at INTEGER NOT NULL
      )
    `);
    sql.exec(
      `INSERT INTO tenant (one, rev, settings, summarization, updated_at) VALUES (1, ?1, ?2, ?3, ?4)
       ON CONFLICT (one) DO UPDATE SET
         rev = excluded.rev, settings = excluded.settings, summarization = excluded.summarization, updated_at = excluded.updated_at`,
      record.rev,
      settingsText(record.settings),
      record.summarization,
      now,
    );
  }
}

/** Equal settings give equal text, in whatever order a client wrote them. */
function settingsText(settings: SessionSettings): string {
  return canonicalJson(JSON.parse(JSON.stringify(settings)));
}
