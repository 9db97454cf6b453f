import { ThreadkeepError } from "../api/errors.ts";
import { TENANT_OWNER, userIdSchema } from "../api/session.ts";
import type { UserErasure } from "../api/user.ts";
import type { RequestContext } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/** Erases a user everywhere, in the background. If it is repeated, it returns the progress. */
export const eraseUser = useCase(
  { action: "eraseUser", isSessionless: true },
  async (call: RequestContext, userId: string): Promise<UserErasure> => {
    const owner = parseUserId(userId);
    if (!mayActFor(call, owner)) {
      throw new ThreadkeepError({
        code: "user_not_found",
        detail:
          "With a user's token, or with the header Threadkeep-User, only that user can be erased. Name that user, or use a key of the tenant without Threadkeep-User.",
      });
    }
    return call.parts.users.erase({ tenant: call.principal.tenant, owner }, call.trace);
  },
);

export const readUserErasure = useCase(
  { action: "readUserErasure", isSessionless: true },
  async (call: RequestContext, userId: string): Promise<UserErasure> => {
    const owner = parseUserId(userId);
    const { tenant } = call.principal;
    const erasure = mayActFor(call, owner) ? await call.parts.users.readErasure({ tenant, owner }) : null;
    if (erasure !== null) return erasure;
    throw new ThreadkeepError({
      code: "erasure_not_found",
      detail:
        "No erasure of this user was requested, or it was completed more than four days ago. Request one with DELETE on the user.",
    });
  },
);

/**
 * A caller that acts for the tenant itself may act for any of its users; a caller that acts for a user, only for that
 * one.
 */
export function mayActFor({ principal }: RequestContext, owner: string): boolean {
  return principal.owner === TENANT_OWNER || principal.owner === owner;
}

export function parseUserId(userId: string): string {
  const parsed = userIdSchema.safeParse(userId);
  if (parsed.success) return parsed.data;
  const detail = parsed.error.issues[0]?.message ?? "is not valid";
  throw new ThreadkeepError({
    code: "validation_failed",
    detail: "The user id is not valid.",
    errors: [{ path: "userId", detail }],
  });
}
