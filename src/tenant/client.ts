import type { EmbeddingUsage } from "../api/embedding.ts";
import { ThreadkeepError } from "../api/errors.ts";
import { dayName } from "../api/quota.ts";
import type { SessionSettings } from "../api/session.ts";
import type { SummarizerUsage } from "../api/summarizer.ts";
import { type Jurisdiction, type Spent, type TenantPatch, type TenantSettings, UNSET_TENANT } from "../api/tenant.ts";
import { createJurisdictions } from "../lib/jurisdiction.ts";
import { setNewest } from "../lib/lru.ts";
import { errorFields } from "../telemetry/redact.ts";
import { createTenantCache, type TenantCacheOptions } from "./cache.ts";
import type { ReadTenantCopy } from "./copy-reader.ts";
import type { TenantCopy } from "./copy-record.ts";
import { isUsedUp } from "./day-budget.ts";
import { createKeyClient, type KeyClient } from "./key-client.ts";
import type { KeyHashes } from "./key-records.ts";
import type { Tenant, TenantRecord } from "./tenant.ts";

/** A Durable Object that is moving to another machine is back by then. */
const RETRY_AFTER_SECONDS = 5;
/** How often an isolate asks a tenant's object for the copy that it lacks, in ms. */
const COPY_ASKED_EVERY_MS = 60_000;
/** For how many tenants an isolate remembers that it asked. An extra call does no harm. */
const MAX_COPIES_ASKED = 1_000;

/** The tenants' objects, cached in the isolate. */
export interface TenantClient {
  /**
   * The settings for the tenant's sessions, up to half a minute old; older ones if the tenant's object cannot be
   * reached. Never rejects, and seldom waits.
   */
  read(tenant: string): Promise<TenantSettings>;
  /** Whether the tenant has the high tier of rate limits. Never rejects, and seldom waits. */
  isHighTier(tenant: string): Promise<boolean>;
  /** The current record, read from the tenant's object. */
  readRecord(tenant: string): Promise<TenantRecord>;
  /**
   * Creates a tenant. Idempotent: settings are used only if it is created now. Null if the tenant exists with another
   * jurisdiction.
   */
  create(
    tenant: string,
    jurisdiction: Jurisdiction | null,
    settings?: SessionSettings,
  ): Promise<{ record: TenantRecord; created: boolean } | null>;
  /** Changes a tenant's settings. Takes effect in this isolate at once, in others within half a minute. Idempotent. */
  update(tenant: string, patch: TenantPatch): Promise<TenantRecord>;
  /**
   * Counts what a summarizer used. Other isolates know within half a minute when the tenant's daily budget is used up.
   */
  spend(tenant: string, usage: SummarizerUsage): Promise<void>;
  /** Counts what embeddings used, against the same budget. */
  spendOnEmbeddings(tenant: string, usage: EmbeddingUsage): Promise<void>;
  /** What models used on each of the last `days` days, including today, oldest first. */
  spending(tenant: string, days: number): Promise<Spent[]>;
  /**
   * The namespace for the tenant's jurisdiction.
   * @throws ThreadkeepError `unavailable` if this isolate never read the tenant and the tenant's object cannot be
   *   reached: guessing could write data in the wrong jurisdiction
   */
  place(namespace: DurableObjectNamespace, tenant: string): Promise<DurableObjectNamespace>;
  readonly keys: KeyClient;
}

/** What the cache holds of a tenant: settings, keys and jurisdiction in one answer. */
interface TenantAnswer extends Pick<TenantRecord, "jurisdiction" | "createdAt"> {
  /** Increases with each change of settings or keys. */
  readonly rev: number;
  readonly settings: TenantSettings;
  readonly keys: KeyHashes | null;
  /** Whether the tenant's copy is like this answer. */
  readonly isCopied: boolean;
  /** The ids of the keys that were revoked last, if this is the tenant's copy. */
  readonly revoked?: readonly string[];
}

export interface TenantClientOptions extends Omit<TenantCacheOptions<TenantAnswer>, "load" | "loadCopy"> {
  /** Reads a tenant's copy, which answers while the tenant's object does not. If this is left out, nothing does. */
  readonly readCopy?: ReadTenantCopy;
}

