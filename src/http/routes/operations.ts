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
  summary: "Have something done to many sessions",
  description:
    "In the background, by a Workflow: each session of a session, a user, a tenant or the whole deployment is come to, at most `sliceSize` in a step. A step that fails is made again; a run outlives restarts and deploys. With `dryRun` it tells what it would do. With an `id` of your own the request may be repeated: it is answered with 200 and begun once. The same is started by `wrangler workflows trigger threadkeep-operations '{\"op\": …}'` and by `npm run ops`.",
  request: z.object({ body: newOperationSchema }),
  answers: {
    202: { description: "It is begun", schema: operationRunSchema },
    200: { description: "It was begun before", schema: operationRunSchema },
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
  description: "The newest first, however they were started: the last thousand.",
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
  summary: "Read how far an operation is",
  description: "With its report so far: what became of how many sessions, and the first that something was wrong with.",
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
    "No further step is begun; one that runs is finished, and what was done stays done. A run that is over stays as it is. Repeated it changes nothing.",
  request: z.object({ params: operationParams }),
  answers: { 200: { description: "The run", schema: operationRunSchema } },
  problems: ["operation_not_found"],
  async handle(call, { params }) {
    return { status: 200, body: await cancelOperation(call, params.runId) };
  },
});

export const operationRoutes = [start, list, read, cancel];
