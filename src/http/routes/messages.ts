import { z } from "zod";
import { appendRequestSchema, appendResultSchema } from "../../contracts/append.ts";
import { messageSchema, seqSchema } from "../../contracts/message.ts";
import { pageSchema } from "../../contracts/page.ts";
import { appendMessages, listMessages, readMessage } from "../../service/messages.ts";
import { idempotencyHeaders, integerParameter, limitParameter, messageParams, sessionParams } from "../parameters.ts";
import { defineRoute } from "../route.ts";
import { sample } from "../samples.ts";

const append = defineRoute({
  method: "post",
  path: "/v1/sessions/{sessionId}/messages",
  operationId: "appendMessages",
  tag: "Messages",
  summary: "Append 1 to 100 messages",
  description:
    "Creates the session if need be. The batch is atomic, and each message gets the next `seq`. A message whose `id` is there already is stored once and answered with its `seq` and `created: false`; the same `id` with other content is refused. An answer means that the messages are durable. With `context`, the context right after the append comes in the same round trip.",
  request: z.object({ params: sessionParams, headers: idempotencyHeaders, body: appendRequestSchema }),
  bodyExample: sample.appendRequest,
  answers: {
    200: {
      description: "All of them were there already",
      schema: appendResultSchema,
      example: sample.repeatedAppend,
    },
    201: { description: "At least one is new", schema: appendResultSchema, example: sample.appendResult },
  },
  problems: ["message_conflict", "head_seq_mismatch", "message_too_large", "session_full"],
  async handle(call, { params, headers, body }) {
    const result = await appendMessages(call, params.sessionId, body, headers["Idempotency-Key"]);
    const created = result.messages.some((message) => message.created);
    return { status: created ? 201 : 200, body: result };
  },
});

const list = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/messages",
  operationId: "listMessages",
  tag: "Messages",
  summary: "Read messages by page, in order",
  description:
    "With `afterSeq` the page begins after it, without either at the first message; `nextCursor` is then the next `afterSeq`. With `beforeSeq` alone it is the last page before that one, and `nextCursor` is the next `beforeSeq`. Within a page the order is always by rising `seq`.",
  request: z.object({
    params: sessionParams,
    query: z.strictObject({
      afterSeq: integerParameter(z.int().min(0)).optional().describe("Only messages after this one"),
      beforeSeq: integerParameter(seqSchema).optional().describe("Only messages before this one"),
      limit: limitParameter,
    }),
  }),
  answers: {
    200: {
      description: "A page of messages",
      schema: pageSchema(messageSchema),
      example: sample.messagePage,
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
  answers: { 200: { description: "The message", schema: messageSchema, example: sample.message } },
  problems: ["session_not_found", "message_not_found"],
  async handle(call, { params }) {
    return { status: 200, body: await readMessage(call, params.sessionId, params.messageId) };
  },
});

export const messageRoutes = [append, list, read];
