import { z } from "zod";
import { MAX_KEY_GRACE_SECONDS, MAX_KEY_NAME_LENGTH } from "./limits.ts";
import { scopeSchema } from "./principal.ts";
import { isoTime, safeText } from "./text.ts";

/**
 * The scopes that a tenant's key can have. `admin` is not among them: only the deployment's own admin secret has it.
 */
const keyScopeSchema = scopeSchema.exclude(["admin"]);
export type KeyScope = z.infer<typeof keyScopeSchema>;

/** Number of letters and digits of a key's id. The id is unique in its tenant, and it is not secret. */
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
      .describe("What the key is used for, such as `production back end`"),
    scopes: z
      .array(keyScopeSchema)
      .min(1)
      .refine((scopes) => new Set(scopes).size === scopes.length, { error: "must name each scope once" })
      .default([...DEFAULT_SCOPES])
      .describe("What the key may do within its tenant"),
    expiresAt: isoTime
      .nullable()
      .default(null)
      .describe("When the key stops working; must be in the future. null: never"),
  })
  .meta({ id: "NewKey" });
export type NewKey = z.output<typeof newKeySchema>;

/** By default the old key works for one more day, so that every caller has time to change to the new one. */
const DEFAULT_GRACE_SECONDS = 86_400;

export const keyRotationSchema = z
  .strictObject({
    graceSeconds: z
      .int()
      .min(0)
      .max(MAX_KEY_GRACE_SECONDS)
      .default(DEFAULT_GRACE_SECONDS)
      .describe("How many seconds the old key continues to work beside the new one, unless it expires earlier"),
  })
  .meta({ id: "KeyRotation" });
export type KeyRotation = z.output<typeof keyRotationSchema>;

/** A key as an operator reads it: everything but the secret itself. */
export const keyStateSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(keyScopeSchema),
    status: z.enum(["live", "expired", "revoked"]),
    createdAt: z.string(),
    expiresAt: z.string().nullable(),
    lastUsedAt: z.string().nullable().describe("When the key was last used, accurate to ten minutes; null if never"),
    revokedAt: z.string().nullable(),
    rotatedTo: z.string().nullable().describe("The id of the key that replaces this one"),
  })
  .meta({ id: "Key" });
export type KeyState = z.infer<typeof keyStateSchema>;

export const revokedKeySchema = keyStateSchema
  .extend({
    copied: z
      .boolean()
      .describe(
        "Whether the copy of the tenant, which serves while the tenant's object is unavailable, says so too. `false`: it could not be written yet, and is written as soon as possible. The key stops all the same, unless the object becomes unavailable before that; send the request again to see",
      ),
  })
  .meta({ id: "RevokedKey" });
export type RevokedKey = z.infer<typeof revokedKeySchema>;

export const createdKeySchema = keyStateSchema
  .extend({
    key: z.string().describe("The key itself. It is shown only in this answer and is not stored: save it now"),
  })
  .meta({ id: "CreatedKey" });
export type CreatedKey = z.infer<typeof createdKeySchema>;
