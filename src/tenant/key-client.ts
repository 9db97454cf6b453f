import type { KeyState, NewKey, RevokedKey } from "../api/api-key.ts";
import { type Outcome, ThreadkeepError } from "../api/errors.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import type { TenantCache } from "./cache.ts";
import { isSecretOf } from "./key-hash.ts";
import type { IssuedKey, KeyCursor, KeyHash, KeyHashes } from "./key-records.ts";

/**
 * The maximum age in ms of a cached answer with which a key is accepted without waiting for a new one. A revoked key
 * therefore stops working within a minute, also in an isolate that was idle meanwhile. With steady traffic nobody
 * waits, because answers are renewed in the background from an age of 30 s on.
 */
export const CERTAIN_MS = 50_000;
/**
 * If a key is not in the cached answer and that is older than this many ms, a new answer is fetched, since the key may
 * have been created after it. Made-up ids therefore cause at most one call a second.
 */
const UNKNOWN_MS = 1_000;
/** How often an isolate reports that a key is in use, in ms. */
const USE_NOTED_EVERY_MS = 600_000;
/** How many keys an isolate remembers to have reported. An extra report does no harm. */
const MAX_NOTED_KEYS = 10_000;
/** A Durable Object that is moving to another machine is back by then. */
const RETRY_AFTER_SECONDS = 5;

/** A key as the client sent it, split into its deps. */
export interface PresentedKey {
  readonly tenant: string;
  readonly id: string;
  readonly secret: string;
}

/** The API keys of tenants. */
export interface KeyClient {
  /**
   * Checks a key. Returns its scopes and when it expires (ms since 1970, null: never); null if it is not valid, or not
   * any more. Seldom waits.
   * @throws ThreadkeepError `unavailable` if the tenant's object cannot be reached and neither a recent answer nor the
   *   tenant's copy tells whether the key is valid: an unchecked key is never accepted
   */
  check(key: PresentedKey): Promise<Pick<KeyHash, "scopes" | "expiresAt"> | null>;
  /** Creates a key. Fails with `too_many_keys`. */
  create(tenant: string, key: NewKey): Promise<Outcome<IssuedKey>>;
  /** Creates a successor; the old key stays valid for `graceSeconds`. Fails with `key_not_found`, `key_rotated`, `key_not_live` or `too_many_keys`. */
  rotate(tenant: string, id: string, graceSeconds: number): Promise<Outcome<IssuedKey>>;
  /**
   * Revokes a key. Takes effect in this isolate at once, in others within a minute. Idempotent. Fails with
   * `key_not_found`.
   */
  revoke(tenant: string, id: string): Promise<Outcome<RevokedKey>>;
  /** A page of the tenant's keys, newest first, including those that are no longer valid. */
  list(tenant: string, limit: number, after: KeyCursor | null): Promise<KeyState[]>;
}

/** The part of the cached answer that contains the keys. */
interface Remembered {
  readonly rev: number;
  readonly keys: KeyHashes | null;
  /**
   * The ids of the keys that were revoked last, if the answer is the tenant's copy, which may not have the newest keys
   * yet. Left out if the tenant's object answered.
   */
  readonly revoked?: readonly string[];
}

/** The methods of a tenant's object for keys. `R` is the tenant's record, which changes return. */
interface KeyObject<R> {
  createKey(key: NewKey): Promise<Outcome<IssuedKey & { record: R }>>;
  rotateKey(id: string, graceSeconds: number): Promise<Outcome<IssuedKey & { record: R }>>;
  /** Revokes a key. Idempotent. */
  revokeKey(id: string): Promise<Outcome<{ state: KeyState; isCopied: boolean; record: R }>>;
  listKeys(limit: number, after: KeyCursor | null): Promise<KeyState[]>;
  /** Records that a key was used at `usedAt` (ms since 1970). Idempotent. */
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

export function createKeyClient<R>(deps: KeyClientDeps<R>): KeyClient {
  const { objectOf, cache, keep, now } = deps;
  const noteUse = createUseNotes(deps);

  async function answerOf(tenant: string, maxAgeMs: number): Promise<Remembered> {
    const answer = await cache.readRecent(tenant, maxAgeMs);
    if (answer !== null) return answer;
    throw uncheckable();
  }

  async function find({ tenant, id }: PresentedKey): Promise<{ hashKey: Uint8Array; found: KeyHash } | null> {
    let last: Remembered | null = null;
    for (const maxAgeMs of [CERTAIN_MS, UNKNOWN_MS]) {
      last = await answerOf(tenant, maxAgeMs);
      const { keys } = last;
      const found = keys?.live.find((key) => key.id === id);
      if (found !== undefined && keys !== null) return { hashKey: keys.hashKey, found };
    }
    if (last?.revoked !== undefined && !last.revoked.includes(id)) throw uncheckable();
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
      const { state, isCopied } = outcome.value;
      return { ok: true, value: { ...state, copied: isCopied } };
    },
    list: (tenant, limit, after) => objectOf(tenant).listKeys(limit, after),
  };
}

function uncheckable(): ThreadkeepError {
  return new ThreadkeepError({
    code: "unavailable",
    detail:
      "The key cannot be checked right now, because the tenant's object cannot be reached. Send the same request again after Retry-After seconds.",
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

/** Reports to the tenant's object that a key is in use, after the response and at most every ten minutes. */
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
      // A failed report is not repeated: the time only appears in a list for operators, and the next report updates it.
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
