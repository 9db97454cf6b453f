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
  summary: "List the failed jobs",
  description:
    "Background jobs that failed at least three times or gave up, most recently failed first, with their first and last errors. They name sessions, never their content. A job that succeeds is removed from the list automatically. At most 10,000 jobs are listed; each session keeps its own jobs regardless.",
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
  summary: "Retry a failed job",
  description:
    "Its session sends the job immediately, without waiting for the next scheduled retry; a summary that was given up becomes pending again. The job is removed from the list, and returns to it if it fails again. A repeated request answers job_not_found.",
  request: z.object({ params: jobParams }),
  answers: { 200: { description: "The outcome", schema: jobRetrySchema } },
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
  summary: "Retry failed jobs that match a filter",
  description:
    "Retries one page of the matching jobs, most recently failed first; without a filter, of all jobs. While `hasMore` is true, repeat the request with `nextCursor`. Jobs that cannot be retried stay on the list and are named in `left`.",
  request: z.object({ body: retryRequestSchema }),
  answers: { 200: { description: "The outcomes", schema: jobRetriesSchema } },
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
  summary: "Give up a failed job",
  description:
    "Only a job that continues a summary can be given up: its messages stay verbatim, and the session schedules the job again when it continues after an hour, or when somebody requests a summary. A job that this version does not understand is only removed from the list. Jobs that erase, archive or are otherwise required cannot be given up; the answer says what to do instead. The reason is stored in the audit log.",
  request: z.object({ params: jobParams, query: z.strictObject({ reason: dropReasonSchema }) }),
  answers: { 200: { description: "The outcome", schema: jobDropSchema } },
  problems: ["job_not_found", "job_needed"],
  async handle(call, { params: { jobId }, query: { reason } }) {
    const { outcome } = await dropFailure(call, jobId, reason);
    return { status: 200, body: { jobId, outcome } };
  },
});

export const jobRoutes = [list, retryOne, retryMany, drop];
