import { z } from "zod";
import { searchRequestSchema, searchResultSchema } from "../../contracts/search.ts";
import { searchSession } from "../../service/search.ts";
import { sessionParams } from "../parameters.ts";
import { defineRoute } from "../route.ts";
import { sample } from "../samples.ts";

const searchMessages = defineRoute({
  method: "post",
  path: "/v1/sessions/{sessionId}/search",
  operationId: "searchSession",
  tag: "Search",
  summary: "Find the messages that matter to a query",
  description:
    "Full text, best first, in any language. Rare words, names, dates and neighbouring turns count. The index is built on first use and catches up with each search, in slices: compare `indexedThroughSeq` with `headSeq`, and ask again where it lags. An append never waits for it.",
  request: z.object({ params: sessionParams, body: searchRequestSchema }),
  bodyExample: sample.searchRequest,
  answers: { 200: { description: "The hits", schema: searchResultSchema, example: sample.searchResult } },
  problems: ["session_not_found"],
  async handle(call, { params, body }) {
    return { status: 200, body: await searchSession(call, params.sessionId, body) };
  },
});

export const searchRoutes = [searchMessages];
