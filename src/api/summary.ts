import { z } from "zod";
import { MAX_EXPANDED_SOURCES, MAX_LOST_WORDS, MAX_PAGE_BYTES } from "./limits.ts";
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

/** An item as it is kept: with the epoch of the session that its sources are of, where it was carried over. No client is told of lives. */
export interface KeptItem extends Item {
  /** Undefined where that session is not here, as of an item that a file brought along. */
  readonly sourceEpoch?: string | undefined;
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

/** What making a version took, also in vain. What is left out is not known, or nothing of the kind was asked. */
export const summaryUsageSchema = z
  .object({
    inputTokens: z.int().min(0).optional().describe("Tokens that models read; absent where none told how many"),
    outputTokens: z.int().min(0).optional().describe("Tokens that models wrote; absent where none told how many"),
    costMicroDollars: z
      .int()
      .min(0)
      .optional()
      .describe("Millionths of a US dollar; absent where no prices are set, or nothing was paid"),
    durationMs: z
      .int()
      .min(0)
      .optional()
      .describe(
        "From the moment its messages were handed out until the answer was there, over all chunks and attempts",
      ),
  })
  .meta({ id: "SummaryUsage" });
export type SummaryUsage = z.infer<typeof summaryUsageSchema>;

/** A version in the history of the summary. */
export const summaryVersionSchema = summarySchema.extend({
  usage: summaryUsageSchema
    .optional()
    .describe(
      "What making it took. Not told to users, whose operator pays; absent where it is not known, as of a version that a file brought without it, or that is an earlier one brought back",
    ),
});
export type SummaryVersion = z.infer<typeof summaryVersionSchema>;

/** A summary with the messages that its items cite. */
export const expandedSummarySchema = summaryVersionSchema.extend({
  sources: z.array(messageSchema).optional().describe("The messages that the items cite, oldest first, if asked for"),
  hasMoreSources: z
    .boolean()
    .optional()
    .describe(
      `true: the items cite more messages than come along (${MAX_EXPANDED_SOURCES}, and ${MAX_PAGE_BYTES / 2 ** 20} MiB): read the others by their seqs`,
    ),
});
export type ExpandedSummary = z.infer<typeof expandedSummarySchema>;

export const restoreRequestSchema = z
  .strictObject({
    expectedVersion: z
      .int()
      .min(1)
      .optional()
      .describe(
        "Refuse with summary_version_mismatch unless this is the newest version, which the restored one replaces",
      ),
  })
  .meta({ id: "RestoreRequest" });
export type RestoreRequest = z.infer<typeof restoreRequestSchema>;

/** Two versions of a summary, item by item. */
export const summaryChangesSchema = z
  .object({
    version: z.int().min(1),
    from: z
      .int()
      .min(1)
      .nullable()
      .describe("The version that it is held against; null if there is none before it, and all of it is new"),
    kept: z.array(itemSchema).describe("In both, word for word"),
    reworded: z
      .array(z.object({ before: itemSchema, after: itemSchema }))
      .describe("In both, in other words, of another kind, or with another status"),
    dropped: z.array(itemSchema).describe("Not there any more"),
    added: z.array(itemSchema).describe("Not there before"),
  })
  .meta({ id: "SummaryChanges" });
export type SummaryChanges = z.infer<typeof summaryChangesSchema>;

export const lostWordSchema = z.object({
  kind: z.enum(["number", "name", "instruction"]),
  text: z.string().describe("As the user wrote it; of an instruction the whole sentence"),
});
export type LostWord = z.infer<typeof lostWordSchema>;

/** A message of a user that a version covers, and what of it no item of the version says. */
export const lossSchema = z
  .object({
    seq: seqSchema,
    id: z.string(),
    words: z.array(lostWordSchema).min(1).describe(`Standing wishes first; at most ${MAX_LOST_WORDS}`),
  })
  .meta({ id: "SummaryLoss" });
export type Loss = z.infer<typeof lossSchema>;
