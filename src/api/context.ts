import { z } from "zod";
import { partFaultSchema } from "./errors.ts";
import { MAX_BRANCHES, MAX_CONTEXT_TOKENS, MAX_HIDDEN_RANGES, MAX_QUERY_LENGTH, MIN_CONTEXT_TOKENS } from "./limits.ts";
import { messageSchema, seqSchema } from "./message.ts";
import { retrievalSchema } from "./search.ts";
import { summarySchema } from "./summary.ts";
import { type Json, safeJson, safeText } from "./text.ts";

export const contextFormatSchema = z.enum([
  "threadkeep",
  "openai-chat",
  "openai-responses",
  "anthropic",
  "ai-sdk",
  "ui",
  "text",
]);
export type ContextFormat = z.infer<typeof contextFormatSchema>;

const tokenizerSchema = z.enum(["o200k", "claude"]);
export type Tokenizer = z.infer<typeof tokenizerSchema>;

/** The `ttl` values that Anthropic's prompt cache accepts. */
const cacheTtlSchema = z.enum(["5m", "1h"]);
export type CacheTtl = z.infer<typeof cacheTtlSchema>;

/** The options of a request for a context. */
export const contextRequestSchema = z
  .strictObject({
    maxTokens: z
      .int()
      .min(MIN_CONTEXT_TOKENS)
      .max(MAX_CONTEXT_TOKENS)
      .optional()
      .describe("Token budget of the context; by default the session's `maxTokens`"),
    format: contextFormatSchema.optional(),
    tokenizer: tokenizerSchema
      .optional()
      .describe(
        "Which tokenizer the budget and the counts in the answer use. By default `claude` with the format `anthropic`, else `o200k`. The same text has up to 1.35 times as many tokens for Claude",
      ),
    atSeq: seqSchema.optional().describe("Return the context as it was when this message was the newest"),
    query: safeText
      .max(MAX_QUERY_LENGTH)
      .nullable()
      .optional()
      .describe(
        "Also return older messages that are relevant to this question. `auto`: the question is the newest message of a user. null or left out: return none",
      ),
    summaryRole: z
      .enum(["user", "system"])
      .optional()
      .describe(
        "The role of the message that contains the summary. By default `user`: text from a chat must not gain the authority of a system message",
      ),
    roles: z
      .enum(["as-said", "merged", "strict"])
      .optional()
      .describe(
        "How messages of the same role in a row are handled. `as-said`: each stays a message of its own. `merged` (default for `openai-chat`): neighbours of one role are joined. `strict`: for chat templates that require alternating turns (Mistral, Gemma): all system text comes first, in one message, then a user's turn, and no user's turn directly follows a tool's result. `anthropic` always alternates turns; `ui` and `text` never do",
      ),
    provider: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/, { error: "must be 1 to 64 characters of A-Z a-z 0-9 . _ -" })
      .optional()
      .describe(
        "With `ai-sdk`: the provider that the prompt is sent to, by the key that the SDK uses for its options (`anthropic`, `openai`, `google`). Reasoning of other providers is then left out, and tool calls that another provider ran are described as text. If this is left out, everything that a provider made is returned unchanged",
      ),
    toolFiles: z
      .enum(["named", "sent"])
      .optional()
      .describe(
        "How to return files that tools produced, such as screenshots. `named` (default): as a description in the text (`[image, 90 KB]`). `sent`: as files, in `anthropic`, `openai-responses` and `ai-sdk`. Some providers of the AI SDK do not accept files from tools and get the base64 as text, which no token budget accounts for",
      ),
    cacheControl: cacheTtlSchema
      .optional()
      .describe(
        "With `anthropic`: set a `cache_control` with this `ttl` at the end of the stable prefix (see `stableThrough`). If left out, none is set",
      ),
  })
  .meta({ id: "ContextRequest" });
export type ContextRequest = z.infer<typeof contextRequestSchema>;

