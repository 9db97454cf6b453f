import type { Principal } from "../../../src/api/principal.ts";
import type { RequestContext } from "../../../src/usecases/request-context.ts";

/** Has only the members that the code under test uses. Using any other member fails. */
export function standIn<T extends object>(part: object): T {
  return part as T;
}

/** What was thrown, as the outside sees it; null if nothing was thrown. */
export async function thrownBy(body: () => unknown): Promise<unknown> {
  try {
    await body();
    return null;
  } catch (error) {
    return error;
  }
}

export function callWith(parts: object, principal: Partial<Principal> = {}): RequestContext {
  const quiet = { record: () => undefined, refuse: () => undefined };
  const tenants = { read: async () => ({ rev: 0, settings: {}, summarization: "on", isOverBudget: false }) };
  return {
    principal: {
      kind: "tenant-key",
      id: "key:k",
      tenant: "acme",
      owner: "-",
      scopes: ["memory:read", "memory:write", "memory:erase"],
      ...principal,
    },
    requestId: "r",
    from: null,
    parts: standIn({ audit: quiet, tenants, meaningOf: null, ...parts }),
  };
}
