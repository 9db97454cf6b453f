/** Checks whether the keys that opened sockets are still valid. Checked once a minute, and never by an append. */

import { withTimeout } from "../../lib/with-timeout.ts";
import type { Log } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import type { CheckKeys } from "../../tenant/key-check-client.ts";
import type { Attachment } from "./attachment.ts";

/**
 * How long the result of a check is valid, in ms: a revoked key stops working within a minute, as it does over HTTP.
 * @internal Tests go up to it and past it.
 */
export const KEY_CHECKED_FOR_MS = 60_000;
/**
 * How long sockets continue after a check without an answer, in ms. Whatever cannot be reached, every socket ends after
 * an hour.
 */
const RETRY_MS = 10_000;
/** How long events and frames of these sockets wait for a check, in ms. */
const CHECK_TIMEOUT_MS = 1_000;
/**
 * The authenticator's name for a tenant's key. Keys that are set in the deployment have other names: they change only
 * with a deploy, which closes every socket.
 */
const KEY_NAME = /^key:(.+)$/;

/** The id of the key that opened the socket; null if it was no key that can be revoked. */
export function keyOf({ by }: Pick<Attachment, "by">): string | null {
  return by?.kind === "tenant-key" ? (KEY_NAME.exec(by.id)?.[1] ?? null) : null;
}

/** Whether the socket's key has to be checked before the socket is sent or served anything more. */
export function isCheckDue(attachment: Pick<Attachment, "by" | "keyCheckedAt">, now: number): boolean {
  return keyOf(attachment) !== null && now - attachment.keyCheckedAt >= KEY_CHECKED_FOR_MS;
}

/** The result of a check of keys. */
export interface KeyVerdict {
  readonly isGood: (key: string) => boolean;
  /** The new `keyCheckedAt` of the sockets. */
  readonly checkedAt: number;
}

/**
 * Asks the tenant's object which keys are valid. Never rejects: if the object does not answer, the keys count as valid
 * until the next check.
 */
export async function checkKeys(
  check: CheckKeys,
  tenant: string,
  keys: readonly string[],
  log: Log,
): Promise<KeyVerdict> {
  const checkedAt = Date.now();
  try {
    const checked = withTimeout(check(tenant, keys), CHECK_TIMEOUT_MS, () => {
      throw new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`);
    });
    const good = new Set(await checked);
    return { isGood: (key) => good.has(key), checkedAt };
  } catch (error) {
    log.warn("socket_keys_not_checked", { tenant, keys: keys.length, ...errorFields(error) });
    return { isGood: () => true, checkedAt: checkedAt - KEY_CHECKED_FOR_MS + RETRY_MS };
  }
}
