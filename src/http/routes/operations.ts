import { z } from "zod";
import { newOperationSchema, operationRunSchema, runIdSchema } from "../../api/operation-run.ts";
import { pageSchema } from "../../api/page.ts";
import { cancelOperation, listOperations, readOperation, startOperation } from "../../usecases/operation-runs.ts";
import { cursorParameter, limitParameter } from "../parameters.ts";
import { defineRoute } from "../route.ts";

const operationParams = z.strictObject({ runId: runIdSchema.describe("The id of the run") });

const start = defineRoute({
  method: "post",
  path: "/v1/admin/operations",
  operationId: "startOperation",
  tag: "Operations",
  summary: "Start an operation on many sessions",
  description:
    "Runs in the background, as a Workflow, over one session, the sessions of a user or tenant, or all sessions, at most `sliceSize` in one step. A step that fails is repeated; a run survives restarts and deploys. With `dryRun` it reports what it would do. With an `id` of your choice the request can be repeated: the run is started once, and repetitions are answered with 200. `wrangler workflows trigger threadkeep-operations '{\"op\": …}'` and `npm run ops` start the same.",
  request: z.object({ body: newOperationSchema }),
  answers: {
    202: { description: "The run was started", schema: operationRunSchema },
    200: { description: "The run was started before", schema: operationRunSchema },
  },
  problems: ["operation_exists"],
  async handle(call, { body }) {
    const { run, created } = await startOperation(call, body);
    return { status: created ? 202 : 200, body: run };
  },
});

const list = defineRoute({
  method: "get",
  path: "/v1/admin/operations",
  operationId: "listOperations",
  tag: "Operations",
  summary: "List the operations",
  description: "Newest first, however they were started; at most the last thousand.",
  request: z.object({ query: z.strictObject({ limit: limitParameter, cursor: cursorParameter }) }),
  answers: {
    200: { description: "A page of runs", schema: pageSchema(operationRunSchema) },
  },
  problems: [],
  async handle(call, { query }) {
    return { status: 200, body: await listOperations(call, query) };
  },
});

const read = defineRoute({
  method: "get",
  path: "/v1/admin/operations/{runId}",
  operationId: "readOperation",
  tag: "Operations",
  summary: "Read the progress of an operation",
  description:
    "Returns the run with its report so far: the number of sessions by result, and the first sessions with a failure or a finding.",
  request: z.object({ params: operationParams }),
  answers: { 200: { description: "The run", schema: operationRunSchema } },
  problems: ["operation_not_found"],
  async handle(call, { params }) {
    return { status: 200, body: await readOperation(call, params.runId) };
  },
});

const cancel = defineRoute({
  method: "delete",
  path: "/v1/admin/operations/{runId}",
  operationId: "cancelOperation",
  tag: "Operations",
  summary: "Cancel an operation",
  description:
    "No further step is started. The current step is finished, and what was done remains done. A run that has ended is returned unchanged. Repeating the request changes nothing.",
  request: z.object({ params: operationParams }),
  answers: { 200: { description: "The run", schema: operationRunSchema } },
  problems: ["operation_not_found"],
  async handle(call, { params }) {
    return { status: 200, body: await cancelOperation(call, params.runId) };
  },
});

export const operationRoutes = [start, list, read, cancel];
