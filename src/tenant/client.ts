import type { EmbeddingUsage } from "../api/embedding.ts";
import { ThreadkeepError } from "../api/errors.ts";
import type { SessionSettings } from "../api/session.ts";
import type { SummarizerUsage } from "../api/summarizer.ts";
import { type Jurisdiction, type Spent, type TenantPatch, type TenantSettings, UNSET_TENANT } from "../api/tenant.ts";
import { createJurisdictions } from "../lib/jurisdiction.ts";
import { createTenantCache, type TenantCacheOptions } from "./cache.ts";
import { createKeyClient, type KeyClient } from "./key-client.ts";
import type { KeyHashes } from "./key-records.ts";
import type { Tenant, TenantRecord } from "./tenant.ts";

/** An object that moves is back by then. */
const RETRY_AFTER_SECONDS = 5;

export interface TenantClient {
  /** What the tenant's sessions go by, up to half a minute old. Never rejects, and seldom waits. */
  read(tenant: string): Promise<TenantSettings>;
  /** Whether ten times the requests pass at the edge. Never rejects, and seldom waits. */
  isHighTier(tenant: string): Promise<boolean>;
  /** What the tenant's object holds now. */
  readRecord(tenant: string): Promise<TenantRecord>;
  /** Idempotent. Null if the tenant is there already and lies elsewhere. Settings are taken at creation alone. */
  create(
    tenant: string,
    jurisdiction: Jurisdiction | null,
    settings?: SessionSettings,
  ): Promise<{ record: TenantRecord; created: boolean } | null>;
  /** Idempotent. This isolate goes by it at once, others within half a minute. */
  update(tenant: string, patch: TenantPatch): Promise<TenantRecord>;
  /** Counts what a model took. Other isolates know within half a minute that the budget is used up. */
  spend(tenant: string, usage: SummarizerUsage): Promise<void>;
  /** The same of what vectors took, which counts toward the same budget. */
  spendOnEmbeddings(tenant: string, usage: EmbeddingUsage): Promise<void>;
  /** What models took on each of so many days through today, oldest first. */
  spending(tenant: string, days: number): Promise<Spent[]>;
  /**
   * The namespace in which a tenant's objects lie. Throws `unavailable` in an isolate that never heard of the tenant while its object is
   * out of reach: to guess would be to write in the wrong place.
   */
  place(namespace: DurableObjectNamespace, tenant: string): Promise<DurableObjectNamespace>;
  readonly keys: KeyClient;
}

/** What an isolate remembers of a tenant: one answer for its settings, its keys and its place. */
interface TenantAnswer extends Pick<TenantRecord, "jurisdiction" | "createdAt"> {
  /** Rises with each change of settings or keys. */
  readonly rev: number;
  readonly settings: TenantSettings;
  readonly keys: KeyHashes | null;
}

export function createTenantClient(
  namespace: DurableObjectNamespace<Tenant>,
  options: Omit<TenantCacheOptions<TenantAnswer>, "load">,
): TenantClient {
  const { keepAlive, log, now = Date.now } = options;
  const stub = (tenant: string): DurableObjectStub<Tenant> => namespace.getByName(tenant);
  const cache = createTenantCache({ ...options, load: async (tenant) => answerOf(await stub(tenant).read()) });
  const keep = (tenant: string, record: TenantRecord): void => cache.keep(tenant, answerOf(record));
  const inJurisdiction = createJurisdictions(log);

  async function jurisdictionOf(tenant: string): Promise<Jurisdiction | null> {
    const remembered = cache.recall(tenant);
    // Fixed at creation: however old the answer is, it holds.
    if (remembered !== null && remembered.createdAt !== null) return remembered.jurisdiction;
    const answer = (await cache.read(tenant)) ?? remembered;
    if (answer !== null) return answer.jurisdiction;
    throw new ThreadkeepError({
      code: "unavailable",
      detail:
        "Where this tenant's sessions lie cannot be told right now: what knows it is out of reach. Send the same request again after Retry-After seconds.",
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }

  return {
    read: async (tenant) => (await cache.read(tenant))?.settings ?? UNSET_TENANT,
    isHighTier: async (tenant) => (await cache.read(tenant))?.settings.limits?.requestTier === "high",
    readRecord: (tenant) => stub(tenant).read(),
    async create(tenant, jurisdiction, settings) {
      const made = await stub(tenant).create(jurisdiction, settings);
      if (made !== null) keep(tenant, made.record);
      return made;
    },
    async update(tenant, patch) {
      const record = await stub(tenant).update(patch);
      keep(tenant, record);
      return record;
    },
    async spend(tenant, usage) {
      keep(tenant, await stub(tenant).spend(usage));
    },
    async spendOnEmbeddings(tenant, usage) {
      keep(tenant, await stub(tenant).spendOnEmbeddings(usage));
    },
    spending: (tenant, days) => stub(tenant).spending(days),
    async place(objects, tenant) {
      const jurisdiction = await jurisdictionOf(tenant);
      return jurisdiction === null ? objects : inJurisdiction(objects, jurisdiction);
    },
    keys: createKeyClient({ objectOf: stub, cache, keep, keepAlive, log, now }),
  };
}

function answerOf(record: TenantRecord): TenantAnswer {
  const {
    rev,
    settings,
    summarization,
    summarizerTokensPerDay,
    spentToday,
    takenToday,
    limits,
    usersMay,
    jurisdiction,
    createdAt,
    keys,
  } = record;
  const { tenantMessagesPerDay, tenantTokensPerDay } = limits;
  const spent = spentToday.inputTokens + spentToday.outputTokens + spentToday.embeddings.inputTokens;
  const isOverBudget = summarizerTokensPerDay !== null && spent >= summarizerTokensPerDay;
  return {
    // Both only ever rise, so their sum tells the later of two answers.
    rev: rev + (keys?.rev ?? 0),
    settings: {
      rev,
      settings,
      summarization,
      isOverBudget,
      ...(Object.keys(limits).length === 0 ? {} : { limits }),
      ...(Object.keys(usersMay).length === 0 ? {} : { usersMay }),
      ...(typeof (tenantMessagesPerDay ?? tenantTokensPerDay) === "number" ? { takenToday } : {}),
    },
    jurisdiction,
    createdAt,
    keys,
  };
}
