import { z } from "zod";
import { MAX_EXPANDED_SOURCES, MAX_PAGE_BYTES } from "./limits.ts";
import { messageSchema, seqSchema } from "./message.ts";

export const itemKindSchema = z.enum(["fact", "preference", "decision", "task", "question", "event", "instruction"]);
export type ItemKind = z.infer<typeof itemKindSchema>;

export const itemStatusSchema = z.enum(["current", "done", "superseded"]);
export type ItemStatus = z.infer<typeof itemStatusSchema>;

/** One statement of a summary, and the messages that it rests on. */
export const itemSchema = z
  .object({
    id: z.string(),
    kind: itemKindSchema,
    text: z.string(),
    sourceSeqs: z.array(seqSchema).min(1),
    sourceSession: z
      .string()
      .optional()
      .describe("The session whose messages these are, if the item was carried over from another"),
    status: itemStatusSchema,
  })
  .meta({ id: "SummaryItem" });
export type Item = z.infer<typeof itemSchema>;

/** An item as it is kept: with the life of the session that its sources are of, where it was carried over. No client is told of lives. */
export interface KeptItem extends Item {
  /** Undefined where that session is not here, as of an item that a file brought along. */
  readonly sourceIncarnation?: string | undefined;
}

export const summarySchema = z
  .object({
    version: z.int().min(1),
    throughSeq: z.int().min(0).describe("It covers messages 1 to this one; 0 if all it holds was carried over"),
    items: z.array(itemSchema),
    tokens: z.int(),
    summarizer: z.string().describe("What made it, such as extractive"),
    degraded: z.boolean().describe("Made without the model that was asked for; a better one follows"),
    droppedItems: z.int().describe("Items left out, because they had no support or no room"),
    createdAt: z.string(),
  })
  .meta({ id: "Summary" });
export type Summary = z.infer<typeof summarySchema>;

/** A summary with the messages that its items cite. */
export const expandedSummarySchema = summarySchema.extend({
  sources: z.array(messageSchema).optional().describe("The messages that the items cite, oldest first, if asked for"),
  hasMoreSources: z
    .boolean()
    .optional()
    .describe(
      `true: the items cite more messages than come along (${MAX_EXPANDED_SOURCES}, and ${MAX_PAGE_BYTES / 2 ** 20} MiB): read the others by their seqs`,
    ),
});
export type ExpandedSummary = z.infer<typeof expandedSummarySchema>;
