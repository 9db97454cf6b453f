/** The variables of the alert webhook: THREADKEEP_ALERT_WEBHOOK, its secret and the digest. */

import { z } from "zod";
import { isSafeUrl } from "./variable-kinds.ts";

/** Shorter secrets can be guessed. */
const MIN_SECRET_LENGTH = 20;

export const alertWebhookVariable = z
  .string({ error: "THREADKEEP_ALERT_WEBHOOK must be text" })
  .refine((text) => text === "" || isSafeUrl(text), {
    error:
      'THREADKEEP_ALERT_WEBHOOK must be an https URL without a user name, http on loopback alone, or empty: set it with "wrangler secret put THREADKEEP_ALERT_WEBHOOK"',
  });

export const alertSecretVariable = z
  .string({ error: "THREADKEEP_ALERT_SECRET must be text" })
  .refine((text) => text === "" || text.length >= MIN_SECRET_LENGTH, {
    error: `THREADKEEP_ALERT_SECRET is too short: set ${MIN_SECRET_LENGTH} random characters or more with "wrangler secret put THREADKEEP_ALERT_SECRET"`,
  });

export const alertDigestVariable = z.enum(["on", "off"], {
  error: 'THREADKEEP_ALERT_DIGEST must be "on" or "off", or left out, which is on',
});

/** The faults of the variables in combination. */
export function alertFaults({
  THREADKEEP_ALERT_WEBHOOK: webhook = "",
  THREADKEEP_ALERT_SECRET: secret = "",
}: Readonly<Record<string, unknown>>): string[] {
  if (webhook === "" || secret !== "") return [];
  return [
    'THREADKEEP_ALERT_WEBHOOK is set, but THREADKEEP_ALERT_SECRET is missing, which its notices are signed with: set it with "wrangler secret put THREADKEEP_ALERT_SECRET"',
  ];
}

export interface AlertConfig {
  /** Null: alerts are sent to nobody. */
  readonly webhook: { readonly url: string; readonly secret: string } | null;
  /** Whether a digest is sent each hour. */
  readonly hasDigest: boolean;
}
