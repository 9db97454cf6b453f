import { ThreadkeepError } from "../api/errors.ts";
import type { Principal, Scope } from "../api/principal.ts";

/** @throws {ThreadkeepError} `forbidden` if the principal lacks the scope */
export function requireScope(principal: Pick<Principal, "scopes">, scope: Scope): void {
  if (principal.scopes.includes(scope)) return;
  throw new ThreadkeepError({
    code: "forbidden",
    detail: `This needs the scope ${scope}. Use a key that has it.`,
  });
}
