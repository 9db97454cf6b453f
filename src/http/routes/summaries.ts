import { z } from "zod";
import { jobSchema, summarizeRequestSchema } from "../../api/job.ts";
import { pageSchema } from "../../api/page.ts";
import {
  expandedSummarySchema,
  lossSchema,
  restoreRequestSchema,
  summaryChangesSchema,
  summarySchema,
  summaryVersionSchema,
} from "../../api/summary.ts";
import {
  compareSummaries,
  listLosses,
  listSummaries,
  readSummary,
  restoreSummary,
  summarizeByHand,
} from "../../usecases/summaries.ts";
import { cursorParameter, integerParameter, limitParameter, sessionParams, summaryParams } from "../parameters.ts";
import { defineRoute } from "../route.ts";

const summarize = defineRoute({
  method: "post",
  path: "/v1/sessions/{sessionId}/summarize",
  operationId: "summarizeSession",
  tag: "Summaries",
  summary: "Summarize by hand",
  description:
    "Asks for a new summary of all but the recent messages, in the background. With `waitMs` the answer waits that long for it; `summary` is null if it is not there yet. Then read the session until `summaryPending` is false.",
  request: z.object({ params: sessionParams, body: summarizeRequestSchema.default({}) }),
  answers: {
    202: {
      description: "The job, and the summary if it came in time",
      schema: z.object({
        job: jobSchema.nullable().describe("null if there is nothing to summarize"),
        summary: summarySchema.nullable().describe("The newest, if it came in time"),
      }),
    },
  },
  problems: ["session_not_found", "quota_exceeded"],
  async handle(call, { params, body }) {
    return { status: 202, body: await summarizeByHand(call, params.sessionId, body) };
  },
});

const list = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/summaries",
  operationId: "listSummaries",
  tag: "Summaries",
  summary: "List the versions of the summary, newest first",
  description:
    "Each version says which messages it covers, what made it and, but to users, what that took. A page of large versions ends early, with `hasMore`.",
  request: z.object({
    params: sessionParams,
    query: z.strictObject({ limit: limitParameter, cursor: cursorParameter }),
  }),
  answers: {
    200: {
      description: "A page of summaries",
      schema: pageSchema(summaryVersionSchema),
    },
  },
  problems: ["session_not_found"],
  async handle(call, { params, query }) {
    return { status: 200, body: await listSummaries(call, params.sessionId, query) };
  },
});

const read = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/summaries/{version}",
  operationId: "readSummary",
  tag: "Summaries",
  summary: "Read one version of the summary",
  description:
    "With `expand=sources` the messages that its items cite come along, in order: up to 1,000 of them, and 4 MiB. `hasMoreSources` says that there are others; the items name their seqs.",
  request: z.object({
    params: summaryParams,
    query: z.strictObject({
      expand: z.literal("sources").optional().describe("Return the cited messages as well"),
    }),
  }),
  answers: {
    200: { description: "The summary", schema: expandedSummarySchema },
  },
  problems: ["session_not_found", "summary_not_found"],
  async handle(call, { params, query }) {
    const summary = await readSummary(call, params.sessionId, params.version, {
      expandSources: query.expand === "sources",
    });
    return { status: 200, body: summary };
  },
});

const compare = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/summaries/{version}/diff",
  operationId: "compareSummaries",
  tag: "Summaries",
  summary: "Compare two versions of the summary",
  description:
    "What became of each item: kept, reworded, dropped or added. An item counts as reworded if it says much the same of the same messages.",
  request: z.object({
    params: summaryParams,
    query: z.strictObject({
      from: integerParameter(z.int().min(1))
        .optional()
        .describe("The version to hold it against. Without it the one before"),
    }),
  }),
  answers: {
    200: {
      description: "The items, by what became of them",
      schema: summaryChangesSchema,
    },
  },
  problems: ["session_not_found", "summary_not_found"],
  async handle(call, { params, query }) {
    return { status: 200, body: await compareSummaries(call, params.sessionId, params.version, query.from) };
  },
});

const restore = defineRoute({
  method: "post",
  path: "/v1/sessions/{sessionId}/summaries/{version}/restore",
  operationId: "restoreSummary",
  tag: "Summaries",
  summary: "Restore an earlier version of the summary",
  description:
    "Makes an earlier version the summary that prompts get, and that the next one goes on from. It comes back as a new version, which the answer tells, and no model is asked for that. The versions after it are deleted for good, those of other branches too: compare them first (`…/diff`). The messages that only they covered count as never summarized: they stand word for word in prompts again, as far as these have room, and a new summary is made of them once it is due. A summary that is being made meanwhile begins again from the restored one. A version that rests on what was edited or erased since cannot be restored (`summary_not_restorable`); it is replaced by a new one shortly after. Repeating the request changes nothing until another version follows. With a user's token it counts for the user's day like a message, with what models are to read again.",
  request: z.object({ params: summaryParams, body: restoreRequestSchema.default({}) }),
  answers: {
    200: { description: "The version that holds now", schema: summarySchema },
  },
  problems: [
    "session_not_found",
    "summary_not_found",
    "summary_version_mismatch",
    "summary_not_restorable",
    "quota_exceeded",
  ],
  async handle(call, { params, body }) {
    return { status: 200, body: await restoreSummary(call, params.sessionId, params.version, body) };
  },
});

const losses = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/summaries/{version}/losses",
  operationId: "listLosses",
  tag: "Summaries",
  summary: "List what a version of the summary lost",
  description:
    "The messages of users that the version covers, and their numbers, names and standing wishes that none of its items says. Words are compared, not meanings: what an item says in other words is listed as well, and the messages themselves stay in the session, where search finds them. Reading ends a page early, with `hasMore`.",
  request: z.object({
    params: summaryParams,
    query: z.strictObject({ limit: limitParameter, cursor: cursorParameter }),
  }),
  answers: {
    200: { description: "A page of messages, oldest first", schema: pageSchema(lossSchema) },
  },
  problems: ["session_not_found", "summary_not_found"],
  async handle(call, { params, query }) {
    return { status: 200, body: await listLosses(call, params.sessionId, params.version, query) };
  },
});

export const summaryRoutes = [summarize, list, read, compare, losses, restore];
