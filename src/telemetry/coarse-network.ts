/** Of where a request came from the audit keeps the network, so that events tell places apart and no single person. */

import { ipPrefix, type PrefixLength } from "../lib/ip-prefix.ts";

/** An IPv6 /48 is what a provider gives to one site at most. */
const KEPT: PrefixLength = { octets: 3, groups: 3 };

/** The /24 of an IPv4 address, the /48 of an IPv6 one. Null for none, and for what is no address. */
export function coarseNetwork(address: string | null | undefined): string | null {
  return ipPrefix(address ?? "", KEPT);
}
