import { z } from "zod";
import { aiSdkContextSchema } from "./context-ai-sdk.ts";
import { anthropicContextSchema, cacheTtlSchema } from "./context-anthropic.ts";
import {
  contextMetaSchema,
  contextTokensSchema,
  leftOut,
  omittedSchema,
  retrieval,
  retrievalError,
  stableHash,
  stableMessages,
  stableThrough,
} from "./context-meta.ts";
import { openaiChatContextSchema, openaiResponsesContextSchema } from "./context-openai.ts";
import { uiContextSchema } from "./context-ui.ts";
import { MAX_CONTEXT_TOKENS, MAX_QUERY_LENGTH, MIN_CONTEXT_TOKENS } from "./limits.ts";
import { messageSchema, seqSchema } from "./message.ts";
import { summarySchema } from "./summary.ts";
import { safeText } from "./text.ts";

/** @internal The service itself needs it only as a part of other schemas, or for its type; tests compare it with what clients and documents have. */
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

export const textContextSchema = z.object({ text: z.string(), meta: contextMetaSchema }).meta({ id: "TextContext" });
export type TextContext = z.infer<typeof textContextSchema>;

/**
 * The schema of a context in each format. Those of the providers describe what their SDKs accept: our values can be
 * passed to them without a cast. Optional keys are `exactOptional`, because the SDKs' types, under
 * `exactOptionalPropertyTypes`, do not accept a key that is present and undefined.
 */
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
