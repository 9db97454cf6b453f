import { z } from "zod";
import { MAX_CONTEXT_TOKENS, MIN_CONTEXT_TOKENS } from "./limits.ts";
import { messageSchema, seqSchema } from "./message.ts";
import { summarySchema } from "./summary.ts";

export const contextFormatSchema = z.enum(["threadkeep", "openai-chat", "ai-sdk", "text"]);
export type ContextFormat = z.infer<typeof contextFormatSchema>;

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
    atSeq: seqSchema.optional().describe("The context as of this message"),
    summaryRole: z
      .enum(["user", "system"])
      .optional()
      .describe(
        "The role the summary speaks with. user by default: text from a chat must not gain the system's authority.",
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
      .enum(["budget", "hidden", "pending"])
      .describe(
        "budget: no room; hidden: erased or awaiting a new summary; pending: no room, and a summary of them is on its way",
      ),
  })
  .meta({ id: "Omitted" });
export type Omitted = z.infer<typeof omittedSchema>;

export const contextTokensSchema = z.object({
  budget: z.int(),
  used: z.int(),
  summary: z.int(),
  messages: z.int(),
});
export type ContextTokens = z.infer<typeof contextTokensSchema>;

/** The context in its own format, with the proof that nothing is silently missing. */
export const contextSchema = z
  .object({
    sessionId: z.string(),
    headSeq: z.int().min(0),
    atSeq: z.int().min(0),
    summary: summarySchema.nullable(),
    messages: z.array(
      messageSchema.extend({
        cut: z.literal(true).optional().describe("Too large for the budget: its middle is cut out"),
      }),
    ),
    omitted: z.array(omittedSchema),
    tokens: contextTokensSchema,
    summaryPending: z.boolean(),
  })
  .meta({ id: "Context" });
export type Context = z.infer<typeof contextSchema>;

/** The proof that every other format carries as well. */
export const contextMetaSchema = z.object({
  sessionId: z.string(),
  headSeq: z.int().min(0),
  atSeq: z.int().min(0),
  summaryThroughSeq: z.int().min(0),
  summaryPending: z.boolean(),
  omitted: z.array(omittedSchema),
  tokens: contextTokensSchema,
});
export type ContextMeta = z.infer<typeof contextMetaSchema>;

const openaiToolCallSchema = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
export const openaiChatMessageSchema = z.object({
  role: z.enum(["system", "developer", "user", "assistant", "tool"]),
  content: z.union([z.string(), z.array(z.record(z.string(), z.unknown()))]).nullable(),
  name: z.string().optional(),
  tool_calls: z.array(openaiToolCallSchema).optional(),
  tool_call_id: z.string().optional(),
});
export type OpenaiChatMessage = z.infer<typeof openaiChatMessageSchema>;
export const openaiChatContextSchema = z
  .object({ messages: z.array(openaiChatMessageSchema), meta: contextMetaSchema })
  .meta({ id: "OpenaiChatContext" });

export const aiSdkMessageSchema = z.object({
  role: z.enum(["system", "user", "assistant", "tool"]),
  content: z.union([z.string(), z.array(z.record(z.string(), z.unknown()))]),
});
export type AiSdkMessage = z.infer<typeof aiSdkMessageSchema>;
export const aiSdkContextSchema = z
  .object({
    system: z.string().optional(),
    messages: z.array(aiSdkMessageSchema),
    meta: contextMetaSchema,
  })
  .meta({ id: "AiSdkContext" });

export const textContextSchema = z.object({ text: z.string(), meta: contextMetaSchema }).meta({ id: "TextContext" });

export type RenderedContext =
  | Context
  | z.infer<typeof openaiChatContextSchema>
  | z.infer<typeof aiSdkContextSchema>
  | z.infer<typeof textContextSchema>;
