import type { ContextRequest } from "../api/context.ts";
import type { QueryMeaning } from "../api/embedding.ts";
import type { NewMessage } from "../api/message.ts";
import { messageText } from "../prompt/message-text.ts";
import { type RequestContext, refOf } from "./request-context.ts";

/** Asks the newest message of a user. */
const AUTO = "auto";

/** What a text means that older messages are looked for by; undefined where embeddings are off, or nobody asks anything. */
export async function meaningOfText(call: RequestContext, text: string): Promise<QueryMeaning | undefined> {
  const { meaningOf } = call.parts;
  return meaningOf === null || text.trim() === "" ? undefined : meaningOf(call.principal.tenant, text);
}

/** The same of the query of a context; which message `auto` asks is known to the session alone. */
export async function meaningOfQuery(
  call: RequestContext,
  sessionId: string,
  query: ContextRequest["query"],
): Promise<QueryMeaning | undefined> {
  if (call.parts.meaningOf === null || query === undefined || query === null) return undefined;
  if (query !== AUTO) return meaningOfText(call, query);
  const newest = await call.parts.sessions.get(refOf(call, sessionId)).newestQuestion();
  // What is wrong with the session, its context tells.
  return newest.ok && newest.value !== null ? meaningOfText(call, newest.value) : undefined;
}

/** The same for the context that an append asks for: what `auto` asks is most often among what is appended. Undefined where it is not. */
export async function meaningOfAppended(
  call: RequestContext,
  query: string,
  messages: readonly NewMessage[],
): Promise<QueryMeaning | undefined> {
  if (query !== AUTO) return meaningOfText(call, query);
  const newest = messages.findLast(({ role }) => role === "user");
  return newest === undefined ? undefined : meaningOfText(call, messageText(newest.content));
}
