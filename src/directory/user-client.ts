import type { OwnerStanding } from "../api/finding.ts";
import { ownerName } from "../api/session.ts";
import type { ErasureFindings, UserErasure, UserRef } from "../api/user.ts";
import type { Directory } from "./directory.ts";
import type { ErasureFailure, ErasureStep, LookedAt } from "./erasure.ts";

export type { SessionRemains } from "./erasure.ts";

/** The calls to a user's directory about the user as a whole. Not for a tenant itself, which has no user. */
export interface UserClient {
  /**
   * Starts the erasure of the user, or returns the state of the one that was started before. Idempotent.
   * @param trace the `traceparent` of the request
   */
  erase(user: UserRef, trace?: string): Promise<UserErasure>;
  /** The same, but a completed erasure starts again. */
  eraseAgain(user: UserRef): Promise<UserErasure>;
  /** What the directory knows of the user, for operators. */
  standing(user: UserRef): Promise<OwnerStanding>;
  /** The state of the erasure; null if there is none. */
  readErasure(user: UserRef): Promise<UserErasure | null>;
  /**
   * What the consumer of the erasure job does next; null if it has to wait, or if the job is over.
   * @param since ms since 1970: sessions that were looked at after this time are not looked at again
   */
  nextErasureStep(user: UserRef, jobId: string, since: number): Promise<ErasureStep | null>;
  /** Records that these sessions were erased in their objects. Idempotent, like all methods below. */
  noteWiped(user: UserRef, jobId: string, sessions: readonly string[]): Promise<void>;
  /**
   * Records sessions of the user that were found elsewhere.
   * @returns how many of them the directory did not know
   */
  noteFound(user: UserRef, jobId: string, sessions: readonly string[]): Promise<number>;
  /** Records what was found in these sessions' objects after their erasure. */
  noteLooked(user: UserRef, jobId: string, looked: readonly LookedAt[]): Promise<void>;
  /** Records a failed attempt. Returns what to report to operators; null if the erasure is complete. */
  noteErasureFailure(user: UserRef, jobId: string, reason: string): Promise<ErasureFailure | null>;
  /** Makes the erasure due now. Returns false if it is not pending any more. */
  retryErasure(user: UserRef, jobId: string): Promise<boolean>;
  /** Completes the erasure if nothing was found, or continues it. Returns its state. */
  concludeErasure(
    user: UserRef,
    jobId: string,
    found: Pick<ErasureFindings, "archive" | "failedJobs">,
  ): Promise<UserErasure["state"]>;
}

/** The methods of the stub. The runtime's own type of a stub maps every value type. */
type UserStub = DurableObjectStub &
  Pick<
    Directory,
    | "beginErasure"
    | "beginErasureAgain"
    | "concludeErasure"
    | "nextErasureStep"
    | "noteErasureFailure"
    | "noteFound"
    | "noteLooked"
    | "noteWiped"
    | "readErasure"
    | "retryErasure"
    | "standing"
  >;

/**
 * @param place returns the namespace for a tenant's jurisdiction; without it, all objects are in the given namespace
 */
export function createUserClient(
  namespace: DurableObjectNamespace,
  place: (namespace: DurableObjectNamespace, tenant: string) => Promise<DurableObjectNamespace> = async (same) => same,
): UserClient {
  const stubOf = async (user: UserRef): Promise<UserStub> =>
    (await place(namespace, user.tenant)).getByName(ownerName(user)) as UserStub;
  return {
    erase: async ({ tenant, owner }, trace) => (await stubOf({ tenant, owner })).beginErasure({ tenant, owner }, trace),
    eraseAgain: async (user) => (await stubOf(user)).beginErasureAgain({ tenant: user.tenant, owner: user.owner }),
    standing: async (user) => (await stubOf(user)).standing(null),
    readErasure: async (user) => (await stubOf(user)).readErasure(),
    nextErasureStep: async (user, jobId, since) => (await stubOf(user)).nextErasureStep(jobId, since),
    noteWiped: async (user, jobId, sessions) => (await stubOf(user)).noteWiped(jobId, sessions),
    noteFound: async (user, jobId, sessions) => (await stubOf(user)).noteFound(jobId, sessions),
    noteLooked: async (user, jobId, looked) => (await stubOf(user)).noteLooked(jobId, looked),
    noteErasureFailure: async (user, jobId, reason) => (await stubOf(user)).noteErasureFailure(jobId, reason),
    retryErasure: async (user, jobId) => (await stubOf(user)).retryErasure(jobId),
    concludeErasure: async (user, jobId, found) => (await stubOf(user)).concludeErasure(jobId, found),
  };
}
