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
    "Creates the session if it does not exist. The batch is atomic, and each message gets the next `seq`. When the request is answered, the messages are stored durably.\n\n**Repeating a request.** A message whose `id` exists already is not stored again; it is returned with its `seq` and `created: false`. The same `id` with other content, or after another message, is refused (`message_conflict`).\n\n**Branches.** A message follows the newest message of the active branch, or the previous one of the batch, unless `afterSeq` names another. The messages that followed that one before are then off the branch; `PUT …/branch` returns to them. With a user's token, instructions cannot be moved off the branch in this way.\n\n**Context.** With `context`, the answer also has the context right after the append; this requires `memory:read`. If the context cannot be made, the messages are stored all the same, the status is that of the append, and `contextError` says why.\n\n**Content.** A character that cannot be stored is replaced, and `mended` lists where. A message may have 4 MiB as JSON, including files as base64 or `data:` URLs. A file that occurs in several messages is stored once, is returned byte for byte, and is deleted with the last message that contains it.\n\n**Formats.** With `format`, the messages are in the format of OpenAI's SDK (`openai-chat`), Anthropic's SDK (`anthropic`) or the AI SDK (`ai-sdk`), so that a model's answer can be appended unchanged. Tool calls, results, files, reasoning with its signature and `content: null` are converted to parts, and unknown fields are ignored. Each message may also have `id`, `author`, `metadata`, `occurredAt` and `afterSeq`. Tool results in a user's message of Anthropic become a message of the role `tool`; if that message has other content too, it becomes a user's message before it, and the id of the tool message ends with `.results`.\n\n**Users.** With a user's token, only messages of the role `user` with text, files and data can be appended (`role_not_allowed`), unless the tenant permits more, and only as many as a user may append in a day (`quota_exceeded`).",
  request: z.object({ params: sessionParams, headers: appendHeaders, body: appendRequestSchema }),
  answers: {
    200: {
      description: "All messages existed already",
      schema: appendResultSchema,
      headers: RATE_LIMIT_FIELDS,
    },
    201: {
      description: "At least one message is new",
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
    "With `afterSeq` the page starts after that message; without `afterSeq` and `beforeSeq` it starts at the first message. `nextCursor` is then the next `afterSeq`. With `beforeSeq` alone the page ends before that message, and `nextCursor` is the next `beforeSeq`. Within a page messages are ordered by rising `seq`. A page of large messages ends early, with `hasMore`: it has at most 4 MiB, or one message.",
  request: z.object({
    params: sessionParams,
    query: z.strictObject({
      afterSeq: integerParameter(z.int().min(0)).optional().describe("Only messages after this one"),
      beforeSeq: integerParameter(seqSchema).optional().describe("Only messages before this one"),
      branch: z.literal("active").optional().describe("Only messages of the active branch; if left out, the whole log"),
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
  description: "Returns a message by its id. An erased message keeps its `seq` and has `erased: true`.",
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
    "Replaces the content, the metadata or both, and pins or unpins the message; `seq` and `id` stay. Pinning alone is no change of what was said: no summary is made again, but the live feed reports an edit. When the content changes, summary items made from the old content are removed immediately, and a new summary is made from the version before the message. Appending the message again with its original content is still no conflict. The new content counts like an append for the next summary, the size of the session and the tokens of the day. With a user's token only messages of the role `user` can be edited, to content that the user might append.",
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
    "The content is removed from the session immediately, with every summary item that cites the message; its `seq` remains, without content. A new summary is made from the version before the message. `state` becomes `erased` once that summary is made and the archive has confirmed the erasure: repeat the request to see it.",
  request: z.object({ params: messageParams }),
  answers: { 202: { description: "Erased from the session", schema: erasureSchema } },
  problems: ["session_not_found", "message_not_found"],
  async handle(call, { params }) {
    return { status: 202, body: await eraseMessage(call, params.sessionId, params.messageId) };
  },
});

export const messageRoutes = [append, list, read, edit, erase];