/** A range of messages that the context contains neither verbatim nor in its summary, and the reason. */
export const omittedSchema = z
  .object({
    fromSeq: seqSchema,
    throughSeq: seqSchema,
    reason: z
      .enum(["budget", "hidden", "pending", "branch"])
      .describe(
        `Why these messages are missing. branch: they are not on the active branch (at most ${(MAX_BRANCHES + 1).toLocaleString("en")} ranges). budget: there is no room for them, or not for all of their text. hidden: they were erased, or wait for a new summary (at most ${MAX_HIDDEN_RANGES.toLocaleString("en")} ranges; the last range may include messages that are not hidden). pending: there is no room for them, and a summary of them is being made`,
      ),
  })
  .meta({ id: "Omitted" });
export type Omitted = z.infer<typeof omittedSchema>;

/** What the budget leaves out although no summary of it is being made, and what to change. */
const leftOutSchema = z
  .object({
    messages: z
      .int()
      .describe(
        "How many messages are not complete in the context, neither verbatim nor covered by the part of the summary that is in it",
      ),
    tokens: z.int().describe("About how many tokens of these messages are missing"),
    maxTokens: z
      .int()
      .nullable()
      .describe(
        "The smallest budget that leaves nothing out. null if no budget is enough, because files have more bytes than a context may contain",
      ),
    help: z.string().describe("What to do next, as a sentence"),
  })
  .meta({ id: "LeftOut" });
export type LeftOut = z.infer<typeof leftOutSchema>;
const leftOut = leftOutSchema
  .optional()
  .describe("Present if the budget leaves out messages that no summary in progress will cover");

const contextTokensSchema = z.object({
  budget: z.int(),
  used: z.int(),
  summary: z.int(),
  messages: z.int(),
  retrieved: z.int(),
  pinned: z
    .int()
    .optional()
    .describe(
      "How many of the tokens in `messages` belong to instructions and pinned messages that are older than the recent messages; left out if none",
    ),
});
export type ContextTokens = z.infer<typeof contextTokensSchema>;

const retrievalError = partFaultSchema
  .optional()
  .describe(
    "The search for older messages failed. The context is complete except for the messages that the query would have returned",
  );

const retrieval = retrievalSchema
  .optional()
  .describe("How older messages were searched. Left out without a query, or if embeddings are off");

const stableThrough = z
  .int()
  .min(0)
  .describe(
    "The prompt up to and including this message stays identical, byte for byte, until there is a new summary, so a provider's prompt cache keeps hitting. It ends earlier if the past changes: by an edit, an erasure, a tool result that arrives late, a new instruction in a format that puts instructions first, or because the oldest recent messages no longer fit. 0: no message is stable, though the summary may be",
  );
const stableMessages = z
  .int()
  .min(0)
  .describe(
    "How many entries of `messages` belong to this prefix (of `input` in `openai-responses`; in `text`, the number of characters)",
  );
const stableHash = z
  .string()
  .describe(
    "SHA-256 of this prefix, in hexadecimal. Hashed are: the JSON of the system text (`system`, `instructions`, or in `threadkeep` the summary), or null, then the JSON of each message on a line of its own",
  );

/** The context in Threadkeep's own format. `omitted` lists everything that it does not contain. */
export const contextSchema = z
  .object({
    sessionId: z.string(),
    headSeq: z.int().min(0),
    atSeq: z.int().min(0),
    summary: summarySchema.nullable(),
    messages: z.array(
      messageSchema.extend({
        cut: z
          .literal(true)
          .optional()
          .describe(
            "The message is not verbatim: its middle is cut out, its author's name is cut, or its files are described in its text (`[image, 1.2 MB, message 41]`)",
          ),
      }),
    ),
    omitted: z.array(omittedSchema),
    leftOut,
    retrieved: z
      .array(z.object({ message: messageSchema, score: z.number(), why: z.string() }))
      .describe("Older messages, verbatim, that are relevant to the query; best first"),
    retrievalError,
    retrieval,
    tokens: contextTokensSchema,
    summaryPending: z.boolean(),
    stableThrough: stableThrough.optional(),
    stableMessages: stableMessages.optional(),
    stableHash: stableHash.optional(),
  })
  .meta({ id: "Context" });
export type Context = z.infer<typeof contextSchema>;

