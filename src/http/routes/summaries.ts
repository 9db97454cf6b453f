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
  summary: "Request a summary",
  description:
    "Requests a new summary of all but the recent messages, which is made in the background. With `waitMs` the answer waits up to that long for it. `summary` is null if it is not ready yet; then read the session until `summaryPending` is false.",
  request: z.object({ params: sessionParams, body: summarizeRequestSchema.default({}) }),
  answers: {
    202: {
      description: "The job, and the summary if it was ready in time",
      schema: z.object({
        job: jobSchema.nullable().describe("null if there is nothing to summarize"),
        summary: summarySchema.nullable().describe("The newest summary, if it was ready in time"),
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
    "Each version says which messages it covers, what made it, and, except to users, what making it used. A page of large versions ends early, with `hasMore`.",
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
    "With `expand=sources` the answer includes the messages that the items cite, in order: at most 1,000 messages and 4 MiB. `hasMoreSources` says that there are more; read them by the seqs in the items.",
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
    "Shows for each item whether it was kept, reworded, dropped or added. An item counts as reworded if it has a similar text and similar sources.",
  request: z.object({
    params: summaryParams,
    query: z.strictObject({
      from: integerParameter(z.int().min(1))
        .optional()
        .describe("The version to compare with; by default the previous one"),
    }),
  }),
  answers: {
    200: {
      description: "The items, grouped by what changed",
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
    "Makes an earlier version the current summary again: prompts use it, and the next summary continues from it. It becomes a new version, which is returned, without a model. The versions after it are deleted permanently, also those of other branches: compare them first (`…/diff`). Messages that only those versions covered count as not summarized: they are in prompts verbatim again, as far as there is room, and a new summary is made of them when it is due. A summary in progress starts again from the restored version. A version that is based on messages that were edited or erased since cannot be restored (`summary_not_restorable`); it is replaced by a new one shortly after. Repeating the request changes nothing until there is another version. With a user's token it counts against the user's daily quota like a message, together with the tokens that models have to read again.",
  request: z.object({ params: summaryParams, body: restoreRequestSchema.default({}) }),
  answers: {
    200: { description: "The restored version", schema: summarySchema },
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
  summary: "List what a version of the summary left out",
  description:
    "Lists the users' messages that the version covers, each with those of its numbers, names and instructions that no item of the version contains. Words are compared, not meanings, so something that an item says in other words is listed too. The messages themselves stay in the session, where search finds them. A page may end early, with `hasMore`.",
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
