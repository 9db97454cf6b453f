import { z } from "zod";
import {
  MAX_ITEMS_PER_SUMMARY,
  MAX_ITEM_TEXT_LENGTH,
  MAX_LANGUAGE_LENGTH,
  MAX_SOURCES_PER_ITEM,
  MAX_SUMMARIZER_INSTRUCTIONS_LENGTH,
} from "./limits.ts";
import { roleSchema, seqSchema } from "./message.ts";
import { itemKindSchema, itemSchema, itemStatusSchema } from "./summary.ts";

/**
 * The one tool that a summarizer must offer over MCP. Any MCP server with this tool can replace the built-in
 * summarizer.
 */
export const SUMMARIZE_TOOL = "summarize_conversation";

/** A message as a summarizer gets it: its parts converted to plain text. */
const transcriptMessageSchema = z.object({
  seq: seqSchema,
  role: roleSchema,
  author: z.string().optional(),
  at: z.string().describe("When it was said, ISO 8601"),
  text: z.string(),
});
export type TranscriptMessage = z.infer<typeof transcriptMessageSchema>;

export const summarizerRequestSchema = z.object({
  previous: z.array(itemSchema).describe("The items of the current summary"),
  messages: z.array(transcriptMessageSchema).describe("The messages since then, in order"),
  maxTokens: z.int().min(1).describe("Token budget of all items together"),
  language: z
    .string()
    .max(MAX_LANGUAGE_LENGTH)
    .optional()
    .describe("BCP 47 tag of the language to write in; if left out, the language of the chat"),
  instructions: z
    .string()
    .max(MAX_SUMMARIZER_INSTRUCTIONS_LENGTH)
    .optional()
    .describe("What the operator wants to be kept or left out; never text of a chat"),
});
export type SummarizerRequest = z.infer<typeof summarizerRequestSchema>;

/**
 * An item in a summarizer's answer. With an `id` it replaces that item of `previous`; without one it is new.
 * @internal The service itself needs it only as a part of other schemas, or for its type; tests compare it with what clients and documents have.
 */
export const proposedItemSchema = z.object({
  id: z.string().optional(),
  kind: itemKindSchema,
  text: z.string().min(1).max(MAX_ITEM_TEXT_LENGTH),
  sourceSeqs: z.array(seqSchema).min(1).max(MAX_SOURCES_PER_ITEM),
  status: itemStatusSchema,
});
export type ProposedItem = z.infer<typeof proposedItemSchema>;

const summarizerUsageSchema = z.object({
  inputTokens: z.int().min(0),
  outputTokens: z.int().min(0),
  costMicroDollars: z
    .int()
    .min(0)
    .optional()
    .describe("Millionths of a US dollar; left out if no prices are configured"),
});
export type SummarizerUsage = z.infer<typeof summarizerUsageSchema>;

/** The complete new list of items. An item of `previous` that is not in it is dropped. */
export const summarizerAnswerSchema = z.object({
  items: z.array(proposedItemSchema).max(MAX_ITEMS_PER_SUMMARY),
  usage: summarizerUsageSchema.optional(),
  model: z.string().describe("What made the summary, such as extractive"),
});
export type SummarizerAnswer = z.infer<typeof summarizerAnswerSchema>;

const summarizerFailureKindSchema = z.enum([
  "unreachable",
  "timeout",
  "rate_limited",
  "refused",
  "invalid_answer",
  "tool_error",
]);

/**
 * How a summarizer reports a failure: under `error` in the structured content of an error result. It contains no text
 * of a chat.
 */
export const summarizerFailureSchema = z.object({
  kind: summarizerFailureKindSchema,
  status: z.int().min(100).max(599).optional().describe("HTTP status of the model provider's response"),
  retryAfterSeconds: z.number().min(0).optional().describe("The pause that the provider asked for"),
  usage: summarizerUsageSchema.optional().describe("What the failed attempt used"),
});
export type SummarizerFailure = z.infer<typeof summarizerFailureSchema>;
