import { unwrap } from "../api/errors.ts";
import type { SearchRequest } from "../api/search.ts";
import { meaningOfText } from "./asked-meaning.ts";
import { type RequestContext, refOf } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/**
 * Searches the messages of one session. The session's object returns the `SearchResult` as JSON, as it does with a
 * context.
 */
export const searchSessionJson = useCase(
  { action: "searchSession" },
  async (call: RequestContext, sessionId: string, request: SearchRequest): Promise<string> => {
    const ref = refOf(call, sessionId);
    const meaning = await meaningOfText(call, request.query);
    return unwrap(await call.parts.sessions.get(ref).searchJson(request, meaning));
  },
);
