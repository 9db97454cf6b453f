/** Whether the keys that sockets were opened with are still good: asked seldom, and never by an append. */

import { withTimeout } from "../../lib/with-timeout.ts";
import type { Log } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import type { CheckKeys } from "../../tenant/key-check-client.ts";
import type { Attachment } from "./attachment.ts";

/** What was found out holds so long: a key that is revoked stops within a minute, as it does over HTTP. */
export const KEY_CHECKED_FOR_MS = 60_000;
/** After a check that nobody answered sockets go on for so long. Their hour ends them, whoever cannot be reached. */
const RETRY_MS = 10_000;
/** Events and frames of the sockets in question wait for no more than this. */
const PATIENCE_MS = 1_000;
/** As the authenticator names a tenant's key. A key of the deployment is none: it goes with a deploy, which closes every socket. */
const KEY_NAME = /^key:(.+)$/;

/** The key that a socket was opened with; null if it was none that can be revoked. */
export function keyOf({ by }: Pick<Attachment, "by">): string | null {
  return by?.kind === "tenant-key" ? (KEY_NAME.exec(by.id)?.[1] ?? null) : null;
}

/** Whether the socket's key has to be checked before it is told or served anything more. */
export function isCheckDue(attachment: Pick<Attachment, "by" | "keyCheckedAt">, now: number): boolean {
  return keyOf(attachment) !== null && now - attachment.keyCheckedAt >= KEY_CHECKED_FOR_MS;
}

export interface KeyVerdict {
  readonly isGood: (key: string) => boolean;
  /** What `keyCheckedAt` is from here on. */
  readonly checkedAt: number;
}

/** Asks the tenant's object. Never rejects: where nobody can tell, the keys that were good when they were shown go on. */
export async function checkKeys(
  check: CheckKeys,
  tenant: string,
  keys: readonly string[],
  log: Log,
): Promise<KeyVerdict> {
  const checkedAt = Date.now();
  try {
    const checked = withTimeout(check(tenant, keys), PATIENCE_MS, () => {
      throw new Error(`no answer within ${PATIENCE_MS} ms`);
    });
    const good = new Set(await checked);
    return { isGood: (key) => good.has(key), checkedAt };
  } catch (error) {
    log.warn("socket_keys_not_checked", { tenant, keys: keys.length, ...errorFields(error) });
    return { isGood: () => true, checkedAt: checkedAt - KEY_CHECKED_FOR_MS + RETRY_MS };
  }
}
