import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import type { TenantCopy } from "./copy-record.ts";

/** Separates this use of the secret from all others. */
const PURPOSE = "threadkeep tenant copy v1";
const CIPHER = "aes-256-gcm";
/** The lengths that this cipher is made for. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Enough to tell two secrets apart, and nothing of either. */
const FINGERPRINT_LENGTH = 16;

/**
 * Encrypts the copies of tenants. Who can read the store learns nothing, and who can write to it can neither forge a
 * key, nor pass off one tenant's copy as another's.
 */
export interface CopySeal {
  seal(tenant: string, copy: TenantCopy): Uint8Array;
  /** Null if it was not sealed with this secret for this tenant, or was changed. */
  open(tenant: string, sealed: Uint8Array): TenantCopy | null;
  /** Differs for another secret, with which a copy has to be sealed again. */
  readonly fingerprint: string;
}

/** @param secret a secret of the deployment */
export function createCopySeal(secret: string): CopySeal {
  const derive = (purpose: string): Buffer => createHmac("sha256", secret).update(purpose).digest();
  const key = derive(PURPOSE);

  return {
    fingerprint: derive(`${PURPOSE} fingerprint`).toString("base64url").slice(0, FINGERPRINT_LENGTH),
    seal(tenant, copy) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(tenant));
      const encrypted = Buffer.concat([cipher.update(textOf(copy), "utf8"), cipher.final()]);
      return new Uint8Array(Buffer.concat([nonce, cipher.getAuthTag(), encrypted]));
    },
    open(tenant, sealed) {
      const begin = NONCE_BYTES + TAG_BYTES;
      if (sealed.length < begin) return null;
      const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(tenant))
        .setAuthTag(sealed.subarray(NONCE_BYTES, begin));
      const text = decipher.update(sealed.subarray(begin));
      try {
        return copyOf(Buffer.concat([text, decipher.final()]).toString("utf8"));
      } catch {
        return null;
      }
    },
  };
}

/** JSON, with bytes in base64. */
function textOf(copy: TenantCopy): string {
  return JSON.stringify(copy, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
  );
}

function copyOf(text: string): TenantCopy {
  // It was sealed with our secret, so its fields are those that `textOf` wrote.
  const { keys, ...rest } = JSON.parse(text);
  if (keys === null) return { ...rest, keys };
  const live = keys.live.map(({ hash, ...key }: { hash: string }) => ({ ...key, hash: bytesOf(hash) }));
  return { ...rest, keys: { ...keys, hashKey: bytesOf(keys.hashKey), live } };
}

function bytesOf(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, "base64"));
}
