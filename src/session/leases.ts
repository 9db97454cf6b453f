/** What this session may take of its tenant's quota of the day: a lease held in memory, so that few appends ask for one. */

import type { Fault } from "../contracts/errors.ts";
import type { NewMessage } from "../contracts/message.ts";
import type { SessionLimits } from "../contracts/quota.ts";
import type { SessionRef } from "../contracts/session.ts";
import type { TenantSettings } from "../contracts/tenant.ts";
import { contentTokens, messageCost } from "../memory/message-text.ts";
import type { AskLease, LeaseAnswer, Share } from "../registry/lease-client.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { startOfDay, tenantQuotaFault } from "./quota.ts";
import type { SessionRow } from "./rows.ts";
import { withTenant } from "./settings.ts";

/** An append waits so long for a lease. It is let through then, and what it took is told with the next lease. */
const PATIENCE_MS = 250;
/** So long after a failure nothing is asked: appends pass meanwhile. */
const REST_MS = 5_000;
/** A call that runs longer is given up: what it was to tell is told with the next one. */
const LOST_MS = 10_000;
/** What a session that has just woken is given beyond its need: the answer to what was said. Many sleep again after that. */
const LEAST_SPARE: Share = { messages: 1, tokens: 500 };
/** Of what it took since it woke, so much is asked for besides: the more it talks, the less often it asks. */
const SPARE_SHARE = 0.5;

const NAMES = ["messages", "tokens"] as const;
const NOTHING: Share = { messages: 0, tokens: 0 };

/** Whose quota an append is counted against. */
export interface LeasedBounds {
  readonly tenant: string;
  readonly limits: SessionLimits;
}

/**
 * What bounds the tenant of an append. Null if nothing does, and where nothing will be appended.
 * @param session as it is there; null if it begins with this append
 * @param begun the session that would begin; null if none may
 */
export function leasedBounds(
  session: SessionRow | null,
  begun: SessionRef | null,
  settings: TenantSettings | undefined,
): LeasedBounds | null {
  const tenant = session?.tenant ?? begun?.tenant;
  if (tenant === undefined || (session !== null && (session.expiredAt !== null || session.copying !== null)))
    return null;
  return boundsOf(tenant, session === null ? settings?.limits : withTenant(session, settings).tenantSettings.limits);
}

/** Null without a bound of all sessions together. */
export function boundsOf(tenant: string, limits: SessionLimits | undefined): LeasedBounds | null {
  return limits === undefined || boundNames(limits).length === 0 ? null : { tenant, limits };
}

/** What messages take if all of them are new. */
export function shareOf(messages: readonly NewMessage[]): Share {
  const cost = ({ content, author }: NewMessage): number => messageCost({ tokens: contentTokens(content), author });
  return { messages: messages.length, tokens: messages.reduce((sum, each) => sum + cost(each), 0) };
}

/** What an append calls for, at most: messages that are there already are not told apart here. */
function needOf(messages: readonly NewMessage[], limits: SessionLimits): Share {
  return isCounted("tokens", limits) ? shareOf(messages) : { messages: messages.length, tokens: 0 };
}

/** Where one append stands with the lease. */
export interface Cover {
  /** Why it is refused if it took so much; null if it is not. */
  faultOf(used: Share): Fault | null;
  /** Called once it has committed. */
  spend(used: Share): void;
}

interface Call {
  readonly beganAt: number;
  readonly owed: Share;
}

