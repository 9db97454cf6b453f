import type { AppendRequest } from "../../api/append.ts";
import type { Fault } from "../../api/errors.ts";
import type { NewMessage } from "../../api/message.ts";
import type { SessionLimits, Taken } from "../../api/quota.ts";
import { contentTokens, messageCost } from "../../prompt/message-text.ts";
import { firstQuotaFault } from "../quota/index.ts";
import { firstAppendFault } from "./append.ts";

/**
 * Why a session cannot begin with an append; null if it can. Told before the directory hears of the session, so that a refusal leaves
 * no entry there, nor an owner who never said anything. Reads and writes nothing.
 * @param limits of the tenant; undefined if it has none
 * @param tenantFault why all sessions of the tenant together take nothing more
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
