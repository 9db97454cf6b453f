import { jurisdictionSchema } from "../api/tenant.ts";
import type { UserTaken } from "../api/user-quota.ts";
import { createJurisdictions } from "../lib/jurisdiction.ts";
import type { Log } from "../telemetry/log.ts";

/** What the sessions of one isolate took of a user's day, all in all so far: told again, it counts once. */
export interface UserDayReport extends UserTaken {
  /** Of the isolate. */
  readonly teller: string;
  /** Its first millisecond since 1970, in UTC. */
  readonly day: number;
}

export interface UserDayAnswer {
  /** What all isolates told of that day, and what was charged. */
  readonly total: UserTaken;
  /** What this one told. */
  readonly told: UserTaken;
}

/** Idempotent. */
export type TellUserDay = (user: string, report: UserDayReport) => Promise<UserDayAnswer>;

/** The part of the directories that counts what their users take. */
interface UserDayObject {
  noteTaken(report: UserDayReport): Promise<UserDayAnswer>;
}

/**
 * @param namespace read with each call, so that an object needs it only where a user writes
 * @param place the jurisdiction of the object that asks: its user's directory lies there as well
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
