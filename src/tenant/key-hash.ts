import { createHmac } from "node:crypto";
import { areSameBytes } from "../lib/same-bytes.ts";

const HASH_KEY_BYTES = 32;
/** Characters of a secret: 62^43 is slightly more than 2^256. */
const SECRET_LENGTH = 43;
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/**
 * Random bytes from this value on are skipped: using them would make the first letters of the alphabet more likely than
 * the last.
 */
const EVEN_BYTES = 256 - (256 % ALPHABET.length);

/** Random letters and digits, all equally likely. */
export function randomText(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(length))) {
      if (byte < EVEN_BYTES && text.length < length) text += ALPHABET.charAt(byte % ALPHABET.length);
    }
  }
  return text;
}

/** The secret of a key: 256 random bits, as letters and digits. */
export function makeSecret(): string {
  return randomText(SECRET_LENGTH);
}

/** The HMAC key for the hashes of one tenant's keys. */
export function makeHashKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(HASH_KEY_BYTES));
}

/**
 * HMAC-SHA-256 of a secret, bound to the key's id. A slow hash would add nothing, because nobody can try 2^256 secrets.
 */
export function hashSecret(hashKey: Uint8Array, id: string, secret: string): Uint8Array {
  return new Uint8Array(createHmac("sha256", hashKey).update(`${id}.${secret}`).digest());
}

/** Compares in constant time. */
export function isSecretOf(hash: Uint8Array, hashKey: Uint8Array, id: string, secret: string): boolean {
  return areSameBytes(hashSecret(hashKey, id, secret), hash);
}
