/** Addresses of the internet, read in one place: how one is spelt must not decide what it counts as. */

/** IPv4 as four numbers, IPv6 as eight groups without leading zeros. An IPv4 address that IPv6 carries (`::ffff:1.2.3.4`) is IPv4. */
export type IpAddress =
  | { readonly version: 4; readonly octets: readonly number[] }
  | { readonly version: 6; readonly groups: readonly string[] };

const GROUP = /^[0-9a-f]{1,4}$/;
const GROUPS = 8;
const OCTETS = 4;
const MAX_OCTET = 255;
/** Longer than any spelling of an address: `0000:0000:0000:0000:0000:ffff:255.255.255.255`. */
const MAX_LENGTH = 45;

/** Null: it is no address. */
export function parseIpAddress(text: string): IpAddress | null {
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

/** The last two groups may be written as an IPv4 address is. */
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
