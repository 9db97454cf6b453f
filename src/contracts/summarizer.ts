import { z } from "zod";
import { MAX_ITEMS_PER_SUMMARY, MAX_ITEM_TEXT_LENGTH, MAX_SOURCES_PER_ITEM } from "./limits.ts";
import { roleSchema, seqSchema } from "./message.ts";
import { itemKindSchema, itemSchema, itemStatusSchema } from "./summary.ts";

/** The one tool that a summarizer offers over MCP. Any server with it can stand in for ours. */
export const SUMMARIZE_TOOL = "summarize_conversation";

/** A message as a summarizer reads it: text alone, the parts already flattened. */
export const transcriptMessageSchema = z.object({
  seq: seqSchema,
  role: roleSchema,
  author: z.string().optional(),
  at: z.string().describe("When it was said, ISO 8601"),
  text: z.string(),
});
export type TranscriptMessage = z.infer<typeof transcriptMessageSchema>;

export const summarizerRequestSchema = z.object({
  previous: z.array(itemSchema).describe("The items so far"),
  messages: z.array(transcriptMessageSchema).describe("What was said since, in order"),
  maxTokens: z.int().min(1).describe("Budget of all items together"),
  language: z.string().optional(),
  instructions: z.string().optional(),
});
export type SummarizerRequest = z.infer<typeof summarizerRequestSchema>;

/** An item as a summarizer gives it. With an `id` it continues that item of `previous`; without one it is new. */
export const proposedItemSchema = z.object({
  id: z.string().optional(),
  kind: itemKindSchema,
  text: z.string().min(1).max(MAX_ITEM_TEXT_LENGTH),
  sourceSeqs: z.array(seqSchema).min(1).max(MAX_SOURCES_PER_ITEM),
  status: itemStatusSchema,
});
export type ProposedItem = z.infer<typeof proposedItemSchema>;

/** The new list of items, whole: what is left out of it is forgotten. */
export const summarizerAnswerSchema = z.object({
  items: z.array(proposedItemSchema).max(MAX_ITEMS_PER_SUMMARY),
  usage: z.object({ inputTokens: z.int().min(0), outputTokens: z.int().min(0) }).optional(),
  model: z.string().describe("What made it, such as extractive"),
});
export type SummarizerAnswer = z.infer<typeof summarizerAnswerSchema>;
