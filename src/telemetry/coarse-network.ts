/** Of where a request came from the audit keeps the network, so that events tell places apart and no single person. */

import { parseIpAddress } from "./ip-address.ts";

const KEPT_OCTETS = 3;
/** A /48 is what a provider gives to one site at most. */
const KEPT_GROUPS = 3;

/** The /24 of an IPv4 address, the /48 of an IPv6 one. Null for none, and for what is no address. */
export function coarseNetwork(address: string | null | undefined): string | null {
  const parsed = parseIpAddress(address ?? "");
  if (parsed === null) return null;
  return parsed.version === 4
    ? `${parsed.octets.slice(0, KEPT_OCTETS).join(".")}.0/24`
    : `${parsed.groups.slice(0, KEPT_GROUPS).join(":")}::/48`;
}
