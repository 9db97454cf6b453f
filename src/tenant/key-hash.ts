import { createHmac, timingSafeEqual } from "node:crypto";

const HASH_KEY_BYTES = 32;
/** 62 to the power of 43 is just over 2 to the power of 256. */
const SECRET_LENGTH = 43;
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** Bytes from here on would make the first letters likelier than the last. */
const EVEN_BYTES = 256 - (256 % ALPHABET.length);

/** Letters and digits, each as likely as the others. */
export function randomText(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(length))) {
      if (byte < EVEN_BYTES && text.length < length) text += ALPHABET.charAt(byte % ALPHABET.length);
    }
  }
  return text;
}

/** 256 random bits, as letters and digits. */
export function makeSecret(): string {
  return randomText(SECRET_LENGTH);
}

/** What the hashes of one tenant are keyed with. */
export function makeHashKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(HASH_KEY_BYTES));
}

/** HMAC-SHA-256, bound to the key's id. A slow hash would add nothing: nobody tries 2 to the power of 256 secrets. */
export function hashSecret(hashKey: Uint8Array, id: string, secret: string): Uint8Array {
  return new Uint8Array(createHmac("sha256", hashKey).update(`${id}.${secret}`).digest());
}

/** Takes one time, whatever was sent. */
export function isSecretOf(hash: Uint8Array, hashKey: Uint8Array, id: string, secret: string): boolean {
  const given = hashSecret(hashKey, id, secret);
  return given.byteLength === hash.byteLength && timingSafeEqual(given, hash);
}