/** What every other format returns beside its messages: the same account of what the context contains and omits. */
const contextMetaSchema = z
  .object({
    sessionId: z.string(),
    headSeq: z.int().min(0),
    atSeq: z.int().min(0),
    summaryThroughSeq: z.int().min(0),
    summaryPending: z.boolean(),
    stableThrough,
    stableMessages,
    stableHash,
    omitted: z.array(omittedSchema),
    leftOut,
    retrievalError,
    retrieval,
    tokens: contextTokensSchema,
  })
  .meta({ id: "ContextMeta" });
export type ContextMeta = z.infer<typeof contextMetaSchema>;

// The schemas below describe what the providers' SDKs accept: our values can be passed to them without a cast. Optional
// keys are `exactOptional`, because the SDKs' types, under `exactOptionalPropertyTypes`, do not accept a key that is
// present and undefined.

export const openaiImageDetailSchema = z.enum(["auto", "low", "high"]);
const openaiTextPartSchema = z.object({ type: z.literal("text"), text: z.string() });
const openaiUserPartSchema = z.discriminatedUnion("type", [
  openaiTextPartSchema,
  z.object({
    type: z.literal("image_url"),
    image_url: z.object({ url: z.string(), detail: openaiImageDetailSchema.exactOptional() }),
  }),
  z.object({
    type: z.literal("file"),
    file: z.object({
      filename: z.string().exactOptional(),
      file_data: z.string().exactOptional(),
      file_id: z.string().exactOptional().describe("Id of a file that is stored at OpenAI, in place of its data"),
    }),
  }),
]);
const openaiToolCallSchema = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
const openaiName = z.string().exactOptional();
const openaiChatMessageSchema = z
  .discriminatedUnion("role", [
    z.object({ role: z.literal("system"), content: z.string(), name: openaiName }),
    z.object({ role: z.literal("developer"), content: z.string(), name: openaiName }),
    z.object({
      role: z.literal("user"),
      content: z.union([z.string(), z.array(openaiUserPartSchema)]),
      name: openaiName,
    }),
    z.object({
      role: z.literal("assistant"),
      content: z.string().nullable().describe("null only if there are tool_calls"),
      name: openaiName,
      tool_calls: z.array(openaiToolCallSchema).min(1).exactOptional(),
    }),
    z.object({ role: z.literal("tool"), tool_call_id: z.string(), content: z.string() }),
  ])
  .meta({ id: "OpenaiChatMessage" });
export type OpenaiChatMessage = z.infer<typeof openaiChatMessageSchema>;
export const openaiChatContextSchema = z
  .object({ messages: z.array(openaiChatMessageSchema), meta: contextMetaSchema })
  .meta({ id: "OpenaiChatContext" });

const openaiInputPartSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("input_text"), text: z.string() }),
  z.object({ type: z.literal("input_image"), image_url: z.string(), detail: z.literal("auto") }),
  z.object({
    type: z.literal("input_file"),
    filename: z.string().exactOptional(),
    file_data: z.string().exactOptional(),
    file_url: z.string().exactOptional(),
  }),
]);
const openaiResponsesItemSchema = z
  .discriminatedUnion("type", [
    z.object({
      type: z.literal("message"),
      role: z.enum(["system", "developer", "user", "assistant"]),
      content: z
        .union([z.string(), z.array(openaiInputPartSchema)])
        .describe("A list only if a user's message contains a file"),
    }),
    z.object({ type: z.literal("function_call"), call_id: z.string(), name: z.string(), arguments: z.string() }),
    z.object({
      type: z.literal("function_call_output"),
      call_id: z.string(),
      output: z.union([z.string(), z.array(openaiInputPartSchema)]).describe("A list only if the tool returned a file"),
    }),
    z.object({
      type: z.literal("reasoning"),
      id: z.string(),
      summary: z.array(z.object({ type: z.literal("summary_text"), text: z.string() })),
      encrypted_content: z.string(),
    }),
  ])
  .meta({ id: "OpenaiResponsesItem" });
export type OpenaiResponsesItem = z.infer<typeof openaiResponsesItemSchema>;
const openaiResponsesContextSchema = z
  .object({
    instructions: z.string().exactOptional().describe("The summary, if summaryRole is `system`"),
    input: z.array(openaiResponsesItemSchema),
    meta: contextMetaSchema,
  })
  .meta({ id: "OpenaiResponsesContext" });
