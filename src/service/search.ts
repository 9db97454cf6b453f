import { requireScope } from "../access/scopes.ts";
import { unwrap } from "../contracts/errors.ts";
import type { SearchRequest, SearchResult } from "../contracts/search.ts";
import { type Call, refOf } from "./call.ts";

/** The messages of one session that matter to a query. */
export async function searchSession(call: Call, sessionId: string, request: SearchRequest): Promise<SearchResult> {
  requireScope(call.principal, "memory:read");
  return unwrap(await call.parts.sessions.get(refOf(call, sessionId)).search(request));
}
