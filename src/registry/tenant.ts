import { DurableObject } from "cloudflare:workers";
import type { SessionLimits } from "../contracts/quota.ts";
import type { SessionSettings } from "../contracts/session.ts";
import type { SummarizerUsage } from "../contracts/summarizer.ts";
import type { Spent, TenantPatch, TenantSettings } from "../contracts/tenant.ts";
import { canonicalJson } from "../contracts/text.ts";

/** What the object holds of a tenant. */
export interface TenantRecord extends Omit<TenantSettings, "isOverBudget"> {
  readonly limits: SessionLimits;
  readonly summarizerTokensPerDay: number | null;
  readonly spentToday: Spent;
  /** ISO 8601; null if nothing was ever set. */
  readonly updatedAt: string | null;
}

type TenantSet = Omit<TenantRecord, "spentToday">;

interface TenantRow extends Record<string, SqlStorageValue> {
  readonly rev: number;
  readonly settings: string;
  readonly summarization: TenantSettings["summarization"];
  readonly tokens_per_day: number | null;
  readonly updated_at: number;
}

interface SpentRow extends Record<string, SqlStorageValue> {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cost_micro_dollars: number;
}

/** Days whose spending is kept: as long as a bill may be asked about. */
const KEPT_DAYS = 400;

/** Holds what one tenant sets for all of its sessions. Reading a tenant that set nothing makes no schema and writes no row. */
export class Tenant extends DurableObject {
  #hasSchema: boolean;

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    this.#hasSchema =
      ctx.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'tenant'").toArray().length > 0;
  }

  async read(): Promise<TenantRecord> {
    return { ...this.#load(), spentToday: this.#spentOn(today()) };
  }

  /**
   * Replaces what the patch names and leaves the rest. Idempotent: a patch that changes nothing keeps `rev` and moment.
   * @returns the record as it is afterwards
   */
  async update(patch: TenantPatch): Promise<TenantRecord> {
    const isNew = this.ctx.storage.transactionSync(() => {
      const before = this.#load();
      const after: TenantSet = {
        rev: before.rev + 1,
        settings: patch.settings ?? before.settings,
        summarization: patch.summarization ?? before.summarization,
        summarizerTokensPerDay:
          patch.summarizerTokensPerDay === undefined ? before.summarizerTokensPerDay : patch.summarizerTokensPerDay,
        limits: patch.limits ?? before.limits,
        updatedAt: null,
      };
      if (textOf(after) === textOf(before)) return false;
      this.#store(after, Date.now());
      return true;
    });
    // Not before the commit: a schema that was rolled back is none.
    this.#hasSchema ||= isNew;
    return this.read();
  }

  /**
   * Counts what a model took today.
   * @returns the record as it is afterwards
   */
  async spend(usage: SummarizerUsage): Promise<TenantRecord> {
    const { sql } = this.ctx.storage;
    this.ctx.storage.transactionSync(() => {
      this.#createSchema();
      sql.exec(
        `INSERT INTO spent (day, input_tokens, output_tokens, cost_micro_dollars) VALUES (?, ?, ?, ?)
         ON CONFLICT (day) DO UPDATE SET
           input_tokens = input_tokens + excluded.input_tokens,
           output_tokens = output_tokens + excluded.output_tokens,
           cost_micro_dollars = cost_micro_dollars + excluded.cost_micro_dollars`,
        today(),
        usage.inputTokens,
        usage.outputTokens,
        usage.costMicroDollars ?? 0,
      );
      sql.exec("DELETE FROM spent WHERE day NOT IN (SELECT day FROM spent ORDER BY day DESC LIMIT ?)", KEPT_DAYS);
    });
    this.#hasSchema = true;
    return this.read();
  }

  #load(): TenantSet {
    const row = this.#hasSchema ? this.ctx.storage.sql.exec<TenantRow>("SELECT * FROM tenant").toArray()[0] : undefined;
    if (row === undefined) {
      return { rev: 0, settings: {}, summarization: "on", summarizerTokensPerDay: null, limits: {}, updatedAt: null };
    }
    return {
      rev: row.rev,
      settings: JSON.parse(row.settings),
      summarization: row.summarization,
      summarizerTokensPerDay: row.tokens_per_day,
      limits: this.#limits(),
      updatedAt: new Date(row.updated_at).toISOString(),
    };
  }

  /** In a table of its own, which an object that was made by an earlier version lacks until it is set. */
  #limits(): SessionLimits {
    const { sql } = this.ctx.storage;
    const isThere =
      sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'limits'").toArray().length > 0;
    const row = isThere ? sql.exec<{ limits: string }>("SELECT limits FROM limits").toArray()[0] : undefined;
    return row === undefined ? {} : JSON.parse(row.limits);
  }

  #spentOn(day: string): Spent {
    const row = this.#hasSchema
      ? this.ctx.storage.sql.exec<SpentRow>("SELECT * FROM spent WHERE day = ?", day).toArray()[0]
      : undefined;
    return {
      day,
      inputTokens: row?.input_tokens ?? 0,
      outputTokens: row?.output_tokens ?? 0,
      costMicroDollars: row?.cost_micro_dollars ?? 0,
    };
  }

  #createSchema(): void {
    this.ctx.storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS tenant (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        rev INTEGER NOT NULL,
        settings TEXT NOT NULL,
        summarization TEXT NOT NULL,
        tokens_per_day INTEGER,
        updated_at INTEGER NOT NULL
      );
      CREATE TABLE IF NOT EXISTS limits (one INTEGER PRIMARY KEY CHECK (one = 1), limits TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS spent (
        day TEXT PRIMARY KEY,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cost_micro_dollars INTEGER NOT NULL
      ) WITHOUT ROWID;
    `);
  }

  #store(record: TenantSet, now: number): void {
    this.#createSchema();
    this.ctx.storage.sql.exec(
      `INSERT INTO tenant (one, rev, settings, summarization, tokens_per_day, updated_at) VALUES (1, ?1, ?2, ?3, ?4, ?5)
       ON CONFLICT (one) DO UPDATE SET
         rev = excluded.rev, settings = excluded.settings, summarization = excluded.summarization,
         tokens_per_day = excluded.tokens_per_day, updated_at = excluded.updated_at`,
      record.rev,
      settingsText(record.settings),
      record.summarization,
      record.summarizerTokensPerDay,
      now,
    );
    this.ctx.storage.sql.exec(
      "INSERT INTO limits (one, limits) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET limits = excluded.limits",
      limitsText(record.limits),
    );
  }
}

/** The day in UTC. */
function today(): string {
  return new Date().toISOString().slice(0, 10);
}

/** What a patch can change, as text. */
function textOf({ settings, summarization, summarizerTokensPerDay, limits }: TenantSet): string {
  return `${settingsText(settings)} ${summarization} ${summarizerTokensPerDay} ${limitsText(limits)}`;
}

function limitsText(limits: SessionLimits): string {
  const bounds = Object.entries(limits).flatMap(([name, limit]) => (typeof limit === "number" ? [[name, limit]] : []));
  return canonicalJson(Object.fromEntries(bounds));
}

/** Equal settings give equal text, in whatever order a client wrote them. */
function settingsText(settings: SessionSettings): string {
  return canonicalJson(JSON.parse(JSON.stringify(settings)));
}
