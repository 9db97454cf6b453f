import { createHmac } from "node:crypto";
import type { AlertNotice } from "../api/alert.ts";

export interface Webhook {
  readonly url: string;
  /** The key with which each notice is signed. */
  readonly secret: string;
}

/** A webhook that takes longer counts as unavailable. */
const TIMEOUT_MS = 5_000;
export const SIGNATURE_HEADER = "Threadkeep-Signature";
export const NOTICE_HEADER = "Threadkeep-Notice";

/**
 * The signature header, `t=SECONDS,v1=HEX`: an HMAC-SHA-256 over the seconds since 1970, a full stop, and the body as
 * sent. The receiver must refuse a `t` that is more than a few minutes old, so that nobody can replay a notice.
 * @param now ms since 1970
 * @internal A test checks the receiver in the documents with it.
 */
export function signBody(body: string, secret: string, now: number): string {
  const seconds = Math.floor(now / 1000);
  const hash = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
  return `t=${seconds},v1=${hash}`;
}

/**
 * - `taken`: answered with 2xx
 * - `refused`: answered with another status
 * - `away`: not answered in time, or not at all
 */
export type Posted = { readonly outcome: "taken" | "away" } | { readonly outcome: "refused"; readonly status: number };

/**
 * Sends a notice once. A redirect counts as a refusal, because it would lead what is signed for one receiver to
 * another.
 */
export async function postNotice({ url, secret }: Webhook, notice: AlertNotice, now: number): Promise<Posted> {
  const body = JSON.stringify(notice);
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      redirect: "manual",
      headers: {
        "Content-Type": "application/json",
        "User-Agent": "threadkeep",
        [NOTICE_HEADER]: notice.id,
        [SIGNATURE_HEADER]: signBody(body, secret, now),
      },
      body,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    // The error is dropped, because its message may contain the address, which is a secret of the receiver.
    return { outcome: "away" };
  }
  await response.body?.cancel();
  return response.ok ? { outcome: "taken" } : { outcome: "refused", status: response.status };
}