export type OpenaiResponsesContext = z.infer<typeof openaiResponsesContextSchema>;

/** The image types that Anthropic and OpenAI both take. */
export const imageTypeSchema = z.enum(["image/png", "image/jpeg", "image/gif", "image/webp"]);

const anthropicCacheControl = z
  .object({ type: z.literal("ephemeral"), ttl: cacheTtlSchema })
  .exactOptional()
  .describe("Present at the end of the stable prefix if the request has `cacheControl`");
const anthropicUrlSourceSchema = z.object({ type: z.literal("url"), url: z.string() });
/** A file that is stored at Anthropic. */
const anthropicHeldSourceSchema = z.object({ type: z.literal("file"), file_id: z.string() });
const anthropicTextBlockSchema = z.object({
  type: z.literal("text"),
  text: z.string(),
  cache_control: anthropicCacheControl,
});
const anthropicImageBlockSchema = z.object({
  type: z.literal("image"),
  cache_control: anthropicCacheControl,
  source: z.discriminatedUnion("type", [
    anthropicUrlSourceSchema,
    anthropicHeldSourceSchema,
    z.object({ type: z.literal("base64"), media_type: imageTypeSchema, data: z.string() }),
  ]),
});
const anthropicDocumentBlockSchema = z.object({
  type: z.literal("document"),
  cache_control: anthropicCacheControl,
  title: z.string().exactOptional(),
  source: z.discriminatedUnion("type", [
    anthropicUrlSourceSchema,
    anthropicHeldSourceSchema,
    z.object({ type: z.literal("base64"), media_type: z.literal("application/pdf"), data: z.string() }),
    z.object({ type: z.literal("text"), media_type: z.literal("text/plain"), data: z.string() }),
  ]),
});
const anthropicSaidBlockSchemas = [
  anthropicTextBlockSchema,
  anthropicImageBlockSchema,
  anthropicDocumentBlockSchema,
] as const;
export type AnthropicSaidBlock = z.infer<(typeof anthropicSaidBlockSchemas)[number]>;
const anthropicUserBlockSchema = z.discriminatedUnion("type", [
  ...anthropicSaidBlockSchemas,
  z.object({
    type: z.literal("tool_result"),
    tool_use_id: z.string(),
    content: z
      .union([z.string(), z.array(z.discriminatedUnion("type", anthropicSaidBlockSchemas))])
      .exactOptional()
      .describe("A list only if the tool returned a file"),
    is_error: z.literal(true).exactOptional(),
    cache_control: anthropicCacheControl,
  }),
]);
export type AnthropicUserBlock = z.infer<typeof anthropicUserBlockSchema>;
const anthropicAssistantBlockSchema = z.discriminatedUnion("type", [
  anthropicTextBlockSchema,
  z.object({
    type: z.literal("tool_use"),
    id: z.string(),
    name: z.string(),
    input: z.record(z.string(), safeJson),
    cache_control: anthropicCacheControl,
  }),
  z.object({ type: z.literal("thinking"), thinking: z.string(), signature: z.string() }),
  z.object({ type: z.literal("redacted_thinking"), data: z.string() }),
  z.object({
    type: z.literal("server_tool_use"),
    id: z.string(),
    name: z.literal("web_search"),
    input: z.record(z.string(), safeJson),
  }),
  z.object({
    type: z.literal("web_search_tool_result"),
    tool_use_id: z.string(),
    content: z.array(
      z.object({
        type: z.literal("web_search_result"),
        url: z.string(),
        title: z.string(),
        encrypted_content: z.string(),
        page_age: z.string().nullable(),
      }),
    ),
  }),
]);
export type AnthropicAssistantBlock = z.infer<typeof anthropicAssistantBlockSchema>;
const anthropicMessageSchema = z
  .discriminatedUnion("role", [
    z.object({ role: z.literal("user"), content: z.array(anthropicUserBlockSchema).min(1) }),
    z.object({ role: z.literal("assistant"), content: z.array(anthropicAssistantBlockSchema).min(1) }),
  ])
  .meta({ id: "AnthropicMessage" });
