import type { AppendRequest } from "../../api/append.ts";
import type { Appender } from "../../api/audit.ts";
import type { Fault, Outcome } from "../../api/errors.ts";
import type { NewMessage } from "../../api/message.ts";
import { faultOf } from "../../api/problem.ts";
import type { SessionLimits, Taken } from "../../api/quota.ts";
import type { Metadata, SessionRef } from "../../api/session.ts";
import { type UserAsk, userAskFor } from "../../api/user-quota.ts";
import { contentTokens, messageCost } from "../../prompt/message-text.ts";
import { createLog } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import { firstQuotaFault } from "../quota/index.ts";
import type { Unit } from "../unit.ts";
import { firstAppendFault } from "./append.ts";
import type { SessionCreation } from "./epoch.ts";

const log = createLog();

/** The directory's permission to create a session, as it is given to the session's object. */
interface CreationGrant {
  readonly createdAt: number;
  readonly grantedAt: number;
  readonly isKnown: boolean;
}

/** What the object of a new session asks of the directory of its owner. */
export interface OwnerDirectory {
  /**
   * Registers the session, and grants its creation.
   * @throws ThreadkeepError if the user was erased, or may not create another session
   */
  register(
    ref: SessionRef,
    createdAt: number,
    metadata: Metadata,
    spent: undefined,
    byUser: UserAsk | undefined,
  ): Promise<CreationGrant>;
  /** Updates the entry of an earlier epoch to the one that began with this grant. */
  renew(ref: SessionRef, metadata: Metadata, grantedAt: number): Promise<void>;
}

/** What a session is created with, before the directory has granted its creation. */
export type AskedCreation = Omit<SessionCreation, "grantedAt" | "isKnown">;

/**
 * Asks the directory for the creation grant, for an append to a session that does not exist. The append is checked
 * first, so that one that is refused leaves no entry for the session or its user in the directory. Other calls of the
 * object may run while this one waits, so whoever appends with the grant has to look again what exists by then.
 * @returns the fault for the client, of the check or of the directory
 */
export async function askToCreate(
  { tenant, quotas, now }: Unit,
  directory: OwnerDirectory,
  { request, creation, by }: { request: AppendRequest; creation: AskedCreation; by: Appender | undefined },
): Promise<Outcome<SessionCreation>> {
  const { ref, createdAt, metadata = {} } = creation;
  const limits = tenant?.limits;
  const fault = beginningFault(
    request,
    limits,
    (asked, taken) => quotas.tenant.faultOf(ref.tenant, asked, taken, tenant, now),
    now,
  );
  if (fault !== null) return { ok: false, fault };
  const ask = by?.isUser === true ? userAskFor(ref.owner, limits) : undefined;
  try {
    const grant = await directory.register(ref, createdAt, metadata, undefined, ask);
    return { ok: true, value: { ...creation, ...grant } };
  } catch (error) {
    const refusal = faultOf(error);
    // An unexpected error is thrown on, so that it is logged where the request came in.
    if (refusal.code === "internal") throw error;
    return { ok: false, fault: refusal };
  }
}

/**
 * Updates the directory's entry at once if the append that brought this grant has created a new epoch of a session that
 * the directory knew. If another call created it meanwhile, the entry is that call's, whose metadata it has. If this
 * fails, the job `list`, which was scheduled with the epoch, does it.
 * @param unit read after the append
 */
export async function renewIfKnown(
  unit: Unit,
  directory: OwnerDirectory,
  { ref, metadata = {}, grantedAt = 0, isKnown }: SessionCreation,
): Promise<void> {
  // Not told by the first message: the epoch may be that of a call that created the session and appended nothing.
  if (isKnown !== true || unit.findUnerased()?.begunBy !== grantedAt) return;
  try {
    await directory.renew(ref, metadata, grantedAt);
  } catch (error) {
    log.warn("entry_not_renewed", errorFields(error));
  }
}

/**
 * Why a new session cannot begin with this append; null if it can. Reads and writes nothing.
 * @param limits the tenant's limits; undefined if it has none
 * @param tenantFault returns why the limits on all sessions of the tenant together do not allow it; null if they do
 */
function beginningFault(
  { messages, expectedHeadSeq }: AppendRequest,
  limits: SessionLimits | undefined,
  tenantFault: (limits: SessionLimits, taken: Taken) => Fault | null,
  now: number,
): Fault | null {
  const fault = firstAppendFault(messages, expectedHeadSeq);
  if (fault !== null || limits === undefined) return fault;
  const taken = takenBy(messages);
  return firstQuotaFault(limits, taken, now) ?? tenantFault(limits, taken);
}

function takenBy(messages: readonly NewMessage[]): Taken {
  const cost = ({ content, author }: NewMessage): number => messageCost({ tokens: contentTokens(content), author });
  return { messages: messages.length, tokens: messages.reduce((sum, each) => sum + cost(each), 0) };
}
