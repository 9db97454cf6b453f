/** Parameters as they arrive in a URL or a header: text, to be read as what it stands for. */

import { z } from "zod";
import { keyIdSchema } from "../api/api-key.ts";
import { jobIdSchema } from "../api/failed-job.ts";
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MAX_IDEMPOTENCY_KEY_LENGTH } from "../api/limits.ts";
import { sessionIdSchema, userIdSchema } from "../api/session.ts";
import { tenantIdSchema } from "../api/tenant.ts";
import { idText, safeText } from "../api/text.ts";

/** More digits than any number here has, and few enough to stay exact. */
const MAX_INTEGER_DIGITS = 15;
/** A cursor is ours, and short. */
const MAX_CURSOR_LENGTH = 1024;

/** A whole number in decimal digits; `0x10`, `1e3` and the empty text are none. */
export function integerParameter<T extends z.ZodType<unknown, number>>(schema: T) {
  return z
    .string()
    .regex(new RegExp(`^-?\\d{1,${MAX_INTEGER_DIGITS}}$`), { error: "must be a whole number" })
    .transform(Number)
    .pipe(schema);
}

export const limitParameter = integerParameter(z.int().min(1).max(MAX_PAGE_SIZE))
  .default(DEFAULT_PAGE_SIZE)
  .describe("Entries in one page");

export const cursorParameter = safeText
  .min(1)
  .max(MAX_CURSOR_LENGTH)
  .optional()
  .describe("The nextCursor of the page before, as it was given");

export const sessionParams = z.strictObject({
  sessionId: sessionIdSchema.describe("The session's id"),
});
export const messageParams = sessionParams.extend({
  messageId: idText.describe("The message's id"),
});
export const summaryParams = sessionParams.extend({
  version: integerParameter(z.int().min(1)).describe("The summary's version"),
});
export const userParams = z.strictObject({
  userId: userIdSchema.describe("The user's id, as Threadkeep-User or a token names it"),
});
export const tenantParams = z.strictObject({
  tenant: tenantIdSchema.describe("The tenant's name, as THREADKEEP_API_TENANT has it"),
});
export const keyParams = tenantParams.extend({
  keyId: keyIdSchema.describe("The key's id"),
});

export const jobParams = z.strictObject({ jobId: jobIdSchema });

/** Whether a request's content is to be refused where it would be mended. */
export const STRICT_HEADER = "Threadkeep-Strict-Text";

export const strictHeaders = z.object({
  [STRICT_HEADER]: z
    .enum(["true", "false"], { error: "must be true or false" })
    .optional()
    .describe(
      "`true`: refuse content that no store keeps as it is (`validation_failed`), in the place of mending it and telling so in `mended`",
    ),
});

export function isStrict(headers: z.infer<typeof strictHeaders>): boolean {
  return headers[STRICT_HEADER] === "true";
}

export const appendHeaders = strictHeaders.extend({
  "Idempotency-Key": idText
    .max(MAX_IDEMPOTENCY_KEY_LENGTH, { error: `must have at most ${MAX_IDEMPOTENCY_KEY_LENGTH} characters` })
    .optional()
    .describe(
      "Makes a repeated request harmless: messages without an id take theirs from this key. Kept for 24 hours.",
    ),
});