export type AnthropicMessage = z.infer<typeof anthropicMessageSchema>;
const anthropicContextSchema = z
  .object({
    system: z.string().exactOptional(),
    messages: z.array(anthropicMessageSchema).describe("In alternating turns, starting with the user's"),
    meta: contextMetaSchema,
  })
  .meta({ id: "AnthropicContext" });
export type AnthropicContext = z.infer<typeof anthropicContextSchema>;

/** Options that only one provider understands, by provider. */
export const providerOptionsSchema = z.record(z.string(), z.record(z.string(), safeJson));
export type ProviderOptions = z.infer<typeof providerOptionsSchema>;
const providerOptions = providerOptionsSchema.exactOptional();

/** The id of an uploaded file, by provider. */
const providerReferenceSchema = z.record(z.string(), z.string());
const fileIdSchema = z.union([z.string(), providerReferenceSchema]);
const taggedFileSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("data"), data: z.string() }),
  z.object({ type: z.literal("reference"), reference: providerReferenceSchema }),
  z.object({ type: z.literal("text"), text: z.string() }),
]);
const toolFileSchema = z.object({
  type: z.literal("file"),
  data: taggedFileSchema,
  mediaType: z.string(),
  filename: z.string().exactOptional(),
  providerOptions,
});
const toolContentSchemas = [
  z.object({ type: z.literal("text"), text: z.string(), providerOptions }),
  z.object({
    type: z.literal("file-data"),
    data: z.string(),
    mediaType: z.string(),
    filename: z.string().exactOptional(),
    providerOptions,
  }),
  z.object({
    type: z.literal("file-url"),
    url: z.string(),
    mediaType: z.string().exactOptional(),
    providerOptions,
  }),
  z.object({ type: z.literal("file-id"), fileId: fileIdSchema, providerOptions }),
  z.object({ type: z.literal("file-reference"), providerReference: providerReferenceSchema, providerOptions }),
  z.object({ type: z.literal("image-data"), data: z.string(), mediaType: z.string(), providerOptions }),
  z.object({ type: z.literal("image-url"), url: z.string(), providerOptions }),
  z.object({ type: z.literal("image-file-id"), fileId: fileIdSchema, providerOptions }),
  z.object({ type: z.literal("image-file-reference"), providerReference: providerReferenceSchema, providerOptions }),
  z.object({ type: z.literal("custom"), providerOptions }),
] as const;
/** An entry of a tool's output as it is stored. Stored content is JSON, so a URL is a string. */
const toolContentEntrySchema = z.discriminatedUnion("type", [
  toolFileSchema.extend({
    data: z.discriminatedUnion("type", [
      ...taggedFileSchema.options,
      z.object({ type: z.literal("url"), url: z.string() }),
    ]),
  }),
  ...toolContentSchemas,
]);
export type ToolContentEntry = z.infer<typeof toolContentEntrySchema>;
/**
 * An entry of a tool's output in a prompt. It has no `file` with a URL: there the AI SDK requires a URL object, which
 * JSON cannot carry; `file-url` takes a string.
 */
const aiSdkToolContentSchema = z.discriminatedUnion("type", [toolFileSchema, ...toolContentSchemas]);
export type AiSdkToolContent = z.infer<typeof aiSdkToolContentSchema>;

/** @param json the values of outputs that are JSON */
const toolOutputSchemas = (json: z.ZodType<Json>) =>
  [
    z.object({ type: z.literal("text"), value: z.string(), providerOptions }),
    z.object({ type: z.literal("json"), value: json, providerOptions }),
    z.object({ type: z.literal("error-text"), value: z.string(), providerOptions }),
    z.object({ type: z.literal("error-json"), value: json, providerOptions }),
    z.object({ type: z.literal("execution-denied"), reason: z.string().exactOptional(), providerOptions }),
  ] as const;
/**
 * A tool's output as in the AI SDK's ModelMessage, for stored messages. Its JSON was validated when it was appended, so
 * it is not validated again.
 */
