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

export const tokenizerSchema = z.enum(["o200k", "claude"]);
export type Tokenizer = z.infer<typeof tokenizerSchema>;

/** How long Anthropic keeps what it was given. */
export const cacheTtlSchema = z.enum(["5m", "1h"]);
export type CacheTtl = z.infer<typeof cacheTtlSchema>;

/** What a caller may ask of a context. */
export const contextRequestSchema = z
  .strictObject({
    maxTokens: z
      .int()
      .min(MIN_CONTEXT_TOKENS)
      .max(MAX_CONTEXT_TOKENS)
      .optional()
      .describe("The budget; by default the session's"),
    format: contextFormatSchema.optional(),
    tokenizer: tokenizerSchema
      .optional()
      .describe(
        "Whose tokens the budget is in: by default `claude` for `anthropic`, and else `o200k`. Claude counts up to 1.35 times as many, and the counts in the answer are its",
      ),
    atSeq: seqSchema.optional().describe("The context as of this message"),
    query: safeText
      .max(MAX_QUERY_LENGTH)
      .nullable()
      .optional()
      .describe(
        "Bring back older messages that matter to this question. `auto`: to the newest message of a user. null or none: bring back none.",
      ),
    summaryRole: z
      .enum(["user", "system"])
      .optional()
      .describe(
        "The role the summary speaks with. user by default: text from a chat must not gain the system's authority.",
      ),
    roles: z
      .enum(["as-said", "merged", "strict"])
      .optional()
      .describe(
        "Whose turn follows whose. as-said: a message for each; merged: neighbours of one role are one message, by default in `openai-chat`; strict: as chat templates want it that know only turns (Mistral, Gemma): system text first and in one message, then a user's turn, and none of a user's right after a tool's result. `anthropic` is in turns always; `ui` and `text` never",
      ),
    provider: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/, { error: "must be 1 to 64 characters of A-Z a-z 0-9 . _ -" })
      .optional()
      .describe(
        "With `ai-sdk`, the provider that the prompt goes to, by the SDK's key for its options (`anthropic`, `openai`, `google`): reasoning that another made is left out, and calls that another ran are told in words. Without it what a provider made goes back as it is",
      ),
    toolFiles: z
      .enum(["named", "sent"])
      .optional()
      .describe(
        "Files that tools show, such as screenshots. named, by default: in words (`[image, 90 KB]`); sent: as files in `anthropic`, `openai-responses` and `ai-sdk`. Not every provider of the AI SDK takes files from tools: some get their base64 as text, and no budget holds for that",
      ),
    cacheControl: cacheTtlSchema
      .optional()
      .describe(
        "With `anthropic`, a `cache_control` of that `ttl` at the end of the stable prefix (`stableThrough`). Without it there is none",
      ),
  })
  .meta({ id: "ContextRequest" });
export type ContextRequest = z.infer<typeof contextRequestSchema>;

/** Messages that are neither word for word nor in the summary, and why. */
export const omittedSchema = z
  .object({
    fromSeq: seqSchema,
    throughSeq: seqSchema,
    reason: z
      .enum(["budget", "hidden", "pending", "branch"])
      .describe(
        `branch: not on the active branch, in at most ${(MAX_BRANCHES + 1).toLocaleString("en")} ranges; budget: no room, or no room for all of it; hidden: erased or awaiting a new summary, in at most ${MAX_HIDDEN_RANGES.toLocaleString("en")} ranges, the last of which may take others along; pending: no room, and a summary of them is on its way`,
      ),
  })
  .meta({ id: "Omitted" });
export type Omitted = z.infer<typeof omittedSchema>;

/** What has no room in the budget, though no summary of it is on its way, and what would help. */
export const leftOutSchema = z
  .object({
    messages: z.int().describe("Messages that are not there word for word, nor in the summary as far as it is there"),
    tokens: z.int().describe("About how many tokens they have beyond what is there of them"),
    maxTokens: z
      .int()
      .nullable()
      .describe(
        "The least budget that leaves nothing out; null if no budget does, since files take more bytes than a context has",
      ),
    help: z.string().describe("What to do next, in words"),
  })
  .meta({ id: "LeftOut" });
export type LeftOut = z.infer<typeof leftOutSchema>;
const leftOut = leftOutSchema
  .optional()
  .describe("There where the budget leaves out what no summary under way covers: what that is, and what would help");

export const contextTokensSchema = z.object({
  budget: z.int(),
  used: z.int(),
  summary: z.int(),
  messages: z.int(),
  retrieved: z.int(),
  pinned: z
    .int()
    .optional()
    .describe(
      "Of `messages`, what instructions and pinned messages from before the recent ones take; not there if nothing",
    ),
});
export type ContextTokens = z.infer<typeof contextTokensSchema>;

const retrievalError = partFaultSchema
  .optional()
  .describe(
    "Older messages could not be looked for: the context is whole, but for what its query would have brought back",
  );

const retrieval = retrievalSchema
  .optional()
  .describe("How older messages were looked for; not there without a query, or where embeddings are off");

const stableThrough = z
  .int()
  .min(0)
  .describe(
    "The prompt is the same to the byte through this message until there is another summary: a provider's prompt cache keeps hitting. What changes the past ends it earlier: an edit, an erasure, a call's result that comes late, an instruction where a format puts those first, or a window that moves because not all fits. 0: through no message, though perhaps through the summary",
  );
const stableMessages = z
  .int()
  .min(0)
  .describe("How many of the messages (of `input`, or of the characters of `text`) that takes");
