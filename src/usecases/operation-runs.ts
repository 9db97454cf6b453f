import { ulid } from "ulid";
import { ThreadkeepError } from "../api/errors.ts";
import { type NewOperation, type OperationRequest, type OperationRun, runIdSchema } from "../api/operation-run.ts";
import type { Page } from "../api/page.ts";
import { endIfLost } from "./lost-runs.ts";
import { pageOf, type PageQuery, readCursor, timedCursorSchema } from "./paging.ts";
import type { RequestContext } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/** Workflows may need a few seconds to accept an instance. */
const RETRY_AFTER_SECONDS = 5;

/** Starts an operation. If it is repeated with the same id, the operation is started once. */
export const startOperation = useCase(
  {
    action: "startOperation",
    isSessionless: true,
    tell: ({ created }, { tenant = null }) => ({ tenant, details: { created } }),
  },
  async (
    call: RequestContext,
    { id = ulid(), ...request }: NewOperation,
  ): Promise<{ run: OperationRun; created: boolean }> => {
    const { runs } = call.parts.operations;
    const begun = await runs.begin(id, request, "queued");
    if (!isSame(begun.run, request)) throw runExists(id);
    // The run is recorded before it is started, so if this request breaks off in between, repeating it starts the run.
    if (begun.run.status === "queued") await begin(call, id, request);
    return begun;
  },
);

async function begin(call: RequestContext, id: string, request: OperationRequest): Promise<void> {
  try {
    await call.parts.startRun(id, request);
  } catch (error) {
    throw new ThreadkeepError(
      {
        code: "unavailable",
        detail: `The operation is recorded as ${id}, but Workflows did not accept it, so it has not started. Send the same request again, with this id, after Retry-After seconds.`,
        retryAfterSeconds: RETRY_AFTER_SECONDS,
        facts: { id },
      },
      { cause: error },
    );
  }
}

/**
 * Whether a run was started by the same request. The run of an erased user no longer names the user, so the other
 * fields have to be enough.
 */
function isSame(run: OperationRun, request: OperationRequest): boolean {
  const { op, tenant, user, session, kind, dryRun } = request;
  const isUser = run.user === user || (run.user === undefined && op === "erase-user");
  return (
    isUser &&
    run.op === op &&
    run.tenant === tenant &&
    run.session === session &&
    run.kind === kind &&
    run.dryRun === dryRun
  );
}

function runExists(id: string): ThreadkeepError {
  return new ThreadkeepError({
    code: "operation_exists",
    detail: "This id belongs to a run with a different request. Choose another id, or leave it out.",
    errors: [{ path: "/id", detail: "must be new, or come with the same request" }],
    facts: { id },
  });
}

/** The runs of operations, newest first. */
export const listOperations = useCase(
  {
    action: "listOperations",
    isSessionless: true,
    tell: (_page, _query) => ({ tenant: null }),
  },
  async (call: RequestContext, query: PageQuery): Promise<Page<OperationRun>> => {
    const cursor = readCursor(timedCursorSchema, query.cursor);
    const after = cursor === null ? null : { at: cursor[0], id: cursor[1] };
    const runs = await call.parts.operations.runs.list(query.limit + 1, after);
    const page = pageOf(runs, query.limit, ({ createdAt, id }) => [Date.parse(createdAt), id]);
    return { ...page, data: await Promise.all(page.data.map((run) => endIfLost(run, call.parts))) };
  },
);

export const readOperation = useCase(
  {
    action: "readOperation",
    isSessionless: true,
    tell: ({ tenant = null }, _id) => ({ tenant }),
  },
  async (call: RequestContext, id: string): Promise<OperationRun> => {
    return endIfLost(known(await call.parts.operations.runs.read(runIdOf(id))), call.parts);
  },
);

/** Cancels a run. The current step is finished, and no further one is started. What was done remains done. */
export const cancelOperation = useCase(
  {
    action: "cancelOperation",
    isSessionless: true,
    tell: ({ tenant = null }, _id) => ({ tenant }),
  },
  async (call: RequestContext, id: string): Promise<OperationRun> => {
    return known(await call.parts.operations.runs.finish(runIdOf(id), "cancelled", null));
  },
);

function known(run: OperationRun | null): OperationRun {
  if (run !== null) return run;
  throw new ThreadkeepError({
    code: "operation_not_found",
    detail: "There is no run with this id among the newest thousand. List the operations to see which exist.",
  });
}

function runIdOf(id: string): string {
  const parsed = runIdSchema.safeParse(id);
  return parsed.success ? parsed.data : "";
}
