import { z } from "zod";
import { MAX_PAGE_BYTES, MAX_PAGE_SIZE, MAX_QUERY_LENGTH } from "./limits.ts";
import { messageSchema } from "./message.ts";
import { safeText } from "./text.ts";

export const searchRequestSchema = z
  .strictObject({
    query: safeText
      .min(1)
      .max(MAX_QUERY_LENGTH)
      .describe(
        "What to search for, in plain words of any language. There is no query syntax: quotes and operators are treated as text",
      ),
    limit: z.int().min(1).max(MAX_PAGE_SIZE).optional().describe("The maximum number of hits; 10 by default"),
  })
  .meta({ id: "SearchRequest" });
export type SearchRequest = z.infer<typeof searchRequestSchema>;

const searchHitSchema = z
  .object({
    message: messageSchema,
    score: z.number().describe("Higher is better. Comparable only within one answer"),
    snippet: z.string().describe("The passage that matches best"),
    why: z.string().describe("Why it was found"),
  })
  .meta({ id: "SearchHit" });
export type SearchHit = z.infer<typeof searchHitSchema>;

/** How older messages, or items, were searched. */
export const retrievalSchema = z
  .object({
    by: z.enum(["words", "words-and-meaning"]),
    because: z
      .enum(["late", "unavailable", "budget", "none-yet", "other-model"])
      .optional()
      .describe(
        "Why only words were used. late: the query's vector was not available within 150 ms; repeating the query may find it. unavailable: the embeddings provider failed, or is not called for a while after failures. budget: the tenant's tokens of the day are used up, or a user has searched more than 30 times in this minute. none-yet: nothing that could be found has a vector yet. other-model: the stored vectors are of another model, and new ones are being made",
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
        `true: there were more hits, but their messages exceed ${MAX_PAGE_BYTES / 2 ** 20} MiB together. Narrow the query to see the others`,
      ),
    indexedThroughSeq: z
      .int()
      .min(0)
      .describe("Messages after this one are not searched yet; the index catches up with each search"),
    headSeq: z.int().min(0),
    retrieval: retrievalSchema.optional().describe("How messages were searched; left out if embeddings are off"),
  })
  .meta({ id: "SearchResult" });
export type SearchResult = z.infer<typeof searchResultSchema>;
