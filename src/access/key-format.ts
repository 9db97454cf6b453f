/**
 * The format of a tenant's key: `tk_TENANT_ID_SECRETCHECKSUM`. The tenant's name tells which object to ask. The
 * checksum distinguishes a truncated or mistyped key from an unknown one. Both let secret scanners recognize leaked
 * keys.
 */

import { KEY_ID_LENGTH } from "../api/api-key.ts";
import { TENANT_ID } from "../api/tenant.ts";

const PREFIX = "tk";
const SECRET_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const FORM = new RegExp(
  `^${PREFIX}_([a-z0-9-]+)_([0-9A-Za-z]{${KEY_ID_LENGTH}})_([0-9A-Za-z]{${SECRET_LENGTH}})([0-9A-Za-z]{${CHECKSUM_LENGTH}})$`,
);

export interface KeyParts {
  readonly tenant: string;
  readonly id: string;
  /** 256 random bits, as letters and digits. */
  readonly secret: string;
}

export function formatKey({ tenant, id, secret }: KeyParts): string {
  const body = `${PREFIX}_${tenant}_${id}_${secret}`;
  return body + checksumOf(body);
}

/** Parses a tenant's key; null if the text is not a complete one. */
export function parseKey(text: string): KeyParts | null {
  const [, tenant = "", id = "", secret = "", checksum] = FORM.exec(text) ?? [];
  if (!TENANT_ID.test(tenant) || checksumOf(text.slice(0, -CHECKSUM_LENGTH)) !== checksum) return null;
  return { tenant, id, secret };
}

/** CRC-32 (IEEE 802.3) in letters and digits. It detects typing errors, not forgery. The text is ASCII. */
function checksumOf(text: string): string {
  let crc = 0xffffffff;
  for (let at = 0; at < text.length; at += 1) {
    crc ^= text.charCodeAt(at);
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : 0xedb88320);
  }
  let rest = (crc ^ 0xffffffff) >>> 0;
  let digits = "";
  while (digits.length < CHECKSUM_LENGTH) {
    digits = ALPHABET.charAt(rest % ALPHABET.length) + digits;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return digits;
}
