/** What a tenant's sessions may take in a day, given out in leases and counted in one row a day. */

import type { SessionLimits } from "../contracts/quota.ts";
import type { LeaseAnswer, LeaseRequest, Share } from "./lease-client.ts";

/** Of what is left, so much at most goes out beyond what a session needs: what it does not use nobody else can. */
const SPARE_SHARE = 0.01;
/** Days whose count is kept: as long as spending is. */
const KEPT_DAYS = 400;

interface LeasedRow extends Record<string, SqlStorageValue> {
  readonly messages: number;
  readonly tokens: number;
}

/** The day of a moment, such as 2026-11-22. */
export function dayName(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** What a request is given. Pure: `leased` is what went out before, on the same day. */
export function grantLease(limits: SessionLimits, leased: Share, request: LeaseRequest): LeaseAnswer {
  const { owed, need, spare } = request;
  const limit = { messages: limits.tenantMessagesPerDay ?? null, tokens: limits.tenantTokensPerDay ?? null };
  const leftOf = (name: keyof Share): number =>
    limit[name] === null ? Number.POSITIVE_INFINITY : Math.max(0, limit[name] - leased[name] - owed[name]);
  const left = { messages: leftOf("messages"), tokens: leftOf("tokens") };
  const isEnough = need.messages <= left.messages && need.tokens <= left.tokens;
  const grantOf = (name: keyof Share): number =>
    isEnough ? need[name] + Math.min(spare[name], Math.floor((left[name] - need[name]) * SPARE_SHARE)) : 0;
  const granted = { messages: grantOf("messages"), tokens: grantOf("tokens") };
  const restOf = (name: keyof Share): number | null => (limit[name] === null ? null : left[name] - granted[name]);
  return { granted, left: { messages: restOf("messages"), tokens: restOf("tokens") }, limit };
}

/** The table of them, made with the first lease. */
export class TenantLeases {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  on(day: string): Share {
    const isThere =
      this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'leased'").toArray().length > 0;
    const row = isThere
      ? this.#sql.exec<LeasedRow>("SELECT messages, tokens FROM leased WHERE day = ?", day).toArray()[0]
      : undefined;
    return row ?? { messages: 0, tokens: 0 };
  }

  /** Runs in the caller's transaction. A refusal of a session that owes nothing writes nothing. */
  grant(limits: SessionLimits, request: LeaseRequest): LeaseAnswer {
    const day = dayName(request.day);
    const answer = grantLease(limits, this.on(day), request);
    const messages = request.owed.messages + answer.granted.messages;
    const tokens = request.owed.tokens + answer.granted.tokens;
    if (messages === 0 && tokens === 0) return answer;
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS leased (day TEXT PRIMARY KEY, messages INTEGER NOT NULL, tokens INTEGER NOT NULL) WITHOUT ROWID",
    );
    this.#sql.exec(
      `INSERT INTO leased (day, messages, tokens) VALUES (?, ?, ?)
       ON CONFLICT (day) DO UPDATE SET messages = messages + excluded.messages, tokens = tokens + excluded.tokens`,
      day,
      messages,
      tokens,
    );
    this.#sql.exec("DELETE FROM leased WHERE day NOT IN (SELECT day FROM leased ORDER BY day DESC LIMIT ?)", KEPT_DAYS);
    return answer;
  }
}
