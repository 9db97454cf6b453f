import { createHmac } from "node:crypto";
import type { AlertNotice } from "../api/alert.ts";

export interface Webhook {
  readonly url: string;
  /** What each notice is signed with. */
  readonly secret: string;
}

/** A webhook that takes longer counts as away. */
const TIMEOUT_MS = 5_000;
export const SIGNATURE_HEADER = "Threadkeep-Signature";
export const NOTICE_HEADER = "Threadkeep-Notice";

/**
 * `t=SECONDS,v1=HEX`: an HMAC-SHA-256 over the seconds since 1970, a full stop and the body as it was sent. Whoever checks it refuses
 * a `t` that is older than some minutes, so that nobody can send a notice again.
 * @param now ms since 1970
 */
export function signBody(body: string, secret: string, now: number): string {
  const seconds = Math.floor(now / 1000);
  const hash = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
  return `t=${seconds},v1=${hash}`;
}

/** - `taken`: answered with 2xx; - `refused`: with another status; - `away`: not answered in time, or not at all */
export type Posted = { readonly outcome: "taken" | "away" } | { readonly outcome: "refused"; readonly status: number };

/** Sends one notice, once. A redirect is a refusal: it would lead what is signed for one receiver to another. */
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
    // Why it is away may name the address, which is a secret of whoever receives.
    return { outcome: "away" };
  }
  await response.body?.cancel();
  return response.ok ? { outcome: "taken" } : { outcome: "refused", status: response.status };
}