export const toolOutputSchema = z.discriminatedUnion("type", [
  ...toolOutputSchemas(z.custom<Json>((value) => value !== undefined)),
  z.object({ type: z.literal("content"), value: z.array(toolContentEntrySchema) }),
]);
export type ToolOutput = z.infer<typeof toolOutputSchema>;
const aiSdkToolOutputSchema = z.discriminatedUnion("type", [
  ...toolOutputSchemas(safeJson),
  z.object({ type: z.literal("content"), value: z.array(aiSdkToolContentSchema) }),
]);
export type AiSdkToolOutput = z.infer<typeof aiSdkToolOutputSchema>;

const aiSdkTextPartSchema = z.object({ type: z.literal("text"), text: z.string(), providerOptions });
const aiSdkFilePartSchema = z.object({
  type: z.literal("file"),
  mediaType: z.string(),
  data: z.string().describe("A URL, or base64"),
  filename: z.string().exactOptional(),
  providerOptions,
});
const aiSdkUserPartSchema = z.discriminatedUnion("type", [aiSdkTextPartSchema, aiSdkFilePartSchema]);
export type AiSdkUserPart = z.infer<typeof aiSdkUserPartSchema>;
const aiSdkToolResultSchema = z.object({
  type: z.literal("tool-result"),
  toolCallId: z.string(),
  toolName: z.string(),
  output: aiSdkToolOutputSchema,
  providerOptions,
});
const aiSdkApprovalRequestSchema = z
  .object({
    type: z.literal("tool-approval-request"),
    approvalId: z.string(),
    toolCallId: z.string(),
    reason: z.string().exactOptional(),
    isAutomatic: z.boolean().exactOptional(),
    signature: z.string().exactOptional(),
    inputSchemaInput: safeJson.exactOptional(),
  })
  .describe(
    "A request for the user's approval in the newest step, after the user has answered and before the tool has run",
  );
const aiSdkApprovalResponseSchema = z.object({
  type: z.literal("tool-approval-response"),
  approvalId: z.string(),
  approved: z.boolean(),
  reason: z.string().exactOptional(),
});
const aiSdkToolPartSchema = z.discriminatedUnion("type", [aiSdkToolResultSchema, aiSdkApprovalResponseSchema]);
export type AiSdkToolPart = z.infer<typeof aiSdkToolPartSchema>;
const aiSdkAssistantPartSchema = z.discriminatedUnion("type", [
  aiSdkTextPartSchema,
  aiSdkFilePartSchema,
  z.object({ type: z.literal("reasoning"), text: z.string(), providerOptions }),
  z.object({
    type: z.literal("tool-call"),
    toolCallId: z.string(),
    toolName: z.string(),
    input: safeJson,
    providerExecuted: z.literal(true).exactOptional(),
    providerOptions,
  }),
  aiSdkToolResultSchema.describe("The result of a tool call that the provider ran itself"),
  aiSdkApprovalRequestSchema,
]);
export type AiSdkAssistantPart = z.infer<typeof aiSdkAssistantPartSchema>;
const aiSdkMessageSchema = z
  .discriminatedUnion("role", [
    z.object({ role: z.literal("user"), content: z.union([z.string(), z.array(aiSdkUserPartSchema)]) }),
    z.object({ role: z.literal("assistant"), content: z.union([z.string(), z.array(aiSdkAssistantPartSchema)]) }),
    z.object({ role: z.literal("tool"), content: z.array(aiSdkToolPartSchema) }),
  ])
  .meta({ id: "AiSdkMessage" });
export type AiSdkMessage = z.infer<typeof aiSdkMessageSchema>;
const aiSdkContextSchema = z
  .object({
    system: z.string().exactOptional(),
    messages: z.array(aiSdkMessageSchema),
    meta: contextMetaSchema,
  })
  .meta({ id: "AiSdkContext" });
export type AiSdkContext = z.infer<typeof aiSdkContextSchema>;

