import { z } from "zod";
import { MAX_EXPANDED_SOURCES, MAX_LOST_WORDS, MAX_PAGE_BYTES } from "./limits.ts";
import { messageSchema, seqSchema } from "./message.ts";

export const itemKindSchema = z.enum(["fact", "preference", "decision", "task", "question", "event", "instruction"]);
export type ItemKind = z.infer<typeof itemKindSchema>;

export const itemStatusSchema = z.enum(["current", "done", "superseded"]);
export type ItemStatus = z.infer<typeof itemStatusSchema>;

/** One statement of a summary, and the messages that it is based on. */
export const itemSchema = z
  .object({
    id: z.string(),
    kind: itemKindSchema,
    text: z.string(),
    sourceSeqs: z.array(seqSchema).min(1),
    sourceSession: z
      .string()
      .optional()
      .describe("The session of the cited messages, if the item was carried over from another session"),
    status: itemStatusSchema,
  })
  .meta({ id: "SummaryItem" });
export type Item = z.infer<typeof itemSchema>;

/**
 * An item as it is stored. If it was carried over, it has the epoch of the session that its sources belong to, which
 * clients do not see.
 */
export interface KeptItem extends Item {
  /** Undefined if that session is not on this deployment, as for an imported item. */
  readonly sourceEpoch?: string | undefined;
}

export const summarySchema = z
  .object({
    version: z.int().min(1),
    throughSeq: z
      .int()
      .min(0)
      .describe("The summary covers messages 1 to this one; 0 if all its items were carried over"),
    items: z.array(itemSchema),
    tokens: z.int(),
    summarizer: z.string().describe("What made the summary, such as extractive"),
    degraded: z.boolean().describe("It was made without the configured model. A better one will replace it"),
    droppedItems: z
      .int()
      .describe(
        "How many proposed items were left out, because the cited messages do not support them or there was no room",
      ),
    createdAt: z.string(),
  })
  .meta({ id: "Summary" });
export type Summary = z.infer<typeof summarySchema>;

/**
 * What making a version used, including failed attempts. A field is left out if its value is not known or the resource
 * was not used.
 */
export const summaryUsageSchema = z
  .object({
    inputTokens: z.int().min(0).optional().describe("Tokens that models read; left out if no model reported it"),
    outputTokens: z.int().min(0).optional().describe("Tokens that models wrote; left out if no model reported it"),
    costMicroDollars: z
      .int()
      .min(0)
      .optional()
      .describe("Millionths of a US dollar; left out if no prices are configured, or nothing was paid"),
    durationMs: z
      .int()
      .min(0)
      .optional()
      .describe("Time from handing out the messages until the answer was complete, over all chunks and attempts"),
  })
  .meta({ id: "SummaryUsage" });
export type SummaryUsage = z.infer<typeof summaryUsageSchema>;

/** A version in the history of the summary. */
export const summaryVersionSchema = summarySchema.extend({
  usage: summaryUsageSchema
    .optional()
    .describe(
      "What making it used. Not shown to users, because their operator pays. Left out if it is not known, such as for imported and restored versions",
    ),
});
export type SummaryVersion = z.infer<typeof summaryVersionSchema>;

/** A summary with the messages that its items cite. */
export const expandedSummarySchema = summaryVersionSchema.extend({
  sources: z
    .array(messageSchema)
    .optional()
    .describe("The messages that the items cite, oldest first, if they were requested"),
  hasMoreSources: z
    .boolean()
    .optional()
    .describe(
      `true: the items cite more messages than are returned (${MAX_EXPANDED_SOURCES}, and ${MAX_PAGE_BYTES / 2 ** 20} MiB). Read the others by their seqs`,
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
        "Refuse with summary_version_mismatch unless this is the newest version. The restored version replaces it",
      ),
  })
  .meta({ id: "RestoreRequest" });
export type RestoreRequest = z.infer<typeof restoreRequestSchema>;

/** The differences between two versions of a summary, item by item. */
export const summaryChangesSchema = z
  .object({
    version: z.int().min(1),
    from: z
      .int()
      .min(1)
      .nullable()
      .describe("The version it is compared with; null if it is the first version, so that everything is new"),
    kept: z.array(itemSchema).describe("Items that are the same in both"),
    reworded: z
      .array(z.object({ before: itemSchema, after: itemSchema }))
      .describe("Items in both versions whose text, kind or status changed"),
    dropped: z.array(itemSchema).describe("Items that are no longer there"),
    added: z.array(itemSchema).describe("Items that are new"),
  })
  .meta({ id: "SummaryChanges" });
export type SummaryChanges = z.infer<typeof summaryChangesSchema>;

const lostWordSchema = z.object({
  kind: z.enum(["number", "name", "instruction"]),
  text: z.string().describe("As the user wrote it; for an instruction, the whole sentence"),
});
export type LostWord = z.infer<typeof lostWordSchema>;

/** A user's message that a version covers, and the words of it that no item of the version contains. */
export const lossSchema = z
  .object({
    seq: seqSchema,
    id: z.string(),
    words: z.array(lostWordSchema).min(1).describe(`Instructions first; at most ${MAX_LOST_WORDS}`),
  })
  .meta({ id: "SummaryLoss" });
export type Loss = z.infer<typeof lossSchema>;
