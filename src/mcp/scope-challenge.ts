import type { ScopeChallengeHandler } from "@modelcontextprotocol/server";
import { type RequestAction, scopesOf } from "../api/requests.ts";
import type { RequestContext } from "../usecases/request-context.ts";
import { refuseAhead } from "../usecases/use-case.ts";
import type { OnFault } from "./tool-server.ts";

/**
 * Turns away a token that lacks a scope, with the scopes that a client has to ask its user for: it does so by itself (MCP calls it step-up).
 * Whoever has a key is refused by the use case, in words, since there is nobody to ask.
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
    // Those that it has as well: a client asks for all of them anew.
    const others = [...scopes, ...scopesOf(actions)].filter((scope) => scope !== lacking);
    return { scopes: [lacking, ...new Set(others)], errorDescription: `This needs the scope ${lacking}` };
  };
}
