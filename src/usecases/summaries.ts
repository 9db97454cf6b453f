import { isUser } from "../access/users-words.ts";
import { unwrap } from "../api/errors.ts";
import type { Job, SummarizeRequest } from "../api/job.ts";
import type { Page } from "../api/page.ts";
import type { ExpandedSummary, Loss, RestoreRequest, Summary, SummaryChanges, SummaryVersion } from "../api/summary.ts";
import { invalidCursor, type PageQuery } from "./paging.ts";
import { type RequestContext, refOf, tenantOf } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/** Schedules a summary now, and waits for it if requested. `job` is null if there is nothing to summarize. */
export const summarizeByHand = useCase(
  { action: "summarizeSession" },
  async (
    call: RequestContext,
    sessionId: string,
    request: SummarizeRequest,
  ): Promise<{ job: Job | null; summary: Summary | null }> => {
    const ref = refOf(call, sessionId);
    const tenant = await tenantOf(call);
    const isByUser = isUser(call.principal);
    return unwrap(await call.parts.sessions.get(ref).summarize(request, call.trace, isByUser, tenant));
  },
);

/** The versions of the summary, newest first. */
export const listSummaries = useCase(
  { action: "listSummaries" },
  async (call: RequestContext, sessionId: string, query: PageQuery): Promise<Page<SummaryVersion>> => {
    const before = query.cursor === undefined ? undefined : Number(query.cursor);
    if (before !== undefined && !(Number.isSafeInteger(before) && before > 0)) throw invalidCursor();
    const page = unwrap(await call.parts.sessions.get(refOf(call, sessionId)).summaries(before, query.limit));
    return { ...page, data: page.data.map((version) => withoutUsageForUsers(call, version)) };
  },
);

/** Leaves out the usage for users, because the operator pays for the models. */
function withoutUsageForUsers<T extends SummaryVersion>({ principal }: RequestContext, version: T): T {
  if (!isUser(principal)) return version;
  const { usage: _, ...told } = version;
  return told as T;
}

export const readSummary = useCase(
  { action: "readSummary" },
  async (
    call: RequestContext,
    sessionId: string,
    version: number,
    options: { readonly expandSources: boolean },
  ): Promise<ExpandedSummary> => {
    const ref = refOf(call, sessionId);
    return withoutUsageForUsers(
      call,
      unwrap(await call.parts.sessions.get(ref).summary(version, options.expandSources)),
    );
  },
);

/** The differences between a version and another one, by default the one before it. */
export const compareSummaries = useCase(
  { action: "compareSummaries" },
  async (
    call: RequestContext,
    sessionId: string,
    version: number,
    from: number | undefined,
  ): Promise<SummaryChanges> => {
    return unwrap(await call.parts.sessions.get(refOf(call, sessionId)).compareSummaries(version, from));
  },
);

/** Restores an earlier version. Returns the new version that it became. */
export const restoreSummary = useCase(
  {
    action: "restoreSummary",
    tell: ({ version }) => ({ details: { version } }),
  },
  async (call: RequestContext, sessionId: string, version: number, request: RestoreRequest): Promise<Summary> => {
    const tenant = await tenantOf(call);
    return unwrap(
      await call.parts.sessions
        .get(refOf(call, sessionId))
        .restoreSummary(version, request, tenant, call.trace, isUser(call.principal)),
    );
  },
);

/** What users said in messages that a version covers, but that no item of it contains, oldest first. */
export const listLosses = useCase(
  { action: "listLosses" },
  async (call: RequestContext, sessionId: string, version: number, query: PageQuery): Promise<Page<Loss>> => {
    const afterSeq = query.cursor === undefined ? 0 : Number(query.cursor);
    if (!(Number.isSafeInteger(afterSeq) && afterSeq >= 0)) throw invalidCursor();
    return unwrap(await call.parts.sessions.get(refOf(call, sessionId)).losses(version, afterSeq, query.limit));
  },
);
