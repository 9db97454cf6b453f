import { z } from "zod";
import {
  dropReasonSchema,
  failureFilterSchema,
  jobDropSchema,
  jobRetriesSchema,
  jobRetrySchema,
  retryRequestSchema,
} from "../../api/failed-job.ts";
import { failureSchema } from "../../api/job.ts";
import { pageSchema } from "../../api/page.ts";
import { dropFailure, listFailures, retryFailure, retryFailures } from "../../usecases/jobs.ts";
import { cursorParameter, jobParams, limitParameter } from "../parameters.ts";
import { defineRoute } from "../route.ts";

const list = defineRoute({
  method: "get",
  path: "/v1/admin/jobs",
  operationId: "listFailedJobs",
  tag: "Operations",
  summary: "List the jobs that fail",
  description:
    "Background work that failed three times or gave up, the last to fail first, with its first error and its last. It names sessions and never their content. A job that goes well leaves the list by itself. At most 10,000 are listed; each session knows its own.",
  request: z.object({
    query: failureFilterSchema.extend({ limit: limitParameter, cursor: cursorParameter }),
  }),
  answers: {
    200: { description: "A page of failed jobs", schema: pageSchema(failureSchema) },
  },
  problems: [],
  async handle(call, { query }) {
    return { status: 200, body: await listFailures(call, query) };
  },
});

const retryOne = defineRoute({
  method: "post",
  path: "/v1/admin/jobs/{jobId}/retry",
  operationId: "retryFailedJob",
  tag: "Operations",
  summary: "Try a failed job again",
  description:
    "Its session sends it at once, whatever pause it was in; a summary that was given up is pending again. It leaves the list, and comes back if it fails again. Sent twice it changes nothing more, and is told that there is no such job.",
  request: z.object({ params: jobParams }),
  answers: { 200: { description: "What became of it", schema: jobRetrySchema } },
  problems: ["job_not_found", "job_not_retryable"],
  async handle(call, { params: { jobId } }) {
    const { outcome } = await retryFailure(call, jobId);
    return { status: 200, body: { jobId, outcome } };
  },
});

const retryMany = defineRoute({
  method: "post",
  path: "/v1/admin/jobs/retry",
  operationId: "retryFailedJobs",
  tag: "Operations",
  summary: "Try failed jobs again, by filter",
  description:
    "One page of those that the filter meets, the last to fail first; without a filter, of all. While `hasMore` is true, send the same again with `nextCursor`. What cannot be retried stays on the list and is named in `left`.",
  request: z.object({ body: retryRequestSchema }),
  answers: { 200: { description: "What became of them", schema: jobRetriesSchema } },
  problems: [],
  async handle(call, { body }) {
    return { status: 200, body: await retryFailures(call, body) };
  },
});

const drop = defineRoute({
  method: "delete",
  path: "/v1/admin/jobs/{jobId}",
  operationId: "dropFailedJob",
  tag: "Operations",
  summary: "Give a failed job up",
  description:
    "Of a summary that goes on from the last one: the messages stay word for word, and the session schedules it again when it goes on after an hour, or when somebody asks. A job that nobody here understands leaves the list alone. What erases, archives or is otherwise promised cannot be dropped: the answer says what to do instead. The reason is kept in the audit.",
  request: z.object({ params: jobParams, query: z.strictObject({ reason: dropReasonSchema }) }),
  answers: { 200: { description: "What became of it", schema: jobDropSchema } },
  problems: ["job_not_found", "job_needed"],
  async handle(call, { params: { jobId }, query: { reason } }) {
    const { outcome } = await dropFailure(call, jobId, reason);
    return { status: 200, body: { jobId, outcome } };
  },
});

export const jobRoutes = [list, retryOne, retryMany, drop];
