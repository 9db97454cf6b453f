import type { ScopeChallengeHandler } from "@modelcontextprotocol/server";
import { type RequestAction, scopesOf } from "../api/requests.ts";
import type { RequestContext } from "../usecases/request-context.ts";
import { refuseAhead } from "../usecases/use-case.ts";
import type { OnFault } from "./tool-server.ts";

/**
 * Refuses a token that lacks a scope and names the scopes that the client needs, so that the client can ask its user
 * for them (MCP calls this step-up authorization). A caller with a key is refused by the use case instead, because
 * nobody can grant a key more scopes.
 */
export function challengeFor(
  call: RequestContext,
  actions: readonly RequestAction[],
  onFault: OnFault,
): ScopeChallengeHandler {
  return () => {
    const { kind, scopes } = call.principal;
    if (kind !== "user") return undefined;
    const lacking = refuseAhead(call, actions);
    if (lacking === undefined) return undefined;
    onFault({ code: "forbidden", detail: `This needs the scope ${lacking}.` }, null);
    // The scopes that the token has already are included, because a client requests all scopes anew.
    const others = [...scopes, ...scopesOf(actions)].filter((scope) => scope !== lacking);
    return { scopes: [lacking, ...new Set(others)], errorDescription: `This needs the scope ${lacking}` };
  };
}
