import type { Principal } from "../../../src/api/principal.ts";
import type { RequestContext } from "../../../src/usecases/request-context.ts";

/** Has of what it stands in for what the code under test uses, and nothing else: whatever more is asked of it fails. */
export function standIn<T extends object>(part: object): T {
  return part as T;
}

/** What is thrown, as far as the outside is told of it; null if nothing is. */
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
