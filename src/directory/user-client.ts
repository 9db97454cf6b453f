import type { OwnerStanding } from "../api/finding.ts";
import { ownerName } from "../api/session.ts";
import type { ErasureFindings, UserErasure, UserRef } from "../api/user.ts";
import type { Directory } from "./directory.ts";
import type { ErasureFailure, ErasureStep, LookedAt } from "./erasure.ts";

export type { SessionRemains } from "./erasure.ts";

/** What the directory of a user is asked about the user: not for the sessions of a tenant alone, which have no user. */
export interface UserClient {
  /**
   * Idempotent: an erasure that began goes on, and one that is over is told.
   * @param trace which request asks for it, as a `traceparent`
   */
  erase(user: UserRef, trace?: string): Promise<UserErasure>;
  /** The same, but one that is over begins again. */
  eraseAgain(user: UserRef): Promise<UserErasure>;
  /** What the user's directory knows, as an operator has to know it. */
  standing(user: UserRef): Promise<OwnerStanding>;
  /** Null if none is known. */
  readErasure(user: UserRef): Promise<UserErasure | null>;
  /** Null if nothing is pending now. */
  nextErasureStep(user: UserRef, jobId: string, since: number): Promise<ErasureStep | null>;
  /** Idempotent, as are those after it. */
  noteWiped(user: UserRef, jobId: string, sessions: readonly string[]): Promise<void>;
  /** @returns how many of them the directory did not know of */
  noteFound(user: UserRef, jobId: string, sessions: readonly string[]): Promise<number>;
  noteLooked(user: UserRef, jobId: string, looked: readonly LookedAt[]): Promise<void>;
  /** What operators are told; null if nothing is pending any more. */
  noteErasureFailure(user: UserRef, jobId: string, reason: string): Promise<ErasureFailure | null>;
  /** Makes the erasure due now. Idempotent. False if it is no longer pending. */
  retryErasure(user: UserRef, jobId: string): Promise<boolean>;
  concludeErasure(
    user: UserRef,
    jobId: string,
    found: Pick<ErasureFindings, "archive" | "failedJobs">,
  ): Promise<UserErasure["state"]>;
}

/** The runtime's own type of a stub maps every value it carries. */
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

/** @param place tells the namespace in which a tenant's objects lie; without it they all lie in the one given */
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
