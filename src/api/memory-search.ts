import { z } from "zod";
import { MAX_PAGE_SIZE, MAX_QUERY_LENGTH } from "./limits.ts";
import { sessionIdSchema } from "./session.ts";
import { itemKindSchema, itemSchema, itemStatusSchema } from "./summary.ts";
import { safeText } from "./text.ts";

/** A search of more sessions than this is one of all of them. */
const MAX_NAMED_SESSIONS = 100;

export const memorySearchRequestSchema = z
  .strictObject({
    query: safeText
      .min(1, { abort: true })
      .max(MAX_QUERY_LENGTH)
      .refine((query) => /[\p{L}\p{N}]/u.test(query), { error: "must contain a word or a number to look for" })
      .describe("What to look for, in plain words of any language. It has no syntax: quotes and operators are text."),
    limit: z.int().min(1).max(MAX_PAGE_SIZE).optional().describe("Hits at most; 10 by default"),
    kinds: z
      .array(itemKindSchema)
      .min(1)
      .max(itemKindSchema.options.length)
      .optional()
      .describe("Kinds of items; all by default"),
    status: z
      .enum([...itemStatusSchema.options, "any"])
      .optional()
      .describe("Status of the items; current by default"),
    sessions: z
      .array(sessionIdSchema)
      .min(1)
      .max(MAX_NAMED_SESSIONS)
      .optional()
      .describe("Look in these sessions alone; in all of the caller's by default"),
  })
  .meta({ id: "MemorySearchRequest" });
export type MemorySearchRequest = z.infer<typeof memorySearchRequestSchema>;

export const memoryHitSchema = z
  .object({
    sessionId: z.string().describe("The session whose summary holds the item"),
    item: itemSchema,
    score: z.number().describe("Comparable within one answer only"),
    snippet: z.string().describe("The passage that matches best"),
    summarizedAt: z.string().describe("When the version of the summary was made that brought the item"),
  })
  .meta({ id: "MemoryHit" });
export type MemoryHit = z.infer<typeof memoryHitSchema>;

export const memorySearchResultSchema = z
  .object({ data: z.array(memoryHitSchema).describe("Best first") })
  .meta({ id: "MemorySearchResult" });
export type MemorySearchResult = z.infer<typeof memorySearchResultSchema>;
