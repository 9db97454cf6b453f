import { type Fault, ThreadkeepError } from "../api/errors.ts";
import type { TenantSettings } from "../api/tenant.ts";
import type { JobTraces } from "./outbox/index.ts";
import type { DayMeasure, TenantQuota, UserQuota } from "./quota/index.ts";
import type { SearchIndex } from "./search/index.ts";
import { type JobRow, type SessionRow, withTenant } from "./sqlite/index.ts";
import type { SessionStore } from "./store.ts";

/** What all calls to one session's object share. */
export interface UnitParts {
  readonly store: SessionStore;
  readonly search: SearchIndex;
  readonly traces: JobTraces;
  readonly newId: () => string;
  readonly quotas: { readonly tenant: TenantQuota; readonly user: UserQuota; readonly measureDay: DayMeasure };
}

/**
 * The unit of work: one object per call, which carries the session, the stores, the time and ids through the code.
 * Functions take it as their first parameter. A function only makes its own change; what has to follow from it (search
 * index, alarm, waiting callers, live feed) is done when the unit commits: see `Transactions`.
 */
export class Unit {
  readonly store: SessionStore;
  readonly search: SearchIndex;
  readonly traces: JobTraces;
  readonly quotas: UnitParts["quotas"];
  readonly newId: () => string;
  /** When the call began, in ms since 1970. */
  readonly now: number;
  /** The tenant's settings that the caller sent along; undefined if it sent none. */
  readonly tenant: TenantSettings | undefined;
  readonly #whenCommitted: (() => void)[] = [];
  /** The session as `session` last returned it, and the row that it was made from. */
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

  /**
   * The session's row as it is now, also if the session is erased, expired or incomplete; null if nothing was ever
   * written.
   */
  get row(): SessionRow | null {
    return this.store.session();
  }

  /**
   * The session as it is now, with the tenant's settings that the caller sent along if they are newer than the stored
   * ones. Use it where the session is known to exist: it throws a plain `Error` if there is none.
   */
  get session(): SessionRow {
    const { row } = this;
    if (row === null) throw new Error("this object holds no session; look for one with findSession first");
    if (this.#read?.row !== row) this.#read = { row, session: withTenant(row, this.tenant) };
    return this.#read.session;
  }

  /** The session, also if it expired or is incomplete; null if there is none, or if it is erased. */
  findUnerased(): SessionRow | null {
    const { row } = this;
    return row === null || row.erasedAt !== null ? null : this.session;
  }

  /**
   * The session, for a client's call; null if there is none.
   * @throws ThreadkeepError `session_expired`, or `session_not_ready` while it is being copied or imported
   */
  findSession(): SessionRow | null {
    const session = this.findUnerased();
    if (session !== null && session.expiredAt !== null) throw new ThreadkeepError(EXPIRED_SESSION);
    if (session !== null && session.copying !== null) throw new ThreadkeepError(UNFINISHED_SESSION);
    return session;
  }

  /**
   * The session, for a client's call.
   * @throws ThreadkeepError `session_not_found`, `session_expired` or `session_not_ready`
   */
  requireSession(): SessionRow {
    const session = this.findSession();
    if (session === null) throw new ThreadkeepError(UNKNOWN_SESSION);
    return session;
  }

  /**
   * The session, for a consumer's call; null if it is erased, expired or in another epoch than the one that the job
   * belongs to.
   */
  findForJob(epoch: string): SessionRow | null {
    const session = this.findUnerased();
    return session === null || session.expiredAt !== null || session.epoch !== epoch ? null : session;
  }

  /** A job of this or an earlier, erased epoch; null if it is done. */
  findJob(jobId: string, epoch: string): JobRow | null {
    const job = this.row === null ? null : this.store.jobs.byId(jobId);
    return job !== null && job.epoch === epoch ? job : null;
  }

  /**
   * Calls `body` after the transaction has committed; not if it is rolled back. `body` must not throw: the change
   * stands.
   */
  whenCommitted(body: () => void): void {
    this.#whenCommitted.push(body);
  }

  /** Removes and returns what `whenCommitted` collected. Only for `Transactions`. */
  takeCommitted(): readonly (() => void)[] {
    return this.#whenCommitted.splice(0);
  }
}

export const UNKNOWN_SESSION: Fault = {
  code: "session_not_found",
  detail:
    "Create the session or append a message first; ids are case-sensitive. If you are sure that it exists, it belongs to another user or tenant: check the header Threadkeep-User, which may be wrong or missing, and to whom your key or token belongs.",
};
const EXPIRED_SESSION: Fault = {
  code: "session_expired",
  detail:
    "Nobody wrote to it for as long as expireAfterIdleSeconds allows. Create a new session with continueFrom to continue from its summary, or erase this one to use its id again.",
};
const UNFINISHED_SESSION: Fault = {
  code: "session_not_ready",
  detail: "It is still being copied or imported. Try again in a moment; GET the session to see when it is complete.",
  retryAfterSeconds: 1,
};
