import { requireScope } from "../access/scopes.ts";
import { unwrap } from "../contracts/errors.ts";
import type { SearchRequest } from "../contracts/search.ts";
import { type Call, refOf } from "./call.ts";

/** The messages of one session that matter to a query: a `SearchResult`, written as JSON in the object, as a context is. */
export async function searchSessionJson(call: Call, sessionId: string, request: SearchRequest): Promise<string> {
  requireScope(call.principal, "memory:read");
  return unwrap(await call.parts.sessions.get(refOf(call, sessionId)).searchJson(request));
}
