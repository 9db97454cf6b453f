import { z } from "zod";
import { MAX_KEY_GRACE_SECONDS, MAX_KEY_NAME_LENGTH } from "./limits.ts";
import { scopeSchema } from "./principal.ts";
import { isoTime, safeText } from "./text.ts";

/** What a tenant's key may be good for. `admin` is the deployment's own secret alone. */
export const keyScopeSchema = scopeSchema.exclude(["admin"]);
export type KeyScope = z.infer<typeof keyScopeSchema>;

/** Letters and digits of an id: unique in its tenant, and no secret. */
export const KEY_ID_LENGTH = 12;
export const keyIdSchema = z.string().regex(new RegExp(`^[0-9A-Za-z]{${KEY_ID_LENGTH}}$`), {
  error: `must be ${KEY_ID_LENGTH} letters and digits, as the list of keys gives it`,
});

const DEFAULT_SCOPES: readonly KeyScope[] = ["memory:read", "memory:write", "memory:erase"];

export const newKeySchema = z
  .strictObject({
    name: safeText
      .min(1)
      .max(MAX_KEY_NAME_LENGTH)
      .regex(/^\P{Cc}*$/u, { error: "must not contain control characters" })
      .describe("What it is for, such as `production back end`"),
    scopes: z
      .array(keyScopeSchema)
      .min(1)
      .refine((scopes) => new Set(scopes).size === scopes.length, { error: "must name each scope once" })
      .default([...DEFAULT_SCOPES])
      .describe("What it may do, within its tenant"),
    expiresAt: isoTime.nullable().default(null).describe("When it stops, in the future; null: never"),
  })
  .meta({ id: "NewKey" });
export type NewKey = z.output<typeof newKeySchema>;

/** Two keys serve at once until everybody has changed over. */
const DEFAULT_GRACE_SECONDS = 86_400;

export const keyRotationSchema = z
  .strictObject({
    graceSeconds: z
      .int()
      .min(0)
      .max(MAX_KEY_GRACE_SECONDS)
      .default(DEFAULT_GRACE_SECONDS)
      .describe("So long the old key goes on beside the new one, unless it expires earlier"),
  })
  .meta({ id: "KeyRotation" });
export type KeyRotation = z.output<typeof keyRotationSchema>;

/** A key as an operator reads it: all but the key. */
export const keyStateSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(keyScopeSchema),
    status: z.enum(["live", "expired", "revoked"]),
    createdAt: z.string(),
    expiresAt: z.string().nullable(),
    lastUsedAt: z.string().nullable().describe("To within ten minutes; null if never"),
    revokedAt: z.string().nullable(),
    rotatedTo: z.string().nullable().describe("The id of the key that takes its place"),
  })
  .meta({ id: "Key" });
export type KeyState = z.infer<typeof keyStateSchema>;

export const createdKeySchema = keyStateSchema
  .extend({ key: z.string().describe("The key itself. It is shown this once, and kept nowhere") })
  .meta({ id: "CreatedKey" });
export type CreatedKey = z.infer<typeof createdKeySchema>;
