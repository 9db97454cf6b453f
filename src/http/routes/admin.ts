import { z } from "zod";
import { failureSchema } from "../../contracts/job.ts";
import { pageSchema } from "../../contracts/page.ts";
import { listFailures } from "../../service/operations.ts";
import { cursorParameter, limitParameter } from "../parameters.ts";
import { defineRoute } from "../route.ts";
import { sample } from "../samples.ts";

const listJobs = defineRoute({
  method: "get",
  path: "/v1/admin/jobs",
  operationId: "listFailedJobs",
  tag: "Operations",
  summary: "List the jobs that gave up",
  description: "Background work that keeps failing, the last to fail first. It names sessions and never their content.",
  admin: true,
  request: z.object({ query: z.strictObject({ limit: limitParameter, cursor: cursorParameter }) }),
  answers: {
    200: {
      description: "A page of failed jobs",
      schema: pageSchema(failureSchema),
      example: sample.failurePage,
    },
  },
  problems: [],
  async handle(call, { query }) {
    return { status: 200, body: await listFailures(call, query) };
  },
});

export const adminRoutes = [listJobs];