const stableHash = z
  .string()
  .describe(
    "SHA-256 of that prefix, in hexadecimal: of the JSON of the system's text (`system`, `instructions`, or the summary in `threadkeep`), or null, and of each message's JSON on a line of its own",
  );

/** The context in its own format, with the proof that nothing is silently missing. */
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
            "Not word for word: its middle is cut out, its author's name is cut, or its files are named in its text (`[image, 1.2 MB, message 41]`)",
          ),
      }),
    ),
    omitted: z.array(omittedSchema),
    leftOut,
    retrieved: z
      .array(z.object({ message: messageSchema, score: z.number(), why: z.string() }))
      .describe("Older messages, word for word, that matter to the query; best first"),
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

/** The proof that every other format carries as well. */
export const contextMetaSchema = z
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

// The formats below are what the providers' own SDKs take: their types accept ours without a cast. What may be missing is
// `exactOptional`, because a key that is there and undefined is another type to them.

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
      file_id: z.string().exactOptional().describe("Of a file that OpenAI holds: in the place of its data"),
    }),
  }),
]);
const openaiToolCallSchema = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
const openaiName = z.string().exactOptional();
export const openaiChatMessageSchema = z
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
      content: z.string().nullable().describe("null only beside tool_calls"),
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
export type OpenaiChatContext = z.infer<typeof openaiChatContextSchema>;

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
export const openaiResponsesItemSchema = z
  .discriminatedUnion("type", [
    z.object({
      type: z.literal("message"),
      role: z.enum(["system", "developer", "user", "assistant"]),
      content: z
        .union([z.string(), z.array(openaiInputPartSchema)])
        .describe("A list only where a user's message holds a file"),
    }),
    z.object({ type: z.literal("function_call"), call_id: z.string(), name: z.string(), arguments: z.string() }),
    z.object({
      type: z.literal("function_call_output"),
      call_id: z.string(),
      output: z.union([z.string(), z.array(openaiInputPartSchema)]).describe("A list only where a tool shows a file"),
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
export const openaiResponsesContextSchema = z
  .object({
    instructions: z.string().exactOptional().describe("The summary, with summaryRole=system"),
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
  .describe("With cacheControl, at the end of the stable prefix");
const anthropicUrlSourceSchema = z.object({ type: z.literal("url"), url: z.string() });
/** A file that Anthropic holds. */
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
      .describe("A list only where a tool shows a file"),
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
export const anthropicMessageSchema = z
  .discriminatedUnion("role", [
    z.object({ role: z.literal("user"), content: z.array(anthropicUserBlockSchema).min(1) }),
    z.object({ role: z.literal("assistant"), content: z.array(anthropicAssistantBlockSchema).min(1) }),
  ])
  .meta({ id: "AnthropicMessage" });
export type AnthropicMessage = z.infer<typeof anthropicMessageSchema>;
export const anthropicContextSchema = z
  .object({
    system: z.string().exactOptional(),
    messages: z.array(anthropicMessageSchema).describe("In turns, the user's first"),
    meta: contextMetaSchema,
  })
  .meta({ id: "AnthropicContext" });
export type AnthropicContext = z.infer<typeof anthropicContextSchema>;

/** By provider: what it alone understands. */
export const providerOptionsSchema = z.record(z.string(), z.record(z.string(), safeJson));
export type ProviderOptions = z.infer<typeof providerOptionsSchema>;
const providerOptions = providerOptionsSchema.exactOptional();

/** By provider: how it knows a file that it was given before. */
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
/** An entry as it is stored: in JSON, an address is a text. */
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
/** The same as a prompt has it: the SDK takes an address by itself, and in a file none that is a text. */
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
/** A tool's output as the AI SDK's ModelMessage has it, of a message that is stored: its JSON was looked at as it came in. */
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
  .describe("Of the newest step, whose calls the user has answered and nothing has run yet");
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
  aiSdkToolResultSchema.describe("Of a call that the provider ran itself"),
  aiSdkApprovalRequestSchema,
]);
export type AiSdkAssistantPart = z.infer<typeof aiSdkAssistantPartSchema>;
export const aiSdkMessageSchema = z
  .discriminatedUnion("role", [
    z.object({ role: z.literal("user"), content: z.union([z.string(), z.array(aiSdkUserPartSchema)]) }),
    z.object({ role: z.literal("assistant"), content: z.union([z.string(), z.array(aiSdkAssistantPartSchema)]) }),
    z.object({ role: z.literal("tool"), content: z.array(aiSdkToolPartSchema) }),
  ])
  .meta({ id: "AiSdkMessage" });
export type AiSdkMessage = z.infer<typeof aiSdkMessageSchema>;
export const aiSdkContextSchema = z
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
export const uiMessageSchema = z
  .object({
    id: z.string(),
    role: z.enum(["system", "user", "assistant"]),
    metadata: z
      .record(z.string(), safeJson)
      .exactOptional()
      .describe(
        "The message's own, and its author as `author`, if that key is free. Where others follow the same message as well, `threadkeep` has its `seq` and its `siblings`, as a message that is read has them",
      ),
    parts: z.array(uiPartSchema).min(1),
  })
  .meta({ id: "UiMessage" });
export type UiMessage = z.infer<typeof uiMessageSchema>;
export const uiContextSchema = z
  .object({ messages: z.array(uiMessageSchema), meta: contextMetaSchema })
  .meta({ id: "UiContext" });
export type UiContext = z.infer<typeof uiContextSchema>;

export const textContextSchema = z.object({ text: z.string(), meta: contextMetaSchema }).meta({ id: "TextContext" });
export type TextContext = z.infer<typeof textContextSchema>;

/** A context in each format. */
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
