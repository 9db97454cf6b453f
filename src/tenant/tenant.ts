import { DurableObject } from "cloudflare:workers";
import type { KeyState, NewKey } from "../api/api-key.ts";
import type { EmbeddingUsage } from "../api/embedding.ts";
import type { Outcome } from "../api/errors.ts";
import { DAY_SECONDS, dayName, type SessionLimits } from "../api/quota.ts";
import type { SessionSettings } from "../api/session.ts";
import type { SummarizerUsage } from "../api/summarizer.ts";
import type { Jurisdiction, Spent, TakenOfDay, TenantPatch, TenantSettings } from "../api/tenant.ts";
import { canonicalJson } from "../api/text.ts";
import type { UsersMay } from "../api/users-may.ts";
import { withTimeout } from "../lib/with-timeout.ts";
import { createLog } from "../telemetry/log.ts";
import type { TenantCopy } from "./copy-record.ts";
import { createCopySeal } from "./copy-seal.ts";
import { type CopyTarget, CopyWriter } from "./copy-writer.ts";
import { isUsedUp } from "./day-budget.ts";
import type { IssuedKey, KeyCursor, KeyHashes } from "./key-records.ts";
import { TenantKeys } from "./keys.ts";
import type { TakenAnswer, TakenReport } from "./taken-client.ts";
import { TenantTaken } from "./taken.ts";

/** Everything that the object holds of a tenant. */
export interface TenantRecord extends Omit<TenantSettings, "isOverBudget"> {
  readonly limits: SessionLimits;
  readonly usersMay: UsersMay;
  readonly summarizerTokensPerDay: number | null;
  readonly spentToday: Spent;
  readonly takenToday: TakenOfDay;
  /** When the settings last changed (ISO 8601); null if they never did. */
  readonly updatedAt: string | null;
  readonly jurisdiction: Jurisdiction | null;
  /** When the tenant was created (ISO 8601); null if it was only used. */
  readonly createdAt: string | null;
  readonly keys: KeyHashes | null;
  /** Whether the copy that serves while the object is unavailable is like the object. */
  readonly isCopied: boolean;
}

/** The bindings that a tenant's object uses. */
export interface TenantEnv {
  readonly TENANT_COPIES: CopyTarget;
  readonly THREADKEEP_ADMIN_KEY: string;
}

type Identity = Pick<TenantRecord, "jurisdiction" | "createdAt">;
type TenantSettingsRecord = Omit<TenantRecord, keyof Identity | "spentToday" | "takenToday" | "keys" | "isCopied">;

interface TenantRow extends Record<string, SqlStorageValue> {
  readonly rev: number;
  readonly settings: string;
  readonly summarization: TenantSettings["summarization"];
  readonly tokens_per_day: number | null;
  readonly limits: string;
  readonly users_may: string;
  readonly updated_at: number;
}

interface IdentityRow extends Record<string, SqlStorageValue> {
  readonly jurisdiction: Jurisdiction | null;
  readonly created_at: number;
}

interface SpentRow extends Record<string, SqlStorageValue> {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cost_micro_dollars: number;
  readonly embedding_tokens: number;
  readonly embedding_micro_dollars: number;
}

const DAY_MS = DAY_SECONDS * 1_000;
/** How many days of spending are kept, as long as a bill may be disputed. */
const KEPT_DAYS = 400;
/** How long a revocation waits until the tenant's copy has it, in ms. */
const COPY_WAIT_MS = 3_000;
const log = createLog();
const NOTHING_SPENT: Omit<Spent, "day"> = {
  inputTokens: 0,
  outputTokens: 0,
  costMicroDollars: 0,
  embeddings: { inputTokens: 0, costMicroDollars: 0 },
};

/**
 * The object of one tenant: its jurisdiction, the settings for all of its sessions, and its keys. Reading a tenant that
 * does not exist creates no tables and no rows. It holds no text of a chat, so the object itself need not be in the
 * tenant's jurisdiction; and since the jurisdiction is known only here, it could not be.
 */
export class Tenant extends DurableObject<TenantEnv> {
  readonly #keys: TenantKeys;
  readonly #taken: TenantTaken;
  readonly #copy: CopyWriter;
  #hasSchema: boolean;

