/** What a user may take in a day over all of their sessions, as the objects of these see to it. */

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

/** A call of the directory and a billed row for what a user says in so long, and one for each hundredth of a bound, by isolate. */
const TELL_EVERY_MS = 300_000;
/** A kilobyte each. */
const MAX_USERS = 5_000;

/** Shared by the sessions of an isolate. */
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

  /** Why the user takes nothing more today; null as long as no bound is known to be reached, and of a session that is no user's. */
  faultOf(session: Owned, asked: Partial<UserTaken>, now: number): Fault | null {
    if (session.owner === TENANT_OWNER) return null;
    const taken = days.knownToday(ownerName(session), now);
    return userDayFault(taken, { ...NOTHING_OF_USER, ...asked }, boundsOf(session), now);
  }

  /** Whether models have read again for the user what they may today. */
  isSummarizerSpent(session: Owned, now: number): boolean {
    return this.faultOf(session, { summarizerTokens: 1 }, now) !== null;
  }

  /** Counts what was taken. Called once it has committed; the user's directory hears of it behind the answer. */
  count(session: Owned, part: Partial<UserTaken>, now: number): void {
    const taken = { ...NOTHING_OF_USER, ...part };
    if (session.owner === TENANT_OWNER || USER_COUNTS.every((name) => taken[name] <= 0)) return;
    const user = ownerName(session);
    days.count(user, taken, now);
    // What is not due yet is told along with what comes later: an object that waits is billed for it, and less than a hundredth is untold.
    if (days.tellIn(user, boundsOf(session).day, now) === 0) this.#keepAlive(days.tell(user, this.#tell, now));
  }
}

function boundsOf({ tenantSettings }: Owned): UserBounds {
  return userBoundsOf(tenantSettings.limits);
}
