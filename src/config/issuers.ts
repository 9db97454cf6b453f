/** The variable THREADKEEP_JWT_ISSUERS: the issuers whose user tokens are accepted, and the tenant of each. */

import { z } from "zod";
import { tenantIdSchema } from "../api/tenant.ts";
import { isSafeUrl } from "./variable-kinds.ts";

const NAME = "THREADKEEP_JWT_ISSUERS";
const EXAMPLE = `[{"issuer": "https://PROJECT.supabase.co/auth/v1", "tenant": "TENANT"}]`;
/**
 * Each isolate fetches and caches the keys of each issuer. A longer list would be a list of customers, for which a
 * variable is the wrong place.
 */
const MAX_ISSUERS = 100;

/** Keys from an unencrypted connection could have been replaced on the way. */
function isSafeAddress(text: string): boolean {
  return isSafeUrl(text) && new URL(text).hash === "";
}

const safeAddress = z.string({ error: "must be a string" }).refine(isSafeAddress, {
  error: "must be an https URL without a user name (http on this machine alone)",
});

const issuerSchema = z
  .strictObject({
    issuer: safeAddress,
    tenant: tenantIdSchema,
    audience: z.string({ error: "must be a string" }).min(1, { error: "must not be empty" }).default("authenticated"),
    jwksUrl: safeAddress.optional(),
    anonymousUsers: z.boolean({ error: "must be true or false" }).default(false),
    oauth: z.boolean({ error: "must be true or false" }).default(true),
  })
  .transform(({ jwksUrl, ...issuer }) => ({
    ...issuer,
    jwksUrl: jwksUrl ?? `${issuer.issuer.replace(/\/$/, "")}/.well-known/jwks.json`,
  }));

/** An issuer of user tokens, as configured. */
export type IssuerConfig = z.output<typeof issuerSchema>;

const issuersSchema = z
  .array(issuerSchema, { error: `must be a list such as ${EXAMPLE}` })
  .max(MAX_ISSUERS, { error: `must name at most ${MAX_ISSUERS} issuers` })
  .refine((issuers) => new Set(issuers.map(({ issuer }) => issuer)).size === issuers.length, {
    error: "names an issuer twice: its tokens can belong to one tenant only",
  });

/** Parses the variable; an empty text is an empty list. Each fault names its place in the list. */
export const issuersVariable = z
  .string({ error: `${NAME} must be text such as ${EXAMPLE}, or empty` })
  .transform((text, context): readonly IssuerConfig[] => {
    if (text.trim() === "") return [];
    const parsed = issuersSchema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    for (const { path, message } of parsed.error.issues) {
      context.addIssue({ code: "custom", message: `${NAME}${placeText(path)} ${message}` });
    }
    return [];
  });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The path of a fault as text, such as `[0].tenant`. */
function placeText(path: readonly PropertyKey[]): string {
  return path.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
}
