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
  summary: "Search the messages of a session",
  description:
    "Full-text search in any language, best hits first. It considers how rare a word is, names, dates and neighbouring messages. The index is built on first use and catches up in steps with each search: if `indexedThroughSeq` is less than `headSeq`, newer messages are not searched yet; repeat the request. Appends never wait for the index. If the hits have more than 4 MiB together, only the best of them are returned, and `hasMore` is true.",
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
  summary: "Search the memory of all your sessions",
  description:
    "Searches the summary items of all your sessions, including expired ones. A hit contains at least one word of the query; rare words count more. If the deployment has embeddings, it may instead be near to the query in meaning: the sessions with the best hits for words and those with the newest items, at most 50, are searched for such items. The search for words runs in PostgreSQL, so new items are found once they are archived, some moments after the summary was made. Each hit is checked with its session before it is returned, so erased or changed items are left out immediately. English words are found in their other forms, accents are ignored, and Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese need no spaces. If PostgreSQL cannot be reached, this answers 503; all other requests still work.",
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
