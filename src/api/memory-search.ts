import { z } from "zod";
import { MAX_PAGE_SIZE, MAX_QUERY_LENGTH } from "./limits.ts";
import { retrievalSchema } from "./search.ts";
import { sessionIdSchema } from "./session.ts";
import { itemKindSchema, itemSchema, itemStatusSchema } from "./summary.ts";
import { safeText } from "./text.ts";

/** How many sessions a search may name. To search more, search all of them. */
const MAX_NAMED_SESSIONS = 100;

export const memorySearchRequestSchema = z
  .strictObject({
    query: safeText
      .min(1, { abort: true })
      .max(MAX_QUERY_LENGTH)
      .refine((query) => /[\p{L}\p{N}]/u.test(query), { error: "must contain a word or a number to look for" })
      .describe(
        "What to search for, in plain words of any language. There is no query syntax: quotes and operators are treated as text",
      ),
    limit: z.int().min(1).max(MAX_PAGE_SIZE).optional().describe("The maximum number of hits; 10 by default"),
    kinds: z
      .array(itemKindSchema)
      .min(1)
      .max(itemKindSchema.options.length)
      .optional()
      .describe("Only items of these kinds; all by default"),
    status: z
      .enum([...itemStatusSchema.options, "any"])
      .optional()
      .describe("Only items with this status; `current` by default"),
    sessions: z
      .array(sessionIdSchema)
      .min(1)
      .max(MAX_NAMED_SESSIONS)
      .optional()
      .describe("Search only these sessions; by default all sessions of the caller"),
  })
  .meta({ id: "MemorySearchRequest" });
export type MemorySearchRequest = z.infer<typeof memorySearchRequestSchema>;

const memoryHitSchema = z
  .object({
    sessionId: z.string().describe("The session whose summary holds the item"),
    item: itemSchema,
    score: z.number().describe("Higher is better. Comparable only within one answer"),
    snippet: z.string().describe("The passage that matches best"),
    summarizedAt: z.string().describe("When the version of the summary was made in which the item first appeared"),
  })
  .meta({ id: "MemoryHit" });
export type MemoryHit = z.infer<typeof memoryHitSchema>;

export const memorySearchResultSchema = z
  .object({
    data: z.array(memoryHitSchema).describe("Best first"),
    retrieval: retrievalSchema.optional().describe("How items were searched; left out if embeddings are off"),
  })
  .meta({ id: "MemorySearchResult" });
export type MemorySearchResult = z.infer<typeof memorySearchResultSchema>;
