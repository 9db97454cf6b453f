import { z } from "zod";
import { ThreadkeepError } from "../api/errors.ts";
import type { Principal } from "../api/principal.ts";
import { TENANT_OWNER, userIdSchema } from "../api/session.ts";
import { tenantIdSchema } from "../api/tenant.ts";

/**
 * The `props` of a service binding. They are set in the configuration of the calling Worker, whose code cannot change
 * them.
 * @internal The service itself needs it only as a part of other schemas, or for its type; tests compare it with what clients and documents have.
 */
export const bindingPropsSchema = z.strictObject({
  tenant: tenantIdSchema,
  owner: userIdSchema
    .optional()
    .describe("The only user for whom the binding acts; if left out, any user of the tenant"),
  scopes: z.array(z.enum(["memory:read", "memory:write", "memory:erase"])).min(1),
});

const callerSchema = z.strictObject({ user: userIdSchema.optional(), strictText: z.boolean().optional() });

/**
 * Identifies the caller. The tenant, and the user if the binding has one, come from the binding. With a binding without
 * a user, each call may name one, as the header Threadkeep-User does.
 * @throws {ThreadkeepError} `unauthenticated` if the props are not valid; `forbidden` if the call names another user
 * than the binding
 */
export function principalOf(props: unknown, caller: unknown): Principal {
  const binding = bindingPropsSchema.safeParse(props);
  if (!binding.success) {
    const issue = binding.error.issues[0];
    const path = issue === undefined || issue.path.length === 0 ? "" : `.${issue.path.join(".")}`;
    throw new ThreadkeepError({
      code: "unauthenticated",
      detail: `The service binding has no valid props: props${path} ${issue?.message ?? "is missing"}. In the calling Worker's configuration give it { tenant, scopes } and, if it acts for one user, owner.`,
    });
  }
  const { tenant, owner, scopes } = binding.data;
  const named = callerSchema.safeParse(caller ?? {});
  if (!named.success) {
    const detail = named.error.issues[0]?.message ?? "is not valid";
    throw new ThreadkeepError({
      code: "validation_failed",
      detail: `The caller must be { user, strictText }, user a user's id and strictText true or false: it ${detail}.`,
      errors: [{ path: named.error.issues[0]?.path.join(".") || "user", detail }],
    });
  }
  const { user } = named.data;
  if (owner !== undefined && user !== undefined && user !== owner) {
    throw new ThreadkeepError({
      code: "forbidden",
      detail: "This binding acts for one user, and the call names another. Leave the user out.",
    });
  }
  const principal = {
    kind: "tenant-key" as const,
    id: "binding",
    tenant,
    owner: owner ?? user ?? TENANT_OWNER,
    scopes,
  };
  return principal;
}
