/**
 * Of a caller's IP address the audit log keeps only the network, so that events can be told apart by place without
 * identifying a person.
 */

import { ipPrefix, type PrefixLength } from "../lib/ip-prefix.ts";

/** An IPv6 /48 is the largest prefix that a provider assigns to one site. */
const KEPT: PrefixLength = { octets: 3, groups: 3 };

/** The /24 of an IPv4 address, or the /48 of an IPv6 address; null if there is no valid address. */
export function coarseNetwork(address: string | null | undefined): string | null {
  return ipPrefix(address ?? "", KEPT);
}