export class Leases {
  readonly #ask: AskLease;
  readonly #log: Log;
  readonly #now: () => number;
  #day = 0;
  /** What a change of which makes the tenant's last answer old. */
  #limits = "";
  /** Below nothing where appends passed while the tenant's object was out of reach. */
  #held = NOTHING;
  /** Taken since the object woke, today. */
  #taken = NOTHING;
  /** The tenant's last answer of today. */
  #answer: LeaseAnswer | null = null;
  #call: Call | null = null;
  /** When the last call failed or was late; null if it went well. */
  #failedAt: number | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(ask: AskLease, log: Log, now: () => number = Date.now) {
    this.#ask = ask;
    this.#log = log;
    this.#now = now;
  }

  /**
   * Sees to it that the lease covers an append, if it can. Never rejects, and waits for the tenant's object once in many appends and
   * briefly. One append after the other: a later one must not pass an earlier one that waits.
   */
  cover(bounds: LeasedBounds, messages: readonly NewMessage[]): Promise<Cover> {
    return this.#inTurn(() => this.#coverNow(bounds, needOf(messages, bounds.limits), true));
  }

  /** The same for messages that come all at once, by an import or a fork: nothing is asked for besides, since they say nothing of how much is talked. */
  coverCopied(bounds: LeasedBounds, { messages, tokens }: Share): Promise<Cover> {
    const need = { messages, tokens: isCounted("tokens", bounds.limits) ? tokens : 0 };
    return this.#inTurn(() => this.#coverNow(bounds, need, false));
  }

  #inTurn(body: () => Promise<Cover>): Promise<Cover> {
    const turn = this.#turn.then(body);
    this.#turn = turn;
    return turn;
  }

  async #coverNow({ tenant, limits }: LeasedBounds, need: Share, isSaid: boolean): Promise<Cover> {
    this.#begin(limits);
    const lack = minus(need, this.#held);
    const before = this.#answer;
    const hasToTell = this.#failedAt !== null || this.#owes(limits);
    if (!this.#holds(limits, need) && (hasToTell || !this.#isRefused(lack))) {
      const ended = this.#askFor(tenant, limits, lack, isSaid);
      // Out of reach: appends go on, and nobody waits until it has answered again.
      if (ended !== null && this.#failedAt === null && !(await isSoon(ended))) this.#noteFailure(new Error(LATE));
    }
    const isFresh = this.#answer !== before;
    return {
      faultOf: (used) => (this.#holds(limits, used) ? null : this.#faultFor(minus(used, this.#held), isFresh)),
      spend: (used) => {
        this.#held = minus(this.#held, used);
        if (isSaid) this.#taken = plus(this.#taken, used);
      },
    };
  }

  /** A day or a bound that is new leaves nothing of what was known. */
  #begin(limits: SessionLimits): void {
    const day = startOfDay(this.#now());
    const text = `${limits.tenantMessagesPerDay} ${limits.tenantTokensPerDay}`;
    if (day !== this.#day) [this.#held, this.#taken, this.#call] = [NOTHING, NOTHING, null];
    if (day !== this.#day || text !== this.#limits) this.#answer = null;
    [this.#day, this.#limits] = [day, text];
  }

  #holds(limits: SessionLimits, share: Share): boolean {
    return boundNames(limits).every((name) => share[name] <= 0 || share[name] <= this.#held[name]);
  }

  #owes(limits: SessionLimits): boolean {
    return boundNames(limits).some((name) => this.#held[name] < 0);
  }

  /** Leases are given back by nobody: what was not left before is not left now. */
  #isRefused(lack: Share): boolean {
    const left = this.#answer?.left;
    return left !== undefined && NAMES.some((name) => left[name] !== null && lack[name] > left[name]);
  }

  /** Null as well where the tenant may have more, and cannot be asked. */
  #faultFor(lack: Share, isFresh: boolean): Fault | null {
    const answer = this.#answer;
    if (answer === null) return null;
    for (const name of NAMES) {
      const [left, limit] = [answer.left[name], answer.limit[name]];
      if (left === null || limit === null || lack[name] <= left) continue;
      const isExact = isFresh || left === 0;
      return tenantQuotaFault(name, limit, left + Math.max(0, this.#held[name]), isExact, this.#now());
    }
    return null;
  }

  /** Resolves when the tenant's object has answered or failed; null if it is not asked now. */
  #askFor(tenant: string, limits: SessionLimits, lack: Share, isSaid: boolean): Promise<void> | null {
    const now = this.#now();
    if (this.#call !== null) {
      if (now - this.#call.beganAt < LOST_MS) return null;
      this.#held = minus(this.#held, this.#call.owed);
      this.#call = null;
    }
    if (this.#failedAt !== null && now - this.#failedAt < REST_MS) return null;
    const owed = { messages: Math.max(0, -this.#held.messages), tokens: Math.max(0, -this.#held.tokens) };
    const need = {
      messages: Math.max(0, lack.messages - owed.messages),
      tokens: Math.max(0, lack.tokens - owed.tokens),
    };
    const spareOf = (name: keyof Share): number =>
      Math.max(LEAST_SPARE[name], Math.floor(this.#taken[name] * SPARE_SHARE));
    const spared = isSaid ? boundNames(limits) : [];
    const spare = { ...NOTHING, ...Object.fromEntries(spared.map((name) => [name, spareOf(name)])) };
    this.#held = plus(this.#held, owed);
    const call: Call = { beganAt: now, owed };
    this.#call = call;
    return this.#settle(call, this.#ask(tenant, { day: this.#day, owed, need, spare }));
  }

  async #settle(call: Call, asked: Promise<LeaseAnswer>): Promise<void> {
    const day = this.#day;
    try {
      const answer = await asked;
      if (day === this.#day) {
        this.#held = plus(this.#held, answer.granted);
        this.#answer = answer;
      }
      if (this.#failedAt !== null) this.#log.info("lease_in_reach");
      this.#failedAt = null;
    } catch (error) {
      if (this.#call === call && day === this.#day) this.#held = minus(this.#held, call.owed);
      this.#noteFailure(error);
    }
    if (this.#call === call) this.#call = null;
  }

  #noteFailure(error: unknown): void {
    if (this.#failedAt === null) this.#log.warn("lease_out_of_reach", errorFields(error));
    this.#failedAt = this.#now();
  }
}

const LATE = `no answer within ${PATIENCE_MS} ms`;

/** What of a tenant's day has a bound. */
function boundNames({ tenantMessagesPerDay = null, tenantTokensPerDay = null }: SessionLimits): (keyof Share)[] {
  return NAMES.filter((name) => (name === "messages" ? tenantMessagesPerDay : tenantTokensPerDay) !== null);
}

function isCounted(name: keyof Share, limits: SessionLimits): boolean {
  return boundNames(limits).includes(name);
}

function plus(one: Share, other: Share): Share {
  return { messages: one.messages + other.messages, tokens: one.tokens + other.tokens };
}

function minus(one: Share, other: Share): Share {
  return { messages: one.messages - other.messages, tokens: one.tokens - other.tokens };
}

/** Whether something ends while an append waits for it. */
async function isSoon(ended: Promise<void>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), PATIENCE_MS);
  });
  const isInTime = await Promise.race([ended.then(() => true), late]);
  clearTimeout(timer);
  return isInTime;
}
