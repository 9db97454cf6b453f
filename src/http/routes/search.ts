import { z } from "zod";
import { memorySearchRequestSchema, memorySearchResultSchema } from "../../api/memory-search.ts";
import { searchRequestSchema, searchResultSchema } from "../../api/search.ts";
import { searchMemory } from "../../usecases/memory-search.ts";
import { searchSessionJson } from "../../usecases/search.ts";
import { sessionParams } from "../parameters.ts";
import { defineRoute, WrittenJson } from "../route.ts";

const searchMessages = defineRoute({
  method: "post",
  path: "/v1/sessions/{sessionId}/search",
  operationId: "searchSession",
  tag: "Search",
  summary: "Find the messages that matter to a query",
  description:
    "Full text, best first, in any language. Rare words, names, dates and neighbouring turns count. The index is built on first use and catches up with each search, in slices: compare `indexedThroughSeq` with `headSeq`, and ask again where it lags. An append never waits for it. Of large messages come as many as have 4 MiB together, the best first, and `hasMore` says that there are others.",
  request: z.object({ params: sessionParams, body: searchRequestSchema }),
  answers: { 200: { description: "The hits", schema: searchResultSchema } },
  problems: ["session_not_found"],
  async handle(call, { params, body }) {
    return { status: 200, body: new WrittenJson(await searchSessionJson(call, params.sessionId, body)) };
  },
});

const searchMemories = defineRoute({
  method: "post",
  path: "/v1/search",
  operationId: "searchMemory",
  tag: "Search",
  summary: "Find what your sessions remember",
  description:
    "The items of the summaries of all your sessions, found by any of the query's words, the rarer the better. It is found in PostgreSQL: what a session learned appears once it is archived, moments after it was summarized. Each hit is checked with its session before it is given out, so what was erased or changed is left out at once. Sessions that expired are searched, too. English words are found in their other forms, accents make no difference, and Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese are found without spaces. While PostgreSQL is away it answers 503, and nothing else does.",
  request: z.object({ body: memorySearchRequestSchema }),
  answers: {
    200: { description: "The hits", schema: memorySearchResultSchema },
  },
  problems: ["unavailable"],
  async handle(call, { body }) {
    return { status: 200, body: await searchMemory(call, body) };
  },
});

export const searchRoutes = [searchMessages, searchMemories];
