/**
 * What the estimate knows of the vocabulary. A set of characters says, without error, which are one
 * token. A sketch says which groups of units stand inside common tokens: one hashed bit a group, so
 * it takes about a third of all other groups for known, and knows no token as such.
 */
/** Bits in the sketch. */
export const SKETCH_BITS = 65_536;
/** In the set, characters end here, and the starts of 64 characters that are a token begin. */
export const STARTS = 0x20000;
export const SET_BITS = STARTS + 0x800;

/** Where a group falls: a multiplicative hash with two rounds of mixing. */
export function slotOf(key: number): number {
  let mixed = Math.imul(key ^ (key >>> 15), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x297a2d39);
  return mixed >>> 16;
}

/**
 * The key of a group of letters with one more at its end: the last five of Latin, in six bits each
 * (small ASCII letters apart from all others), or about the last three of another script.
 */
export function lettersKey(key: number, unit: number, isLatin: boolean): number {
  if (!isLatin) return ((key << 11) ^ unit) & 0x7fffffff;
  return ((key << 6) | (unit & 31) | (unit > 127 || unit < 97 ? 32 : 0)) & 0x3fffffff;
}
/** What ends a word in the key of its last letters. */
export const WORD_END = 27;

/** The key of two neighbours. */
export const pairKey = (before: number, unit: number): number => Math.imul(before + 1, 0x01000193) ^ unit ^ 0x1b873593;

/** The key of an ideograph or a Hangul syllable among the common ones. */
export const commonKey = (unit: number): number => unit ^ 0x2545f491;

export const hasBit = (bits: Uint8Array, at: number): number => (bits[at >>> 3]! >>> (at & 7)) & 1;

export function setBit(bits: Uint8Array, at: number): void {
  bits[at >>> 3]! |= 1 << (at & 7);
}

const bytesOf = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0));

/** Three bits of a gap and a bit for more to come, from the lowest, two such in a byte. */
export function unpackSet(base64: string): Uint8Array {
  const bits = new Uint8Array(SET_BITS / 8);
  let at = -1;
  let gap = 0;
  let shift = 0;
  for (const byte of bytesOf(base64)) {
    for (const half of [byte & 15, byte >> 4]) {
      gap |= (half & 7) << shift;
      shift += 3;
      if (half > 7) continue;
      at += gap + 1;
      if (at < SET_BITS) setBit(bits, at);
      gap = 0;
      shift = 0;
    }
  }
  return bits;
}

export function packSet(members: readonly number[]): Uint8Array {
  const halves: number[] = [];
  let last = -1;
  for (const member of members.toSorted((a, b) => a - b)) {
    let gap = member - last - 1;
    last = member;
    for (; gap > 7; gap >>>= 3) halves.push((gap & 7) | 8);
    halves.push(gap);
  }
  // A half left over must not add a member.
  if (halves.length % 2 === 1) halves.push(8);
  return Uint8Array.from(
    { length: halves.length / 2 },
    (_, index) => halves[2 * index]! | (halves[2 * index + 1]! << 4),
  );
}

export const unpackBytes = bytesOf;
