import type { AppendRequest } from "../contracts/append.ts";
import type { Fault } from "../contracts/errors.ts";
import type { SessionLimits } from "../contracts/quota.ts";
import { firstAppendFault } from "./append.ts";
import { type Cover, shareOf } from "./leases.ts";
import { firstQuotaFault } from "./quota.ts";

/**
 * Why a session cannot begin with an append; null if it can. Told before the directory hears of the session, so that a refusal leaves
 * no entry there, nor an owner who never said anything. Reads and writes nothing.
 * @param limits of the tenant; undefined if it has none
 */
export function beginningFault(
  { messages, expectedHeadSeq }: AppendRequest,
  limits: SessionLimits | undefined,
  cover: Cover | null,
  now: number,
): Fault | null {
  const fault = firstAppendFault(messages, expectedHeadSeq);
  if (fault !== null || limits === undefined) return fault;
  const used = shareOf(messages);
  return firstQuotaFault(limits, used, now) ?? cover?.faultOf(used) ?? null;
}
