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
  })
  .meta({ id: "SearchResult" });
export type SearchResult = z.infer<typeof searchResultSchema>;
