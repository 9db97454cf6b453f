import { KEY_ID_LENGTH, type KeyState, type NewKey } from "../api/api-key.ts";
import type { Fault, Outcome } from "../api/errors.ts";
import { MAX_LIVE_KEYS } from "../api/limits.ts";
import type { CopiedKeys } from "./copy-record.ts";
import { hashSecret, makeHashKey, makeSecret, randomText } from "./key-hash.ts";
import type { IssuedKey, KeyCursor, KeyHashes } from "./key-records.ts";

/** How many keys that are no longer valid are kept for the list. The oldest are deleted first. */
const MAX_KEY_ROWS = 1_000;
/** How many revoked keys the tenant's copy names. */
const MAX_COPIED_REVOKED = 100;
/** A use within this many ms after the recorded one is ignored, since each isolate reports separately. */
const USE_STEP_MS = 60_000;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS key_ring (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    rev INTEGER NOT NULL,
    hash_key BLOB NOT NULL
  );
  CREATE TABLE IF NOT EXISTS api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash BLOB NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER,
    rotated_to TEXT
  ) WITHOUT ROWID;
`;

interface RingRow extends Record<string, SqlStorageValue> {
  readonly rev: number;
  readonly hash_key: ArrayBuffer;
}

interface KeyRow extends Record<string, SqlStorageValue> {
  readonly id: string;
  readonly name: string;
  readonly hash: ArrayBuffer;
  readonly scopes: string;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly last_used_at: number | null;
  readonly revoked_at: number | null;
  readonly rotated_to: string | null;
}

/** The keys of one tenant, in tables of its object. The caller runs every change in a transaction. */
export class TenantKeys {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The valid keys, for checks; null if the tenant never had a key. */
  hashes(now: number): KeyHashes | null {
    const ring = this.#ring();
    if (ring === null) return null;
    const live = this.#rows("WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)", now);
    return {
      rev: ring.rev,
      hashKey: new Uint8Array(ring.hash_key),
      live: live.map((row) => ({
        id: row.id,
        hash: new Uint8Array(row.hash),
        scopes: JSON.parse(row.scopes),
        expiresAt: row.expires_at,
      })),
    };
  }

  /** The same, and which keys were revoked last: for the tenant's copy. */
  copied(now: number): CopiedKeys | null {
    const hashes = this.hashes(now);
    if (hashes === null) return null;
    const revoked = this.#rows("WHERE revoked_at IS NOT NULL ORDER BY revoked_at DESC, id LIMIT ?", MAX_COPIED_REVOKED);
    return { ...hashes, revoked: revoked.map(({ id }) => id) };
  }

  /** Rises with each change that matters for a check; 0 if the tenant never had a key. */
  rev(): number {
    return this.#ring()?.rev ?? 0;
  }

  issue({ name, scopes, expiresAt }: NewKey, now: number): Outcome<IssuedKey> {
    this.#sql.exec(SCHEMA);
    const live = this.#rows("WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)", now).length;
    if (live >= MAX_LIVE_KEYS) return refused(tooManyKeys());
    const secret = makeSecret();
    const id = randomText(KEY_ID_LENGTH);
    const hash = hashSecret(this.#raiseRev(), id, secret);
    this.#sql.exec(
      "INSERT INTO api_keys (id, name, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
      id,
      name,
      hash,
      JSON.stringify(scopes),
      now,
      expiresAt === null ? null : Date.parse(expiresAt),
    );
    this.#sql.exec(
      `DELETE FROM api_keys WHERE id IN
         (SELECT id FROM api_keys WHERE revoked_at IS NOT NULL OR expires_at <= ?1
          ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ?2)`,
      now,
      MAX_KEY_ROWS,
    );
    return this.#issued(id, secret, now);
  }

  /**
   * Creates a successor with the same name, scopes and lifetime. The old key stays valid for `graceSeconds`, if it does
   * not expire before.
   */
  rotate(id: string, graceSeconds: number, now: number): Outcome<IssuedKey> {
    const old = this.#row(id);
    if (old === null) return refused(keyNotFound());
    if (old.rotated_to !== null) return refused(alreadyRotated(old.rotated_to));
    if (statusOf(old, now) !== "live") return refused(notLive(statusOf(old, now)));
    const expiresAt = old.expires_at === null ? null : new Date(now + old.expires_at - old.created_at).toISOString();
    const issued = this.issue({ name: old.name, scopes: JSON.parse(old.scopes), expiresAt }, now);
    if (!issued.ok) return issued;
    this.#sql.exec(
      "UPDATE api_keys SET rotated_to = ?1, expires_at = min(coalesce(expires_at, ?2), ?2) WHERE id = ?3",
      issued.value.state.id,
      now + graceSeconds * 1_000,
      id,
    );
    return issued;
  }

  /** Revokes a key. Idempotent. */
  revoke(id: string, now: number): Outcome<KeyState> {
    const row = this.#row(id);
    if (row === null) return refused(keyNotFound());
    if (row.revoked_at !== null) return { ok: true, value: stateOf(row, now) };
    this.#raiseRev();
    this.#sql.exec("UPDATE api_keys SET revoked_at = ? WHERE id = ?", now, id);
    return { ok: true, value: stateOf({ ...row, revoked_at: now }, now) };
  }

  /** A page of all keys, newest first. */
  list(limit: number, after: KeyCursor | null, now: number): KeyState[] {
    if (this.#ring() === null) return [];
    const from = after ?? { createdAt: Number.MAX_SAFE_INTEGER, id: "" };
    const rows = this.#rows(
      `WHERE created_at < ?1 OR (created_at = ?1 AND id < ?2) ORDER BY created_at DESC, id DESC LIMIT ?3`,
      from.createdAt,
      from.id,
      limit,
    );
    return rows.map((row) => stateOf(row, now));
  }

  /**
   * Records that a key was used.
   * @param usedAt ms since 1970
   */
  noteUse(id: string, usedAt: number): void {
    if (this.#ring() === null) return;
    this.#sql.exec(
      "UPDATE api_keys SET last_used_at = ?1 WHERE id = ?2 AND coalesce(last_used_at, 0) <= ?1 - ?3",
      usedAt,
      id,
      USE_STEP_MS,
    );
  }

  /**
   * Increases `rev`; creates the tenant's HMAC key on the first call.
   * @returns the HMAC key
   */
  #raiseRev(): Uint8Array {
    const row = this.#sql
      .exec<RingRow>(
        `INSERT INTO key_ring (one, rev, hash_key) VALUES (1, 1, ?)
         ON CONFLICT (one) DO UPDATE SET rev = rev + 1 RETURNING rev, hash_key`,
        makeHashKey(),
      )
      .one();
    return new Uint8Array(row.hash_key);
  }

  #issued(id: string, secret: string, now: number): Outcome<IssuedKey> {
    const row = this.#row(id);
    if (row === null) throw new Error("the row of a key that was just written is missing");
    return { ok: true, value: { state: stateOf(row, now), secret } };
  }

  #ring(): RingRow | null {
    const tables = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'key_ring'").toArray();
    if (tables.length === 0) return null;
    return this.#sql.exec<RingRow>("SELECT rev, hash_key FROM key_ring").toArray()[0] ?? null;
  }

  #row(id: string): KeyRow | null {
    return this.#ring() === null ? null : (this.#rows("WHERE id = ?", id)[0] ?? null);
  }

  #rows(where: string, ...bindings: SqlStorageValue[]): KeyRow[] {
    return this.#sql.exec<KeyRow>(`SELECT * FROM api_keys ${where}`, ...bindings).toArray();
  }
}

function statusOf(row: KeyRow, now: number): KeyState["status"] {
  if (row.revoked_at !== null) return "revoked";
  return row.expires_at !== null && row.expires_at <= now ? "expired" : "live";
}

function stateOf(row: KeyRow, now: number): KeyState {
  const moment = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
  return {
    id: row.id,
    name: row.name,
    scopes: JSON.parse(row.scopes),
    status: statusOf(row, now),
    createdAt: new Date(row.created_at).toISOString(),
    expiresAt: moment(row.expires_at),
    lastUsedAt: moment(row.last_used_at),
    revokedAt: moment(row.revoked_at),
    rotatedTo: row.rotated_to,
  };
}

function refused(fault: Fault): { readonly ok: false; readonly fault: Fault } {
  return { ok: false, fault };
}

function keyNotFound(): Fault {
  return { code: "key_not_found", detail: "The tenant has no key with this id. List its keys to see their ids." };
}

function notLive(status: KeyState["status"]): Fault {
  return { code: "key_not_live", detail: `The key is ${status}, so it cannot be rotated. Create a new key.` };
}

function alreadyRotated(successor: string): Fault {
  return {
    code: "key_rotated",
    detail:
      "This key was rotated before. Use its successor; if you never received that one's secret, rotate or revoke the successor by its id, which is in rotatedTo.",
    facts: { rotatedTo: successor },
  };
}

function tooManyKeys(): Fault {
  return {
    code: "too_many_keys",
    detail: `A tenant can have at most ${MAX_LIVE_KEYS} valid keys at once. Revoke those that are no longer used; lastUsedAt shows which.`,
    facts: { maxLiveKeys: MAX_LIVE_KEYS },
  };
}
