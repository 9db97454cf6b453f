import { z } from "zod";
import { contextRequestSchema, renderedContextSchemas } from "../../api/context.ts";
import { readContextJson } from "../../usecases/context.ts";
import { integerParameter, sessionParams } from "../parameters.ts";
import { type AnswerSpec, defineRoute, WrittenJson } from "../route.ts";

const DESCRIPTION =
  "A summary of the older messages, then the recent messages verbatim, within `maxTokens` as the documented estimator counts them. Every message up to `headSeq` is either contained verbatim, covered by the summary, or listed in `omitted` with the reason. The newest question, the tool calls made for it and their results are always contained: if they are too large, tool outputs are cut in the middle, and those of older steps are left out first. The request never waits for a summary: `summaryPending` says that a newer one is being made. A context has at most 8 MiB as JSON: the newest files are included; older ones are described in the text of their messages, which are marked `cut` and listed in `omitted`.";

/** How each format represents what its provider has no place for. */
const FORMATS = [
  "All formats but `threadkeep` return the account of what is contained and omitted in `meta`.",
  "`anthropic` has `system`, and `messages` in alternating turns. If the first would be an answer, a user's message `[…]` is put before it.",
  "`ui` has UIMessages of the AI SDK: texts are verbatim, a tool's result is in the part of its call, and the author is in `metadata`.",
  "The summary is a user's message in `<conversation_summary>` tags, or system text with `summaryRole=system`.",
  "System and developer messages keep their role if the provider allows it among the messages; otherwise they are added to the system text, in order.",
  "A tool's result directly follows its call, even if other messages were between them. Results are matched to calls by id; if calls share an id, by name and then by order. A call without a result gets one that says so, and a result without a call gets a call. Duplicate ids get a number, and ids and names that the provider would refuse are replaced, in call and result alike.",
  "Reasoning is returned to the provider that signed it, unchanged and before the calls that follow from it: to Anthropic with its signature, to OpenAI's Responses with its encrypted content. Other reasoning is left out there. A call that a provider ran itself (`providerExecuted`) is returned to that provider, and described as text to others.",
  "`openai-chat` joins neighbouring messages of one role; other formats do with `roles`. Messages that the query retrieved come directly after the newest question.",
  "Blank messages are left out. A file that the provider does not accept is described as text, and so are files from tools, unless `toolFiles=sent`. Base64 in a tool's output is described too.",
  "An author is in `name` if the provider supports it, otherwise before the text.",
  "An author stands in `name` where the provider takes it, and else before the text.",
].join(" ");

const answer = {
  description: "The context, in the requested format",
  schema: z.union(Object.values(renderedContextSchemas)),
  headers: { ETag: "Identifies these exact bytes: send it back as If-None-Match" },
} satisfies AnswerSpec;

const { maxTokens, format, tokenizer, atSeq, summaryRole, roles, provider, toolFiles, cacheControl } =
  contextRequestSchema.shape;

const read = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/context",
  operationId: "readContext",
  tag: "Context",
  summary: "Get the context for the next prompt",
  description: `${DESCRIPTION} ${FORMATS} With \`If-None-Match\` an unchanged context is answered with 304, without a body.`,
  request: z.object({
    params: sessionParams,
    query: z.strictObject({
      maxTokens: integerParameter(maxTokens.unwrap())
        .optional()
        .describe("Token budget; by default the session's `maxTokens`"),
      format: format.describe("Format of the context; `threadkeep` by default"),
      tokenizer,
      atSeq: integerParameter(atSeq.unwrap())
        .optional()
        .describe("Return the context as it was when this message was the newest"),
      summaryRole: summaryRole.describe("The role of the message that contains the summary; `user` by default"),
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
  summary: "Get the context, with the options in the body",
  description: `${DESCRIPTION} The same as GET, with the options in the body; it changes nothing.`,
  request: z.object({ params: sessionParams, body: contextRequestSchema.default({}) }),
  answers: { 200: answer },
  problems: ["session_not_found"],
  conditional: true,
  async handle(call, { params, body }) {
    return { status: 200, body: new WrittenJson(await readContextJson(call, params.sessionId, body)) };
  },
});

export const contextRoutes = [read, request];
