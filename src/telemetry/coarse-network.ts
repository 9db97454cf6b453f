/** Of where a request came from the audit keeps the network, so that events tell places apart and no single person. */

const IPV4 = /^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/i;
const GROUP = /^[0-9a-f]{1,4}$/;
const GROUPS = 8;
/** A /48 is what a provider gives to one site at most. */
const KEPT_GROUPS = 3;

/** The /24 of an IPv4 address, the /48 of an IPv6 one. Null for none, and for what is no address. */
export function coarseNetwork(address: string | null | undefined): string | null {
  if (address === null || address === undefined) return null;
  const octets = IPV4.exec(address)?.slice(1).map(Number);
  if (octets !== undefined) return octets.some((octet) => octet > 255) ? null : `${octets.slice(0, 3).join(".")}.0/24`;
  const groups = groupsOf(address.toLowerCase());
  return groups === null ? null : `${groups.slice(0, KEPT_GROUPS).join(":")}::/48`;
}

/** The eight groups of an IPv6 address without leading zeros. */
function groupsOf(address: string): string[] | null {
  const halves = address.split("::");
  if (halves.length > 2) return null;
  const [head = "", tail] = halves;
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = GROUPS - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const groups = [...before, ...Array.from({ length: missing }, () => "0"), ...after];
  return groups.every((group) => GROUP.test(group)) ? groups.map((group) => group.replace(/^0+(?=.)/, "")) : null;
}
