import { jurisdictionSchema } from "../api/tenant.ts";
import type { UserTaken } from "../api/user-quota.ts";
import { createJurisdictions } from "../lib/jurisdiction.ts";
import type { Log } from "../telemetry/log.ts";

/**
 * What the sessions of one isolate used on a day for a user, in total so far. A total, so that a repeated report is not
 * counted twice.
 */
export interface UserDayReport extends UserTaken {
  /** A random id of the isolate. */
  readonly teller: string;
  /** The day's first millisecond (UTC), in ms since 1970. */
  readonly day: number;
}

/** The directory's answer to a report. */
export interface UserDayAnswer {
  /** What all isolates reported for the day, and what was charged in advance. */
  readonly total: UserTaken;
  /** What this isolate reported for the day. */
  readonly told: UserTaken;
}

/** Sends a report to the user's directory. Idempotent. */
export type TellUserDay = (user: string, report: UserDayReport) => Promise<UserDayAnswer>;

/** The method of a directory that counts what its user used. */
interface UserDayObject {
  noteTaken(report: UserDayReport): Promise<UserDayAnswer>;
}

/**
 * @param namespace called for each report, so that the binding is needed only if a user writes
 * @param place the jurisdiction of the calling object: its user's directory has the same
 */
export function createUserDayClient(
  namespace: () => DurableObjectNamespace,
  place: string | undefined,
  log: Log,
): TellUserDay {
  const inJurisdiction = createJurisdictions(log);
  return async (user, report) => {
    const { data: jurisdiction } = jurisdictionSchema.safeParse(place);
    const objects = jurisdiction === undefined ? namespace() : inJurisdiction(namespace(), jurisdiction);
    return (objects.getByName(user) as DurableObjectStub & UserDayObject).noteTaken(report);
  };
}
