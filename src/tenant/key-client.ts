import type { KeyState, NewKey } from "../api/api-key.ts";
import { type Outcome, ThreadkeepError } from "../api/errors.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import type { TenantCache } from "./cache.ts";
import { isSecretOf } from "./key-hash.ts";
import type { IssuedKey, KeyCursor, KeyHash, KeyHashes } from "./key-records.ts";

/**
 * An answer of this age is waited on for a new one: a key that was revoked stops within a minute, also in an isolate that was idle
 * meanwhile. Steady traffic never waits, since an answer is fetched anew in the background from an age of 30 s on.
 */
export const CERTAIN_MS = 50_000;
/** A key that is not in an answer of this age may be newer than it. Nobody who makes ids up causes more than a call a second. */
const UNKNOWN_MS = 1_000;
/** How often an isolate tells of a key's use. */
const USE_NOTED_EVERY_MS = 600_000;
/** Keys whose last use is remembered; a note too many does no harm. */
const MAX_NOTED_KEYS = 10_000;
/** An object that moves is back by then. */
const RETRY_AFTER_SECONDS = 5;

/** A key as it was shown, taken apart. */
export interface ShownKey {
  readonly tenant: string;
  readonly id: string;
  readonly secret: string;
}

export interface KeyClient {
  /**
   * What the key may do, and until when; null if it is none, or no longer. Throws `unavailable` if nobody can tell: what nobody can vouch for is
   * refused. Seldom waits.
   */
  check(key: ShownKey): Promise<Pick<KeyHash, "scopes" | "expiresAt"> | null>;
  create(tenant: string, key: NewKey): Promise<Outcome<IssuedKey>>;
  rotate(tenant: string, id: string, graceSeconds: number): Promise<Outcome<IssuedKey>>;
  /** Idempotent. This isolate goes by it at once, others within a minute. */
  revoke(tenant: string, id: string): Promise<Outcome<KeyState>>;
  /** Newest first. */
  list(tenant: string, limit: number, after: KeyCursor | null): Promise<KeyState[]>;
}

/** What an isolate remembers of a tenant, as far as keys are concerned. */
interface Remembered {
  readonly rev: number;
  readonly keys: KeyHashes | null;
}

/** What is asked of a tenant's object. `R` is what it holds after a change. */
interface KeyObject<R> {
  createKey(key: NewKey): Promise<Outcome<IssuedKey & { record: R }>>;
  rotateKey(id: string, graceSeconds: number): Promise<Outcome<IssuedKey & { record: R }>>;
  /** Idempotent. */
  revokeKey(id: string): Promise<Outcome<{ state: KeyState; record: R }>>;
  listKeys(limit: number, after: KeyCursor | null): Promise<KeyState[]>;
  /** Idempotent. */
  noteKeyUse(id: string, usedAt: number): Promise<void>;
}

export interface KeyClientDeps<R> {
  readonly objectOf: (tenant: string) => KeyObject<R>;
  readonly cache: Pick<TenantCache<Remembered>, "readRecent">;
  readonly keep: (tenant: string, record: R) => void;
  readonly keepAlive: (work: Promise<void>) => void;
  readonly log: Log;
  readonly now: () => number;
}

export function createKeyClient<R>(parts: KeyClientDeps<R>): KeyClient {
  const { objectOf, cache, keep, now } = parts;
  const noteUse = createUseNotes(parts);

  async function answerOf(tenant: string, maxAgeMs: number): Promise<Remembered> {
    const answer = await cache.readRecent(tenant, maxAgeMs);
    if (answer !== null) return answer;
    throw new ThreadkeepError({
      code: "unavailable",
      detail:
        "Whether this key is good cannot be told right now: what knows the tenant's keys is out of reach. Send the same request again after Retry-After seconds.",
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }

  async function find({ tenant, id }: ShownKey): Promise<{ hashKey: Uint8Array; found: KeyHash } | null> {
    for (const maxAgeMs of [CERTAIN_MS, UNKNOWN_MS]) {
      const { keys } = await answerOf(tenant, maxAgeMs);
      const found = keys?.live.find((key) => key.id === id);
      if (found !== undefined && keys !== null) return { hashKey: keys.hashKey, found };
    }
    return null;
  }

  return {
    async check(key) {
      const match = await find(key);
      if (match === null) return null;
      const { hashKey, found } = match;
      if (!isSecretOf(found.hash, hashKey, key.id, key.secret)) return null;
      if (found.expiresAt !== null && found.expiresAt <= now()) return null;
      noteUse(key.tenant, key.id);
      const { scopes, expiresAt } = found;
      return { scopes, expiresAt };
    },
    async create(tenant, key) {
      const outcome = await objectOf(tenant).createKey(key);
      if (outcome.ok) keep(tenant, outcome.value.record);
      return outcome;
    },
    async rotate(tenant, id, graceSeconds) {
      const outcome = await objectOf(tenant).rotateKey(id, graceSeconds);
      if (outcome.ok) keep(tenant, outcome.value.record);
      return outcome;
    },
    async revoke(tenant, id) {
      const outcome = await objectOf(tenant).revokeKey(id);
      if (!outcome.ok) return outcome;
      keep(tenant, outcome.value.record);
      return { ok: true, value: outcome.value.state };
    },
    list: (tenant, limit, after) => objectOf(tenant).listKeys(limit, after),
  };
}

/** Tells the tenant's object that a key is in use, behind the request and seldom. */
function createUseNotes({
  objectOf,
  keepAlive,
  log,
  now,
}: Pick<KeyClientDeps<unknown>, "objectOf" | "keepAlive" | "log" | "now">): (tenant: string, id: string) => void {
  const notedAt = new Map<string, number>();
  const tell = async (tenant: string, id: string, usedAt: number): Promise<void> => {
    try {
      await objectOf(tenant).noteKeyUse(id, usedAt);
    } catch (error) {
      // The next note makes up for it: nothing hangs on the moment but an operator's list.
      log.warn("key_use_not_noted", { tenant, keyId: id, ...errorFields(error) });
    }
  };
  return (tenant, id) => {
    const name = `${tenant}/${id}`;
    const usedAt = now();
    if (usedAt - (notedAt.get(name) ?? 0) < USE_NOTED_EVERY_MS) return;
    if (notedAt.size >= MAX_NOTED_KEYS) notedAt.clear();
    notedAt.set(name, usedAt);
    keepAlive(tell(tenant, id, usedAt));
  };
}
