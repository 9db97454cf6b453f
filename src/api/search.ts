import { z } from "zod";
import { MAX_PAGE_BYTES, MAX_PAGE_SIZE, MAX_QUERY_LENGTH } from "./limits.ts";
import { messageSchema } from "./message.ts";
import { safeText } from "./text.ts";

export const searchRequestSchema = z
  .strictObject({
    query: safeText
      .min(1)
      .max(MAX_QUERY_LENGTH)
      .describe("What to look for, in plain words of any language. It has no syntax: quotes and operators are text."),
    limit: z.int().min(1).max(MAX_PAGE_SIZE).optional().describe("Hits at most; 10 by default"),
  })
  .meta({ id: "SearchRequest" });
export type SearchRequest = z.infer<typeof searchRequestSchema>;

export const searchHitSchema = z
  .object({
    message: messageSchema,
    score: z.number().describe("Comparable within one answer only"),
    snippet: z.string().describe("The passage that matches best"),
    why: z.string().describe("What brought it here"),
  })
  .meta({ id: "SearchHit" });
export type SearchHit = z.infer<typeof searchHitSchema>;

/** How older messages were looked for. */
export const retrievalSchema = z
  .object({
    by: z.enum(["words", "words-and-meaning"]),
    because: z
      .enum(["late", "unavailable", "budget", "none-yet", "other-model"])
      .optional()
      .describe(
        "Why by words alone. late: what the query means was not known within 150 ms, and the same query asked again may find it; unavailable: the provider of embeddings failed or is left alone after failures; budget: the tenant's tokens of the day are spent; none-yet: nothing older has a vector yet; other-model: the vectors are of another model, and new ones are being made",
      ),
  })
  .meta({ id: "Retrieval" });
export type ToldRetrieval = z.infer<typeof retrievalSchema>;

export const searchResultSchema = z
  .object({
    data: z.array(searchHitSchema).describe("Best first"),
    hasMore: z
      .boolean()
      .describe(
        `true: more was found, and left out: the messages come to more than ${MAX_PAGE_BYTES / 2 ** 20} MiB. Narrow the query to see the others.`,
      ),
    indexedThroughSeq: z
      .int()
      .min(0)
      .describe("Messages after this one are not searched yet: the index catches up with each search"),
    headSeq: z.int().min(0),
    retrieval: retrievalSchema.optional().describe("How it was looked for; not there where embeddings are off"),
  })
  .meta({ id: "SearchResult" });
export type SearchResult = z.infer<typeof searchResultSchema>;