/** Creates the client. Share one for each isolate, because it contains the cache. */
export function createTenantClient(
  namespace: DurableObjectNamespace<Tenant>,
  options: TenantClientOptions,
): TenantClient {
  const { keepAlive, log, now = Date.now, readCopy } = options;
  const stub = (tenant: string): DurableObjectStub<Tenant> => namespace.getByName(tenant);
  const cache = createTenantCache<TenantAnswer>({
    ...options,
    load: async (tenant) => answerOf(await stub(tenant).read()),
    ...(readCopy === undefined
      ? {}
      : {
          async loadCopy(tenant) {
            const copy = await readCopy(tenant);
            return copy === null ? null : answerOfCopy(copy, now());
          },
        }),
  });
  const askForCopy = createCopyAsks({ stub, keepAlive, log, now });
  const keep = (tenant: string, record: TenantRecord): void => cache.keep(tenant, answerOf(record));
  const inJurisdiction = createJurisdictions(log);

  async function jurisdictionOf(tenant: string): Promise<Jurisdiction | null> {
    const remembered = cache.recall(tenant);
    // Fixed at creation, so the age of the answer does not matter.
    if (remembered !== null && remembered.createdAt !== null) return remembered.jurisdiction;
    const answer = (await cache.read(tenant)) ?? remembered;
    if (answer !== null) return answer.jurisdiction;
    throw new ThreadkeepError({
      code: "unavailable",
      detail:
        "The jurisdiction of this tenant's sessions cannot be determined right now, because the tenant's object cannot be reached. Send the same request again after Retry-After seconds.",
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }

  /** Reads a tenant that is in use. */
  async function readUsed(tenant: string): Promise<TenantAnswer | null> {
    const answer = await cache.read(tenant);
    if (readCopy !== undefined && answer?.isCopied === false) askForCopy(tenant);
    return answer;
  }

  return {
    read: async (tenant) => (await readUsed(tenant))?.settings ?? UNSET_TENANT,
    isHighTier: async (tenant) => (await readUsed(tenant))?.settings.limits?.requestTier === "high",
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

/**
 * Asks a tenant's object for a copy, after the response and at most once a minute: the tenant was never changed since
 * there are copies, or its copy is sealed with an earlier admin key.
 */
function createCopyAsks({
  stub,
  keepAlive,
  log,
  now,
}: Required<Pick<TenantClientOptions, "keepAlive" | "log" | "now">> & {
  stub: (tenant: string) => Pick<Tenant, "ensureCopy">;
}): (tenant: string) => void {
  const askedAt = new Map<string, number>();
  const ask = async (tenant: string): Promise<void> => {
    try {
      await stub(tenant).ensureCopy();
    } catch (error) {
      log.warn("tenant_copy_not_asked", { tenant, ...errorFields(error) });
    }
  };
  return (tenant) => {
    if (now() - (askedAt.get(tenant) ?? 0) < COPY_ASKED_EVERY_MS) return;
    setNewest(askedAt, tenant, now(), MAX_COPIES_ASKED);
    keepAlive(ask(tenant));
  };
}

function answerOf(record: TenantRecord): TenantAnswer {
  const { spentToday, takenToday, summarizerTokensPerDay, limits, jurisdiction, createdAt, keys, isCopied } = record;
  const { tenantMessagesPerDay, tenantTokensPerDay } = limits;
  const isCounted = typeof (tenantMessagesPerDay ?? tenantTokensPerDay) === "number";
  return {
    rev: wholeRev(record),
    settings: {
      ...settingsOf(record, isUsedUp(spentToday, summarizerTokensPerDay)),
      ...(isCounted ? { takenToday } : {}),
    },
    jurisdiction,
    createdAt,
    keys,
    isCopied,
  };
}

/** @param now ms since 1970 */
function answerOfCopy(copy: TenantCopy, now: number): TenantAnswer {
  const { jurisdiction, createdAt, keys, overBudgetOn } = copy;
  return {
    rev: wholeRev(copy),
    settings: settingsOf(copy, overBudgetOn === dayName(now)),
    jurisdiction,
    createdAt,
    keys,
    isCopied: true,
    revoked: keys?.revoked ?? [],
  };
}

/** Both only increase, so the answer with the higher sum is the later one. */
function wholeRev({ rev, keys }: Pick<TenantRecord, "rev" | "keys">): number {
  return rev + (keys?.rev ?? 0);
}

function settingsOf(
  {
    rev,
    settings,
    summarization,
    limits,
    usersMay,
  }: Pick<TenantCopy, "rev" | "settings" | "summarization" | "limits" | "usersMay">,
  isOverBudget: boolean,
): TenantSettings {
  return {
    rev,
    settings,
    summarization,
    isOverBudget,
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...(Object.keys(usersMay).length === 0 ? {} : { usersMay }),
  };
}