const providerMetadata = providerOptionsSchema.exactOptional();
const uiCall = {
  toolCallId: z.string(),
  input: safeJson,
  providerExecuted: z.literal(true).exactOptional(),
  callProviderMetadata: providerMetadata,
};
const uiApproval = {
  id: z.string(),
  requestReason: z.string().exactOptional(),
  isAutomatic: z.boolean().exactOptional(),
  signature: z.string().exactOptional(),
  inputSchemaInput: safeJson.exactOptional(),
  descriptor: safeJson.exactOptional(),
};
const uiAnswer = { ...uiApproval, reason: z.string().exactOptional() };
const uiGiven = z.object({ ...uiAnswer, approved: z.literal(true) }).exactOptional();
const uiStates = [
  z.object({ state: z.literal("input-available"), ...uiCall }),
  z.object({ state: z.literal("output-available"), output: safeJson, approval: uiGiven, ...uiCall }),
  z.object({ state: z.literal("output-error"), errorText: z.string(), approval: uiGiven, ...uiCall }),
  z.object({ state: z.literal("approval-requested"), approval: z.object(uiApproval), ...uiCall }),
  z.object({
    state: z.literal("approval-responded"),
    approval: z.object({ ...uiAnswer, approved: z.boolean() }),
    ...uiCall,
  }),
  z.object({
    state: z.literal("output-denied"),
    approval: z.object({ ...uiAnswer, approved: z.literal(false) }),
    ...uiCall,
  }),
] as const;
const uiToolType = { type: z.templateLiteral(["tool-", z.string()]) };
const uiDynamicToolType = { type: z.literal("dynamic-tool"), toolName: z.string() };
const uiToolPartSchema = z.union([
  uiStates[0].extend(uiToolType),
  uiStates[1].extend(uiToolType),
  uiStates[2].extend(uiToolType),
  uiStates[3].extend(uiToolType),
  uiStates[4].extend(uiToolType),
  uiStates[5].extend(uiToolType),
  uiStates[0].extend(uiDynamicToolType),
  uiStates[1].extend(uiDynamicToolType),
  uiStates[2].extend(uiDynamicToolType),
  uiStates[3].extend(uiDynamicToolType),
  uiStates[4].extend(uiDynamicToolType),
  uiStates[5].extend(uiDynamicToolType),
]);
const uiPartSchema = z.union([
  z.object({ type: z.literal("text"), text: z.string(), providerMetadata }),
  z.object({ type: z.literal("reasoning"), text: z.string(), providerMetadata }),
  z.object({
    type: z.literal("file"),
    mediaType: z.string(),
    url: z.string(),
    filename: z.string().exactOptional(),
    providerMetadata,
  }),
  z.object({ type: z.literal("step-start") }),
  uiToolPartSchema,
  z.object({
    type: z.templateLiteral(["data-", z.string()]),
    id: z.string().exactOptional(),
    data: safeJson,
  }),
]);
export type UiPart = z.infer<typeof uiPartSchema>;
const uiMessageSchema = z
  .object({
    id: z.string(),
    role: z.enum(["system", "user", "assistant"]),
    metadata: z
      .record(z.string(), safeJson)
      .exactOptional()
      .describe(
        "The message's own metadata, with its author as `author` unless that key is used already. If other messages follow the same message, `threadkeep` contains this message's `seq` and its `siblings`, as when a message is read",
      ),
    parts: z.array(uiPartSchema).min(1),
  })
  .meta({ id: "UiMessage" });
export type UiMessage = z.infer<typeof uiMessageSchema>;
const uiContextSchema = z
  .object({ messages: z.array(uiMessageSchema), meta: contextMetaSchema })
  .meta({ id: "UiContext" });

export const textContextSchema = z.object({ text: z.string(), meta: contextMetaSchema }).meta({ id: "TextContext" });
export type TextContext = z.infer<typeof textContextSchema>;

/** The schema of a context in each format. */
export const renderedContextSchemas = {
  threadkeep: contextSchema,
  "openai-chat": openaiChatContextSchema,
  "openai-responses": openaiResponsesContextSchema,
  anthropic: anthropicContextSchema,
  "ai-sdk": aiSdkContextSchema,
  ui: uiContextSchema,
  text: textContextSchema,
} as const satisfies Record<ContextFormat, z.ZodType>;

/** A context in the format `F`. */
export type ContextIn<F extends ContextFormat> = z.infer<(typeof renderedContextSchemas)[F]>;
export type RenderedContext = ContextIn<ContextFormat>;
