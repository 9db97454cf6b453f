import { type Fault, ThreadkeepError } from "../api/errors.ts";
import type { TenantSettings } from "../api/tenant.ts";
import type { JobTraces } from "./outbox/index.ts";
import type { DayMeasure, TenantQuota, UserQuota } from "./quota/index.ts";
import type { SearchIndex } from "./search/index.ts";
import { type JobRow, type SessionRow, withTenant } from "./sqlite/index.ts";
import type { SessionStore } from "./store.ts";

/** What the calls of one session's object share. */
export interface UnitParts {
  readonly store: SessionStore;
  readonly search: SearchIndex;
  readonly traces: JobTraces;
  readonly newId: () => string;
  readonly quotas: { readonly tenant: TenantQuota; readonly user: UserQuota; readonly measureDay: DayMeasure };
}

/**
 * The unit of work: what carries one call through the session. Functions take it first, and then what they are about. What a change calls
 * for besides itself is done by the commit: see `Transactions`.
 */
export class Unit {
  readonly store: SessionStore;
  readonly search: SearchIndex;
  readonly traces: JobTraces;
  readonly quotas: UnitParts["quotas"];
  readonly newId: () => string;
  /** When the call began, in ms since 1970. */
  readonly now: number;
  /** The tenant's settings as the caller brought them; undefined if it brought none. */
  readonly tenant: TenantSettings | undefined;
  readonly #whenCommitted: (() => void)[] = [];
  #read: { readonly row: SessionRow; readonly session: SessionRow } | null = null;

  constructor({ store, search, traces, quotas, newId }: UnitParts, now: number, tenant?: TenantSettings) {
    this.store = store;
    this.search = search;
    this.traces = traces;
    this.quotas = quotas;
    this.newId = newId;
    this.now = now;
    this.tenant = tenant;
  }

  /** The session's row as it stands now, also of one that is erased, expired or not whole; null if nothing was ever written. */
  get row(): SessionRow | null {
    return this.store.session();
  }

  /**
   * The session as it stands now, with the tenant's settings that the caller brought if they are newer than its own. Throws if there is
   * none: whoever asks has looked for it.
   */
  get session(): SessionRow {
    const { row } = this;
    if (row === null) throw new Error("the object holds no session");
    if (this.#read?.row !== row) this.#read = { row, session: withTenant(row, this.tenant) };
    return this.#read.session;
  }

  /** The session unless it is erased; null if it is, or never was. */
  findUnerased(): SessionRow | null {
    const { row } = this;
    return row === null || row.erasedAt !== null ? null : this.session;
  }

  /** The session as clients may use it; null if there is none. Throws if it expired, or is not whole yet. */
  findSession(): SessionRow | null {
    const session = this.findUnerased();
    if (session !== null && session.expiredAt !== null) throw new ThreadkeepError(EXPIRED_SESSION);
    if (session !== null && session.copying !== null) throw new ThreadkeepError(UNFINISHED_SESSION);
    return session;
  }

  /** The same, and throws if there is none. */
  requireSession(): SessionRow {
    const session = this.findSession();
    if (session === null) throw new ThreadkeepError(UNKNOWN_SESSION);
    return session;
  }

  /** The session in the epoch that a consumer works for; null if that is over. */
  findForJob(epoch: string): SessionRow | null {
    const session = this.findUnerased();
    return session === null || session.expiredAt !== null || session.epoch !== epoch ? null : session;
  }

  /** A pending job of this or of an erased epoch; null if it is over. */
  findJob(jobId: string, epoch: string): JobRow | null {
    const job = this.row === null ? null : this.store.jobs.byId(jobId);
    return job !== null && job.epoch === epoch ? job : null;
  }

  /** Calls `body` once what this unit changed has committed, and not if it is rolled back. It must not throw: the change stands. */
  whenCommitted(body: () => void): void {
    this.#whenCommitted.push(body);
  }

  /** What `whenCommitted` took. For `Transactions` alone. */
  takeCommitted(): readonly (() => void)[] {
    return this.#whenCommitted.splice(0);
  }
}

export const UNKNOWN_SESSION: Fault = {
  code: "session_not_found",
  detail:
    "Append a message or create the session first; ids are case-sensitive. If you know that it exists, it is another user's or tenant's: check the header Threadkeep-User, which may be wrong or missing, and whose key or token this is.",
};
const EXPIRED_SESSION: Fault = {
  code: "session_expired",
  detail:
    "Nobody spoke in it for as long as its settings allow. Create a new session with continueFrom to go on from its summary, or erase this one to use its id anew.",
};
const UNFINISHED_SESSION: Fault = {
  code: "session_not_ready",
  detail: "It is being copied or imported. Ask again in a moment; reading the session tells when it is whole.",
  retryAfterSeconds: 1,
};