  constructor(ctx: DurableObjectState, env: TenantEnv) {
    super(ctx, env);
    this.#keys = new TenantKeys(ctx.storage.sql);
    this.#taken = new TenantTaken(ctx.storage.sql);
    this.#copy = new CopyWriter({
      storage: ctx.storage,
      store: env.TENANT_COPIES,
      seal: createCopySeal(env.THREADKEEP_ADMIN_KEY),
      read: () => this.#content(),
      log,
    });
    this.#hasSchema = this.#hasTable("tenant");
  }

  async read(): Promise<TenantRecord> {
    return this.#record();
  }

  /**
   * Lets the tenant have a copy, if it has none yet or one that the present admin key does not open. Called for tenants
   * that are in use, because a tenant that is only named leaves no row.
   */
  async ensureCopy(): Promise<void> {
    if (this.#copy.isMissing) this.ctx.storage.transactionSync(() => this.#noteChange());
  }

  override async alarm(): Promise<void> {
    await this.#copy.alarm();
  }

  /**
   * Creates the tenant in a jurisdiction, which can never change. Idempotent: settings are used only if it is created
   * now.
   * @returns null if it exists with another jurisdiction, or was used before without one
   */
  async create(
    jurisdiction: Jurisdiction | null,
    settings: SessionSettings | undefined,
  ): Promise<{ record: TenantRecord; created: boolean } | null> {
    const before = this.#identity();
    if (before.createdAt !== null) {
      return before.jurisdiction === jurisdiction ? { record: this.#record(), created: false } : null;
    }
    // A copy is made of a tenant that is in use, and says that it has no jurisdiction.
    if (jurisdiction !== null && (this.#hasSchema || this.#copy.exists)) return null;
    this.ctx.storage.transactionSync(() => {
      this.ctx.storage.sql.exec(`
        CREATE TABLE IF NOT EXISTS identity (
          one INTEGER PRIMARY KEY CHECK (one = 1),
          jurisdiction TEXT,
          created_at INTEGER NOT NULL
        );
      `);
      this.ctx.storage.sql.exec(
        "INSERT INTO identity (one, jurisdiction, created_at) VALUES (1, ?, ?)",
        jurisdiction,
        Date.now(),
      );
      this.#noteChange();
    });
    // Nothing is awaited since the write above, so that both commit together.
    return { record: await this.update(settings === undefined ? {} : { settings }), created: true };
  }

  /**
   * Replaces the fields that the patch names. Idempotent: a patch that changes nothing leaves `rev` and `updatedAt` as
   * they are.
   * @returns the record after the change
   */
  async update(patch: TenantPatch): Promise<TenantRecord> {
    const isNew = this.ctx.storage.transactionSync(() => {
      const before = this.#load();
      const after: TenantSettingsRecord = {
        rev: before.rev + 1,
        settings: patch.settings ?? before.settings,
        summarization: patch.summarization ?? before.summarization,
        summarizerTokensPerDay:
          patch.summarizerTokensPerDay === undefined ? before.summarizerTokensPerDay : patch.summarizerTokensPerDay,
        limits: patch.limits ?? before.limits,
        usersMay: patch.usersMay ?? before.usersMay,
        updatedAt: null,
      };
      if (textOf(after) === textOf(before)) return false;
      this.#store(after, Date.now());
      this.#noteChange();
      return true;
    });
    // Set after the commit, because a rollback would remove the tables again.
    this.#hasSchema ||= isNew;
    return this.#record();
  }

  /**
   * Counts what a summarizer used today.
   * @returns the record after that
   */
  async spend(usage: SummarizerUsage): Promise<TenantRecord> {
    const { inputTokens, outputTokens, costMicroDollars = 0 } = usage;
    return this.#spend({ ...NOTHING_SPENT, inputTokens, outputTokens, costMicroDollars });
  }

  /**
   * Counts what embeddings used today.
   * @returns the record after that
   */
  async spendOnEmbeddings(usage: EmbeddingUsage): Promise<TenantRecord> {
    const { inputTokens, costMicroDollars = 0 } = usage;
    return this.#spend({ ...NOTHING_SPENT, embeddings: { inputTokens, costMicroDollars } });
  }

  /** Records an isolate's report of what its sessions used on a day. Idempotent. */
  async noteTaken(report: TakenReport): Promise<TakenAnswer> {
    return this.ctx.storage.transactionSync(() => this.#taken.note(report));
  }

  async createKey(key: NewKey): Promise<Outcome<IssuedKey & { record: TenantRecord }>> {
    return this.#issue((now) => this.#keys.issue(key, now));
  }

  async rotateKey(id: string, graceSeconds: number): Promise<Outcome<IssuedKey & { record: TenantRecord }>> {
    return this.#issue((now) => this.#keys.rotate(id, graceSeconds, now));
  }

  /** Revokes a key, and waits a little until the tenant's copy says so too. Idempotent. */
  async revokeKey(id: string): Promise<Outcome<{ state: KeyState; isCopied: boolean; record: TenantRecord }>> {
    const outcome = this.#changeKeys((now) => this.#keys.revoke(id, now));
    if (!outcome.ok) return outcome;
    const isCopied = await withTimeout(this.#copy.write(), COPY_WAIT_MS, () => false);
    return { ok: true, value: { state: outcome.value, isCopied, record: this.#record() } };
  }

  /** A page of the keys, newest first. */
  async listKeys(limit: number, after: KeyCursor | null): Promise<KeyState[]> {
    return this.#keys.list(limit, after, Date.now());
  }

  /** Which of these keys are valid now. */
  async goodKeys(ids: readonly string[]): Promise<string[]> {
    const live = this.#keys.hashes(Date.now())?.live ?? [];
    return live.flatMap(({ id }) => (ids.includes(id) ? [id] : []));
  }

  async noteKeyUse(id: string, usedAt: number): Promise<void> {
    this.#keys.noteUse(id, usedAt);
  }

  #issue(issue: (now: number) => Outcome<IssuedKey>): Outcome<IssuedKey & { record: TenantRecord }> {
    const outcome = this.#changeKeys(issue);
    return outcome.ok ? { ok: true, value: { ...outcome.value, record: this.#record() } } : outcome;
  }

  #changeKeys<T>(change: (now: number) => Outcome<T>): Outcome<T> {
    return this.ctx.storage.transactionSync(() => {
      const before = this.#keys.rev();
      const outcome = change(Date.now());
      if (this.#keys.rev() !== before) this.#noteChange();
      return outcome;
    });
  }

  /** Lets the tenant's copy follow a change. Called in its transaction. */
  #noteChange(): void {
    const { name } = this.ctx.id;
    if (name !== undefined) this.#copy.note(name);
  }

  /** What the copy contains. */
  #content(): TenantCopy {
    const { rev, settings, summarization, summarizerTokensPerDay, limits, usersMay } = this.#load();
    const day = today();
    return {
      v: 1,
      rev,
      settings,
      summarization,
      limits,
      usersMay,
      overBudgetOn: isUsedUp(this.#spentOn(day), summarizerTokensPerDay) ? day : null,
      ...this.#identity(),
      keys: this.#keys.copied(Date.now()),
    };
  }

  #record(): TenantRecord {
    return {
      ...this.#load(),
      ...this.#identity(),
      spentToday: this.#spentOn(today()),
      takenToday: { day: today(), ...this.#taken.on(today()) },
      keys: this.#keys.hashes(Date.now()),
      isCopied: this.#copy.isCurrent,
    };
  }

  #identity(): Identity {
    const row = this.#hasTable("identity")
      ? this.ctx.storage.sql.exec<IdentityRow>("SELECT * FROM identity").toArray()[0]
      : undefined;
    if (row === undefined) return { jurisdiction: null, createdAt: null };
    return { jurisdiction: row.jurisdiction, createdAt: new Date(row.created_at).toISOString() };
  }

  #hasTable(name: string): boolean {
    const { sql } = this.ctx.storage;
    return sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", name).toArray().length > 0;
  }

  #load(): TenantSettingsRecord {
    const row = this.#hasSchema ? this.ctx.storage.sql.exec<TenantRow>("SELECT * FROM tenant").toArray()[0] : undefined;
    if (row === undefined) {
      return {
        rev: 0,
        settings: {},
        summarization: "on",
        summarizerTokensPerDay: null,
        limits: {},
        usersMay: {},
        updatedAt: null,
      };
    }
    return {
      rev: row.rev,
      settings: JSON.parse(row.settings),
      summarization: row.summarization,
      summarizerTokensPerDay: row.tokens_per_day,
      limits: JSON.parse(row.limits),
      usersMay: JSON.parse(row.users_may),
      updatedAt: new Date(row.updated_at).toISOString(),
    };
  }

  /** @param hasSchema true in a transaction that has created the tables */
  #spentOn(day: string, hasSchema = this.#hasSchema): Spent {
    const row = hasSchema
      ? this.ctx.storage.sql.exec<SpentRow>("SELECT * FROM spent WHERE day = ?", day).toArray()[0]
      : undefined;
    return {
      day,
      inputTokens: row?.input_tokens ?? 0,
      outputTokens: row?.output_tokens ?? 0,
      costMicroDollars: row?.cost_micro_dollars ?? 0,
      embeddings: {
        inputTokens: row?.embedding_tokens ?? 0,
        costMicroDollars: row?.embedding_micro_dollars ?? 0,
      },
    };
  }

  #spend({ inputTokens, outputTokens, costMicroDollars, embeddings }: Omit<Spent, "day">): TenantRecord {
    const { sql } = this.ctx.storage;
    const day = today();
    this.ctx.storage.transactionSync(() => {
      const { summarizerTokensPerDay } = this.#load();
      const wasUsedUp = isUsedUp(this.#spentOn(day), summarizerTokensPerDay);
      this.#createSchema();
      sql.exec(
        `INSERT INTO spent VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (day) DO UPDATE SET
           input_tokens = input_tokens + excluded.input_tokens,
           output_tokens = output_tokens + excluded.output_tokens,
           cost_micro_dollars = cost_micro_dollars + excluded.cost_micro_dollars,
           embedding_tokens = embedding_tokens + excluded.embedding_tokens,
           embedding_micro_dollars = embedding_micro_dollars + excluded.embedding_micro_dollars`,
        day,
        inputTokens,
        outputTokens,
        costMicroDollars,
        embeddings.inputTokens,
        embeddings.costMicroDollars,
      );
      sql.exec("DELETE FROM spent WHERE day NOT IN (SELECT day FROM spent ORDER BY day DESC LIMIT ?)", KEPT_DAYS);
      // Not each time something is spent, only once a day.
      const used = summarizerTokensPerDay === null ? null : this.#spentOn(day, true);
      if (!wasUsedUp && used !== null && isUsedUp(used, summarizerTokensPerDay)) this.#noteChange();
    });
    this.#hasSchema = true;
    return this.#record();
  }

  /** What models used on each of the last `days` days, including today, oldest first. */
  async spending(days: number): Promise<Spent[]> {
    const now = Date.now();
    return Array.from({ length: days }, (_, index) => this.#spentOn(dayName(now - (days - 1 - index) * DAY_MS)));
  }

  #createSchema(): void {
    this.ctx.storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS tenant (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        rev INTEGER NOT NULL,
        settings TEXT NOT NULL,
        summarization TEXT NOT NULL,
        tokens_per_day INTEGER,
        limits TEXT NOT NULL,
        users_may TEXT NOT NULL,
        updated_at INTEGER NOT NULL
      );
      CREATE TABLE IF NOT EXISTS spent (
        day TEXT PRIMARY KEY,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cost_micro_dollars INTEGER NOT NULL,
        embedding_tokens INTEGER NOT NULL,
        embedding_micro_dollars INTEGER NOT NULL
      ) WITHOUT ROWID;
    `);
  }

  #store(record: TenantSettingsRecord, now: number): void {
    this.#createSchema();
    this.ctx.storage.sql.exec(
      `INSERT INTO tenant (one, rev, settings, summarization, tokens_per_day, limits, users_may, updated_at)
       VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)
       ON CONFLICT (one) DO UPDATE SET
         rev = excluded.rev, settings = excluded.settings, summarization = excluded.summarization,
         tokens_per_day = excluded.tokens_per_day, limits = excluded.limits, users_may = excluded.users_may,
         updated_at = excluded.updated_at`,
      record.rev,
      plainText(record.settings),
      record.summarization,
      record.summarizerTokensPerDay,
      limitsText(record.limits),
      plainText(record.usersMay),
      now,
    );
  }
}

/** The current day (UTC), YYYY-MM-DD. */
function today(): string {
  return dayName(Date.now());
}

/** Everything that a patch can change, as text, to compare two states. */
function textOf({ settings, summarization, summarizerTokensPerDay, limits, usersMay }: TenantSettingsRecord): string {
  return `${plainText(settings)} ${summarization} ${summarizerTokensPerDay} ${limitsText(limits)} ${plainText(usersMay)}`;
}

function limitsText(limits: SessionLimits): string {
  const bounds = Object.entries(limits).flatMap(([name, limit]) =>
    // null means no limit. That is the default, except for limits of each user: their null has to be stored.
    limit === undefined || (limit === null && !name.startsWith("user")) ? [] : [[name, limit]],
  );
  return canonicalJson(Object.fromEntries(bounds));
}

/** Equal settings give equal text, whatever the order of their fields. */
function plainText(value: SessionSettings | UsersMay): string {
  return canonicalJson(JSON.parse(JSON.stringify(value)));
}
