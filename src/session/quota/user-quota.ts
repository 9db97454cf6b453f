/** The daily limits that all sessions of a user share, as one session object checks them. */

import type { Fault } from "../../api/errors.ts";
import { ownerName, TENANT_OWNER } from "../../api/session.ts";
import {
  NOTHING_OF_USER,
  USER_COUNTS,
  type UserBounds,
  userBoundsOf,
  type UserCount,
  userDayFault,
  type UserTaken,
} from "../../api/user-quota.ts";
import type { TellUserDay } from "../../directory/user-day-client.ts";
import { createLog } from "../../telemetry/log.ts";
import type { SessionRow } from "../sqlite/index.ts";
import { SharedDays } from "./shared-days.ts";

/**
 * How often an isolate reports a user's counts, in ms. Each report is a call of the directory and a written row;
 * further ones are made for each hundredth of a limit.
 */
const TELL_EVERY_MS = 300_000;
/** How many users are remembered, at about 1 KB each. */
const MAX_USERS = 5_000;

/** Shared by all sessions of an isolate. */
const days = new SharedDays<UserCount>({
  names: USER_COUNTS,
  log: createLog(),
  holder: "user",
  tellEveryMs: TELL_EVERY_MS,
  maxHolders: MAX_USERS,
});

type Owned = Pick<SessionRow, "tenant" | "owner" | "tenantSettings">;

export class UserQuota {
  readonly #tell: TellUserDay;
  readonly #keepAlive: (work: Promise<void>) => void;

  constructor(tell: TellUserDay, keepAlive: (work: Promise<void>) => void) {
    this.#tell = tell;
    this.#keepAlive = keepAlive;
  }

  /**
   * Why the user may use nothing more today; null as long as no limit is known to be reached, and for a session that
   * belongs to the tenant itself.
   */
  faultOf(session: Owned, asked: Partial<UserTaken>, now: number): Fault | null {
    if (session.owner === TENANT_OWNER) return null;
    const taken = days.knownToday(ownerName(session), now);
    return userDayFault(taken, { ...NOTHING_OF_USER, ...asked }, boundsOf(session), now);
  }

  /** Whether the user's daily limit for tokens that models read is used up. */
  isSummarizerSpent(session: Owned, now: number): boolean {
    return this.faultOf(session, { summarizerTokens: 1 }, now) !== null;
  }

  /**
   * Counts what was used. Called after the commit. The user's directory is told after the response, so that no request
   * waits for it.
   */
  count(session: Owned, part: Partial<UserTaken>, now: number): void {
    const taken = { ...NOTHING_OF_USER, ...part };
    if (session.owner === TENANT_OWNER || USER_COUNTS.every((name) => taken[name] <= 0)) return;
    const user = ownerName(session);
    days.count(user, taken, now);
    // Only what is due is reported now; the rest is reported with later counts. Waiting for its time would keep the
    // object awake, which is billed, and less than a hundredth of the limit is unreported.
    if (days.tellIn(user, boundsOf(session).day, now) === 0) this.#keepAlive(days.tell(user, this.#tell, now));
  }
}

function boundsOf({ tenantSettings }: Owned): UserBounds {
  return userBoundsOf(tenantSettings.limits);
}
