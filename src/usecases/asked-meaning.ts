import { pacedAs } from "../access/pace.ts";
import type { ContextRequest } from "../api/context.ts";
import type { QueryMeaning } from "../api/embedding.ts";
import type { NewMessage } from "../api/message.ts";
import { messageText } from "../prompt/message-text.ts";
import { type RequestContext, refOf } from "./request-context.ts";

/** The query that stands for the newest message of a user. */
const AUTO = "auto";

/** The vector of a text to search for; undefined if embeddings are off or the text is empty. */
export async function meaningOfText(call: RequestContext, text: string): Promise<QueryMeaning | undefined> {
  const { meaningOf } = call.parts;
  if (meaningOf === null || text.trim() === "") return undefined;
  return meaningOf(call.principal.tenant, text, pacedAs(call.principal));
}

/** The vector of a context's query. Only the session knows which message `auto` refers to, so it is asked first. */
export async function meaningOfQuery(
  call: RequestContext,
  sessionId: string,
  query: ContextRequest["query"],
): Promise<QueryMeaning | undefined> {
  if (call.parts.meaningOf === null || query === undefined || query === null) return undefined;
  if (query !== AUTO) return meaningOfText(call, query);
  const newest = await call.parts.sessions.get(refOf(call, sessionId)).newestQuestion();
  // If the session cannot be read, the request for its context reports why.
  return newest.ok && newest.value !== null ? meaningOfText(call, newest.value) : undefined;
}

/**
 * The vector of the query of a context that is requested with an append. `auto` then refers to the newest user message
 * of the batch; undefined if the batch has none.
 */
export async function meaningOfAppended(
  call: RequestContext,
  query: string,
  messages: readonly NewMessage[],
): Promise<QueryMeaning | undefined> {
  if (query !== AUTO) return meaningOfText(call, query);
  const newest = messages.findLast(({ role }) => role === "user");
  return newest === undefined ? undefined : meaningOfText(call, messageText(newest.content));
}
