import { z } from "zod";
import { appendRequestSchema, appendResultSchema } from "../../api/append.ts";
import { mendedPaths, tellMended } from "../../api/faults.ts";
import { editedMessageSchema, erasureSchema, messagePatchSchema, messageSchema, seqSchema } from "../../api/message.ts";
import { pageSchema } from "../../api/page.ts";
import { appendMessages, editMessage, eraseMessage, listMessages, readMessage } from "../../usecases/messages.ts";
import {
  appendHeaders,
  integerParameter,
  isStrict,
  limitParameter,
  messageParams,
  sessionParams,
  strictHeaders,
} from "../parameters.ts";
import { RATE_LIMIT_FIELDS, rateLimitFields } from "../rate-limit-fields.ts";
import { defineRoute } from "../route.ts";

const append = defineRoute({
  method: "post",
  path: "/v1/sessions/{sessionId}/messages",
  operationId: "appendMessages",
  tag: "Messages",
  summary: "Append 1 to 100 messages",
  description:
    "Creates the session if need be. The batch is atomic, and each message gets the next `seq`. A message whose `id` is there already is stored once and answered with its `seq` and `created: false`; the same `id` with other content is refused. A message follows the head of the active branch, or the one before it in the batch, unless it names another with `afterSeq`: what stood behind that is then off the branch (`PUT …/branch` goes back to it), and the same `id` after another message is refused as well. A user's token leaves no instruction behind by it. An answer means that the messages are durable. With `context`, the context right after the append comes in the same round trip; that needs `memory:read` too. It is made once the messages are stored: where it cannot be made, `contextError` stands in its place, and the status is that of the append. Content is never refused for a character that no store keeps: it is mended, and `mended` says where. A message may have 4 MiB as JSON, with the files in it as base64 or `data:` URLs: the same file in several messages is stored once, is given back byte for byte, and goes with the last message that has it. With `format`, the messages are as the SDK of OpenAI (`openai-chat`), Anthropic (`anthropic`) or the AI SDK (`ai-sdk`) takes and gives them, so that an answer is appended as it is: calls, results, files, reasoning with its signature and `content: null` become parts here, fields that we do not know are passed over, and `id`, `author`, `metadata`, `occurredAt` and `afterSeq` may stand in each message. Results that Anthropic has in a user's message become a message of the role `tool`; where the user says something beside them it comes before that one, and its id has `.results` at its end. A user's token writes what the user says: messages of the role `user`, of text, files and data (`role_not_allowed`), unless its tenant opens more, and as much as a user may in a day (`quota_exceeded`).",
  request: z.object({ params: sessionParams, headers: appendHeaders, body: appendRequestSchema }),
  answers: {
    200: {
      description: "All of them were there already",
      schema: appendResultSchema,
      headers: RATE_LIMIT_FIELDS,
    },
    201: {
      description: "At least one is new",
      schema: appendResultSchema,
      headers: RATE_LIMIT_FIELDS,
    },
  },
  problems: [
    "role_not_allowed",
    "too_many_sessions",
    "message_conflict",
    "head_seq_mismatch",
    "message_too_large",
    "session_full",
    "quota_exceeded",
  ],
  async handle(call, { params, headers, body }, _lines, _isHead, sent) {
    const mended = mendedPaths(sent, isStrict(headers));
    const result = await appendMessages(call, params.sessionId, body, headers["Idempotency-Key"]);
    const created = result.messages.some((message) => message.created);
    return {
      status: created ? 201 : 200,
      body: { ...result, ...tellMended(mended) },
      headers: rateLimitFields(result.quotas ?? []),
    };
  },
});

const list = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/messages",
  operationId: "listMessages",
  tag: "Messages",
  summary: "Read messages by page, in order",
  description:
    "With `afterSeq` the page begins after it, without either at the first message; `nextCursor` is then the next `afterSeq`. With `beforeSeq` alone it is the last page before that one, and `nextCursor` is the next `beforeSeq`. Within a page the order is always by rising `seq`. A page of large messages ends early, with `hasMore`: all of it has 4 MiB at most, or one message.",
  request: z.object({
    params: sessionParams,
    query: z.strictObject({
      afterSeq: integerParameter(z.int().min(0)).optional().describe("Only messages after this one"),
      beforeSeq: integerParameter(seqSchema).optional().describe("Only messages before this one"),
      branch: z.literal("active").optional().describe("Only messages of the active branch; without it all of the log"),
      limit: limitParameter,
    }),
  }),
  answers: {
    200: {
      description: "A page of messages",
      schema: pageSchema(messageSchema),
    },
  },
  problems: ["session_not_found"],
  async handle(call, { params, query }) {
    return { status: 200, body: await listMessages(call, params.sessionId, query) };
  },
});

const read = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/messages/{messageId}",
  operationId: "readMessage",
  tag: "Messages",
  summary: "Read one message",
  description: "By its id. An erased message keeps its `seq` and is answered with `erased: true`.",
  request: z.object({ params: messageParams }),
  answers: { 200: { description: "The message", schema: messageSchema } },
  problems: ["session_not_found", "message_not_found"],
  async handle(call, { params }) {
    return { status: 200, body: await readMessage(call, params.sessionId, params.messageId) };
  },
});

const edit = defineRoute({
  method: "patch",
  path: "/v1/sessions/{sessionId}/messages/{messageId}",
  operationId: "editMessage",
  tag: "Messages",
  summary: "Edit a message",
  description:
    "Replaces content, metadata or both, and pins or unpins the message; the `seq` and the `id` stay. A pin alone changes nothing of what was said: no summary is made anew for it, and the feed tells of it as an edit. What the summary made of the old content goes at once, and a new summary from before the message follows. Appending the message once more as it first was is still no conflict. What the edit brings counts like an append: for the summary that is due by it, for the size of the session, and for the tokens of its day. A user's token edits messages of the role `user` alone, into what it might append.",
  request: z.object({ params: messageParams, headers: strictHeaders, body: messagePatchSchema }),
  answers: {
    200: { description: "The message as it is now", schema: editedMessageSchema },
  },
  problems: [
    "session_not_found",
    "message_not_found",
    "role_not_allowed",
    "message_erased",
    "message_too_large",
    "session_full",
    "quota_exceeded",
  ],
  async handle(call, { params, headers, body }, _lines, _isHead, sent) {
    const mended = mendedPaths(sent, isStrict(headers));
    const message = await editMessage(call, params.sessionId, params.messageId, body);
    return { status: 200, body: { ...message, ...tellMended(mended) } };
  },
});

const erase = defineRoute({
  method: "delete",
  path: "/v1/sessions/{sessionId}/messages/{messageId}",
  operationId: "eraseMessage",
  tag: "Messages",
  summary: "Erase a message",
  description:
    "A tombstone keeps the `seq`; what was said is gone from the session at once, with every summary item that cites it, and a new summary from before the message follows. `state` is `erased` once that summary stands and the archive has confirmed: ask again to see it.",
  request: z.object({ params: messageParams }),
  answers: { 202: { description: "Gone from the session", schema: erasureSchema } },
  problems: ["session_not_found", "message_not_found"],
  async handle(call, { params }) {
    return { status: 202, body: await eraseMessage(call, params.sessionId, params.messageId) };
  },
});

export const messageRoutes = [append, list, read, edit, erase];
