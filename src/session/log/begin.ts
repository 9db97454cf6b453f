import type { AppendRequest } from "../../api/append.ts";
import type { Fault } from "../../api/errors.ts";
import type { NewMessage } from "../../api/message.ts";
import type { SessionLimits, Taken } from "../../api/quota.ts";
import { contentTokens, messageCost } from "../../prompt/message-text.ts";
import { firstQuotaFault } from "../quota/index.ts";
import { firstAppendFault } from "./append.ts";

/**
 * Why a new session cannot begin with this append; null if it can. Called before the directory is asked to list the
 * session, so that a refused append leaves no entry for the session or its user there. Reads and writes nothing.
 * @param limits the tenant's limits; undefined if it has none
 * @param tenantFault returns why the limits on all sessions of the tenant together do not allow it; null if they do
 */
export function beginningFault(
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
