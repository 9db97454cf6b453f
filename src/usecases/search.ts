import { unwrap } from "../api/errors.ts";
import type { SearchRequest } from "../api/search.ts";
import { meaningOfText } from "./asked-meaning.ts";
import { type RequestContext, refOf } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/** The messages of one session that matter to a query: a `SearchResult`, written as JSON in the object, as a context is. */
export const searchSessionJson = useCase(
  { action: "searchSession" },
  async (call: RequestContext, sessionId: string, request: SearchRequest): Promise<string> => {
    const ref = refOf(call, sessionId);
    const meaning = await meaningOfText(call, request.query);
    return unwrap(await call.parts.sessions.get(ref).searchJson(request, meaning));
  },
);
