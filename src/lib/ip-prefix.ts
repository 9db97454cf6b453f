/**
 * Prefixes of IP addresses. All code that groups addresses uses this, so that different spellings of one address count
 * as the same.
 */

/**
 * IPv4 as four numbers, IPv6 as eight groups without leading zeros. An IPv4-mapped IPv6 address (`::ffff:1.2.3.4`) is
 * IPv4.
 */
type IpAddress =
  | { readonly version: 4; readonly octets: readonly number[] }
  | { readonly version: 6; readonly groups: readonly string[] };

const GROUP = /^[0-9a-f]{1,4}$/;
const GROUPS = 8;
const OCTETS = 4;
const GROUP_BITS = 16;
const OCTET_BITS = 8;
const MAX_OCTET = 255;
/** The longest spelling of an address: `0000:0000:0000:0000:0000:ffff:255.255.255.255`. */
const MAX_LENGTH = 45;

/** The length of a prefix: octets of an IPv4 address, groups of 16 bits of an IPv6 address. */
export interface PrefixLength {
  readonly octets: number;
  readonly groups: number;
}

/**
 * The prefix of an address in the usual notation, such as `192.0.2.0/24` or `2001:db8:1::/48`; null if the text is no
 * address.
 */
export function ipPrefix(address: string, { octets, groups }: PrefixLength): string | null {
  const parsed = parseIpAddress(address);
  if (parsed === null) return null;
  if (parsed.version === 6) return `${parsed.groups.slice(0, groups).join(":")}::/${groups * GROUP_BITS}`;
  if (octets === OCTETS) return parsed.octets.join(".");
  const padded = parsed.octets.map((octet, index) => (index < octets ? octet : 0));
  return `${padded.join(".")}/${octets * OCTET_BITS}`;
}

function parseIpAddress(text: string): IpAddress | null {
  if (text.length > MAX_LENGTH) return null;
  if (!text.includes(":")) {
    const octets = octetsOf(text);
    return octets === null ? null : { version: 4, octets };
  }
  const groups = groupsOf(text.toLowerCase());
  if (groups === null) return null;
  const isMapped = groups.slice(0, 5).every((group) => group === "0") && groups[5] === "ffff";
  return isMapped ? { version: 4, octets: groups.slice(6).flatMap(toOctets) } : { version: 6, groups };
}

function octetsOf(text: string): number[] | null {
  const parts = text.split(".");
  if (parts.length !== OCTETS || !parts.every((part) => /^\d{1,3}$/.test(part))) return null;
  const octets = parts.map(Number);
  return octets.every((octet) => octet <= MAX_OCTET) ? octets : null;
}

function groupsOf(text: string): string[] | null {
  const plain = withoutDots(text);
  const halves = plain?.split("::") ?? [];
  if (halves.length === 0 || halves.length > 2) return null;
  const [head = "", tail] = halves;
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = GROUPS - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const groups = [...before, ...Array.from({ length: missing }, () => "0"), ...after];
  return groups.every((group) => GROUP.test(group)) ? groups.map((group) => group.replace(/^0+(?=.)/, "")) : null;
}

/** Converts the last two groups to hexadecimal if they are written as an IPv4 address. */
function withoutDots(text: string): string | null {
  if (!text.includes(".")) return text;
  const start = text.lastIndexOf(":") + 1;
  const octets = octetsOf(text.slice(start));
  if (octets === null) return null;
  const [a = 0, b = 0, c = 0, d = 0] = octets;
  return `${text.slice(0, start)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

function toOctets(group: string): number[] {
  const value = Number.parseInt(group, 16);
  return [value >> 8, value & MAX_OCTET];
}
