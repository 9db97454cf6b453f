import { requireScope } from "../access/scopes.ts";
import { isUser, refuseForeignWords } from "../access/users-words.ts";
import type { AppendResult, IncomingAppend } from "../api/append.ts";
import type { ContextRequest } from "../api/context.ts";
import type { QueryMeaning } from "../api/embedding.ts";
import { ThreadkeepError, unwrap } from "../api/errors.ts";
import { MAX_IDEMPOTENCY_KEY_LENGTH } from "../api/limits.ts";
import { refuseOversize } from "../api/message-size.ts";
import type { Erasure, Message, MessagePatch, NewMessage } from "../api/message.ts";
import type { Page } from "../api/page.ts";
import { faultOf } from "../api/problem.ts";
import type { TenantSettings } from "../api/tenant.ts";
import { idText } from "../api/text.ts";
import { contentsOf, takeIn } from "../prompt/incoming.ts";
import { meaningOfAppended, meaningOfQuery } from "./asked-meaning.ts";
import { type RequestContext, refOf, tenantOf, usersMayOf } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/**
 * Appends messages and creates the session if it does not exist. This is the most frequent request, so it calls only
 * the session's object, and that calls others only for a session that does not exist yet.
 * @param idempotencyKey gives ids to messages without one, so that a repeated request changes nothing
 */
export const appendMessages = useCase(
  { action: "appendMessages" },
  async (
    call: RequestContext,
    sessionId: string,
    incoming: IncomingAppend,
    idempotencyKey?: string,
  ): Promise<AppendResult> => {
    if (incoming.context !== undefined) requireScope(call.principal, "memory:read");
    const ref = refOf(call, sessionId);
    const { request, placed } = takeIn(incoming);
    refuseOversize(contentsOf(placed));
    const messages = idempotencyKey === undefined ? request.messages : keyed(request.messages, idempotencyKey);
    // While the messages are stored, the vector of the query is requested. An append never waits for a model.
    const { context } = request;
    const query = call.parts.meaningOf === null ? undefined : context?.query;
    const meaning = typeof query === "string" ? meaningOfAppended(call, query, messages) : undefined;
    const append = { ...request, messages };
    if (meaning !== undefined) delete append.context;
    const tenant = await tenantOf(call);
    if (isUser(call.principal)) refuseForeignWords(placed, tenant?.usersMay?.write);
    const { kind, id } = call.principal;
    const by = { kind, id, isUser: isUser(call.principal) };
    const creation = { ref, createdAt: Date.now() };
    const result = unwrap(await call.parts.sessions.get(ref).append(append, creation, tenant, by, call.trace));
    return meaning === undefined || context === undefined
      ? result
      : { ...result, ...(await contextOf(call, sessionId, context, tenant, meaning)) };
  },
);

/**
 * The context that was requested with an append, read after it. If it fails, the messages stay stored and the answer
 * has `contextError`.
 */
async function contextOf(
  call: RequestContext,
  sessionId: string,
  request: ContextRequest,
  tenant: TenantSettings | undefined,
  known: Promise<QueryMeaning | undefined>,
): Promise<Pick<AppendResult, "context" | "contextError">> {
  try {
    const meaning = (await known) ?? (await meaningOfQuery(call, sessionId, request.query));
    const outcome = await call.parts.sessions.get(refOf(call, sessionId)).context(request, tenant, meaning);
    if (outcome.ok) return { context: outcome.value };
    const { code, detail } = outcome.fault;
    return { contextError: { code, detail } };
  } catch (error) {
    const { code, detail } = faultOf(error);
    return { contextError: { code, detail } };
  }
}

function keyed(messages: readonly NewMessage[], idempotencyKey: string): NewMessage[] {
  const parsed = idText.max(MAX_IDEMPOTENCY_KEY_LENGTH).safeParse(idempotencyKey);
  if (!parsed.success) {
    throw new ThreadkeepError({
      code: "validation_failed",
      detail: "The Idempotency-Key is not valid.",
      errors: [{ path: "Idempotency-Key", detail: parsed.error.issues[0]?.message ?? "is not valid" }],
    });
  }
  return messages.map((message, index) =>
    message.id === undefined ? { ...message, id: `${parsed.data}:${index}` } : message,
  );
}

/** Changes the content, metadata or `pinned` of a message. */
export const editMessage = useCase(
  { action: "editMessage", tell: ({ seq }) => ({ details: { seq } }) },
  async (call: RequestContext, sessionId: string, messageId: string, patch: MessagePatch): Promise<Message> => {
    const ref = refOf(call, sessionId);
    if (patch.content !== undefined) refuseOversize([{ path: "/content", content: patch.content }]);
    const [tenant, usersMay] = [await tenantOf(call), await usersMayOf(call)];
    return unwrap(await call.parts.sessions.get(ref).editMessage(messageId, patch, call.trace, usersMay, tenant));
  },
);

/** Erases a message. Its seq remains, without content. */
export const eraseMessage = useCase(
  {
    action: "eraseMessage",
    tell: ({ seq }) => (seq === undefined ? {} : { details: { seq } }),
  },
  async (call: RequestContext, sessionId: string, messageId: string): Promise<Erasure> => {
    return unwrap(
      await call.parts.sessions.get(refOf(call, sessionId)).eraseMessage(messageId, call.trace, isUser(call.principal)),
    );
  },
);

export interface MessageListQuery {
  readonly afterSeq?: number | undefined;
  readonly beforeSeq?: number | undefined;
  /** Only messages of the active branch. */
  readonly branch?: "active" | undefined;
  readonly limit: number;
}

/** A page of the log, oldest first. */
export const listMessages = useCase(
  { action: "listMessages" },
  async (call: RequestContext, sessionId: string, query: MessageListQuery): Promise<Page<Message>> => {
    return unwrap(await call.parts.sessions.get(refOf(call, sessionId)).messages(query));
  },
);

export const readMessage = useCase(
  { action: "readMessage" },
  async (call: RequestContext, sessionId: string, messageId: string): Promise<Message> => {
    return unwrap(await call.parts.sessions.get(refOf(call, sessionId)).message(messageId));
  },
);
