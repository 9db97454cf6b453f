import { z } from "zod";
import { contextRequestSchema, renderedContextSchemas } from "../../api/context.ts";
import { readContextJson } from "../../usecases/context.ts";
import { integerParameter, sessionParams } from "../parameters.ts";
import { type AnswerSpec, defineRoute, WrittenJson } from "../route.ts";

const DESCRIPTION =
  "A running summary of the older turns, then the recent ones word for word, within `maxTokens` by the documented estimator. Every message up to `headSeq` is there word for word, covered by the summary, or named in `omitted` with the reason. The newest question, the calls made for it and their results are there however large they are: outputs of tools are cut in the middle, and those of older steps are left out first. A summary is never waited for: `summaryPending` says that a newer one is being made. A context has 8 MiB of JSON at most: the newest files go in, and older ones are named in the text of their messages, which are `cut` and named in `omitted`.";

/** What each format does with what its provider has no place for. */
const FORMATS = [
  "All formats but `threadkeep` carry the proof as `meta`.",
  "`openai-chat` has `messages` for Chat Completions, `openai-responses` `instructions` and `input`, `ai-sdk` `system` (`instructions` in version 7) and `messages`, `text` one text.",
  "`anthropic` has `system` and `messages` in turns; where they would begin with an answer, a user's message `[…]` stands before it.",
  "`ui` has UIMessages of the AI SDK: texts are word for word, a tool's result is in the part of its call, the author is in `metadata`.",
  "The summary is a user's message in `<conversation_summary>` tags, or with `summaryRole=system` system text.",
  "System and developer messages keep their role where the provider has it among the messages, and else join the system text in order.",
  "A tool's result directly follows its call, whatever was said between them, in the order of the calls: by id, and where calls share an id by name and then in order. A call that has no result gets one that says so; a result without its call gets a call. Ids that come twice get a number; ids and names that the provider would refuse are replaced, for call and result alike.",
  "Reasoning goes back to the provider that signed it, unchanged and before the calls that it led to: to Anthropic with its signature, to OpenAI's Responses with its encrypted content. Other reasoning is left out there. A call that a provider ran itself (`providerExecuted`) goes back to it, and is told in words to others.",
  "`openai-chat` has neighbours of one role in one message, and so have others with `roles`. What a query brings back stands right after the newest question.",
  "Blank messages are left out; a file that the provider does not take is named instead, and so is what a tool shows, unless `toolFiles=sent` asks for it. Base64 among a tool's words is named.",
  "An author stands in `name` where the provider takes it, and else before the text.",
].join(" ");

const answer = {
  description: "The context, in the format asked for",
  schema: z.union(Object.values(renderedContextSchemas)),
  headers: { ETag: "Names these bytes: send it back as If-None-Match" },
} satisfies AnswerSpec;

const { maxTokens, format, tokenizer, atSeq, summaryRole, roles, provider, toolFiles, cacheControl } =
  contextRequestSchema.shape;

const read = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/context",
  operationId: "readContext",
  tag: "Context",
  summary: "Get the context for the next prompt",
  description: `${DESCRIPTION} ${FORMATS} With \`If-None-Match\` an unchanged context is answered 304, without a body.`,
  request: z.object({
    params: sessionParams,
    query: z.strictObject({
      maxTokens: integerParameter(maxTokens.unwrap()).optional().describe("The budget; by default the session's"),
      format: format.describe("How it is written; threadkeep by default"),
      tokenizer,
      atSeq: integerParameter(atSeq.unwrap()).optional().describe("The context as of this message"),
      summaryRole: summaryRole.describe("The role the summary speaks with; user by default"),
      roles,
      provider,
      toolFiles,
      cacheControl,
    }),
  }),
  answers: { 200: answer },
  problems: ["session_not_found"],
  conditional: true,
  async handle(call, { params, query }) {
    return { status: 200, body: new WrittenJson(await readContextJson(call, params.sessionId, query)) };
  },
});

const request = defineRoute({
  method: "post",
  path: "/v1/sessions/{sessionId}/context",
  operationId: "requestContext",
  action: "readContext",
  tag: "Context",
  summary: "Get the context, with the request in a body",
  description: `${DESCRIPTION} The same as GET; it changes nothing.`,
  request: z.object({ params: sessionParams, body: contextRequestSchema.default({}) }),
  answers: { 200: answer },
  problems: ["session_not_found"],
  conditional: true,
  async handle(call, { params, body }) {
    return { status: 200, body: new WrittenJson(await readContextJson(call, params.sessionId, body)) };
  },
});

export const contextRoutes = [read, request];
