import { ulid } from "ulid";
import { ThreadkeepError } from "../api/errors.ts";
import { type NewOperation, type OperationRequest, type OperationRun, runIdSchema } from "../api/operation-run.ts";
import type { Page } from "../api/page.ts";
import { endIfLost } from "./lost-runs.ts";
import { pageOf, type PageQuery, readCursor, timedCursorSchema } from "./paging.ts";
import type { RequestContext } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/** A Workflow that was just asked may be a moment behind. */
const RETRY_AFTER_SECONDS = 5;

/** Begins what an operator wants done to many sessions. Repeated with the same id it is begun once. */
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
    // Noted before it is begun: a request that broke off in between is mended by the next.
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
        detail: `The operation is noted as ${id}, and could not be begun: Workflows did not take it. Send the same request again, with this id, after Retry-After seconds.`,
        retryAfterSeconds: RETRY_AFTER_SECONDS,
        facts: { id },
      },
      { cause: error },
    );
  }
}

/** A user who was erased is told of no more: what else was asked has to do. */
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
    detail: "The id is that of a run that was asked to do something else. Choose another id, or leave it out.",
    errors: [{ path: "/id", detail: "must be new, or come with the same request" }],
    facts: { id },
  });
}

/** Newest first. */
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

/** No further step is begun; the one that runs is finished. What was done stays done. */
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
    detail: "No run of this id is known: the newest thousand are. List the operations to see which there are.",
  });
}

function runIdOf(id: string): string {
  const parsed = runIdSchema.safeParse(id);
  return parsed.success ? parsed.data : "";
}
