/** Schemas of parameters. In a URL or a header they arrive as text. */

import { z } from "zod";
import { keyIdSchema } from "../api/api-key.ts";
import { jobIdSchema } from "../api/failed-job.ts";
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MAX_IDEMPOTENCY_KEY_LENGTH } from "../api/limits.ts";
import { sessionIdSchema, userIdSchema } from "../api/session.ts";
import { tenantIdSchema } from "../api/tenant.ts";
import { idText, safeText } from "../api/text.ts";

/** More digits than any number here has, and few enough to be exact in a JavaScript number. */
const MAX_INTEGER_DIGITS = 15;
/** Characters of a cursor. Our own are shorter. */
const MAX_CURSOR_LENGTH = 1024;

/** The schema of a whole number in decimal digits. `0x10`, `1e3` and the empty text are not accepted. */
export function integerParameter<T extends z.ZodType<unknown, number>>(schema: T) {
  return z
    .string()
    .regex(new RegExp(`^-?\\d{1,${MAX_INTEGER_DIGITS}}$`), { error: "must be a whole number" })
    .transform(Number)
    .pipe(schema);
}

export const limitParameter = integerParameter(z.int().min(1).max(MAX_PAGE_SIZE))
  .default(DEFAULT_PAGE_SIZE)
  .describe("Entries on one page");

const plainCursor = safeText.min(1).max(MAX_CURSOR_LENGTH).optional();

export const cursorParameter = plainCursor.describe("nextCursor of the previous page, unchanged");

export const exportQuery = z.strictObject({
  limit: integerParameter(z.int().min(1).max(MAX_PAGE_SIZE))
    .default(MAX_PAGE_SIZE)
    .describe("Sessions on one page, at most. A page of 32 MiB ends earlier"),
  cursor: plainCursor.describe("The cursor of the line `user-next` that ended the previous page, unchanged"),
});

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
  userId: userIdSchema.describe("The user's id, as in Threadkeep-User or in the user's token"),
});
export const tenantParams = z.strictObject({
  tenant: tenantIdSchema.describe("The tenant's name, as in THREADKEEP_API_TENANT"),
});
export const keyParams = tenantParams.extend({
  keyId: keyIdSchema.describe("The key's id"),
});

export const jobParams = z.strictObject({ jobId: jobIdSchema });

/**
 * The header with which a request asks that content which cannot be stored unchanged is refused instead of changed.
 */
const STRICT_HEADER = "Threadkeep-Strict-Text";

export const strictHeaders = z.object({
  [STRICT_HEADER]: z
    .enum(["true", "false"], { error: "must be true or false" })
    .optional()
    .describe(
      "`true`: refuse content that cannot be stored unchanged, with `validation_failed`. By default it is changed, and `mended` lists where",
    ),
});

export function isStrict(headers: z.infer<typeof strictHeaders>): boolean {
  return headers[STRICT_HEADER] === "true";
}

export const appendHeaders = strictHeaders.extend({
  "Idempotency-Key": idText
    .max(MAX_IDEMPOTENCY_KEY_LENGTH, { error: `must have at most ${MAX_IDEMPOTENCY_KEY_LENGTH} characters` })
    .optional()
    .describe("Makes a repeated request harmless: messages without an id get one that is made from this key"),
});
