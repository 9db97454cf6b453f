import { createHmac } from "node:crypto";
import { areSameBytes } from "../lib/same-bytes.ts";

/** Signs data that goes through other hands, and reads it again: a text that is safe in a URL. */
export interface Signer<T> {
  sign(data: T): string;
  /** Null if the text was not signed for this purpose, or was changed. */
  read(signed: string): T | null;
}

/**
 * @param secret a secret of the deployment. Whoever has it can sign; changing it invalidates all that was signed
 * @param purpose gets a signing key of its own, derived from the secret, so that what was signed for one purpose is
 *   never accepted for another
 */
export function createSigner<T>(secret: string, purpose: string): Signer<T> {
  const key = createHmac("sha256", secret).update(purpose).digest();
  const signatureOf = (text: string): Buffer => createHmac("sha256", key).update(text).digest();
  return {
    sign(data) {
      const text = Buffer.from(JSON.stringify(data), "utf8").toString("base64url");
      return `${text}.${signatureOf(text).toString("base64url")}`;
    },
    read(signed) {
      const [text = "", signature = "", ...rest] = signed.split(".");
      const isOurs = rest.length === 0 && areSameBytes(Buffer.from(signature, "base64url"), signatureOf(text));
      return isOurs ? JSON.parse(Buffer.from(text, "base64url").toString("utf8")) : null;
    },
  };
}
