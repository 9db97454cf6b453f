import { requireScope } from "../access/scopes.ts";
import { unwrap } from "../contracts/errors.ts";
import type { Job, SummarizeRequest } from "../contracts/job.ts";
import type { Message } from "../contracts/message.ts";
import type { Page } from "../contracts/page.ts";
import type { Summary } from "../contracts/summary.ts";
import { type Call, invalidCursor, refOf } from "./call.ts";

/** Owes a summary now, and waits for it if asked. `job` is null if there is nothing to summarize. */
export async function summarizeByHand(
  call: Call,
  sessionId: string,
  request: SummarizeRequest,
): Promise<{ job: Job | null; summary: Summary | null }> {
  requireScope(call.principal, "memory:write");
  return unwrap(await call.parts.sessions.get(refOf(call, sessionId)).summarize(request));
}

/** The versions of the summary, newest first. */
export async function listSummaries(
  call: Call,
  sessionId: string,
  query: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<Summary>> {
  requireScope(call.principal, "memory:read");
  const before = query.cursor === undefined ? undefined : Number(query.cursor);
  if (before !== undefined && !(Number.isSafeInteger(before) && before > 0)) throw invalidCursor();
  return unwrap(await call.parts.sessions.get(refOf(call, sessionId)).summaries(before, query.limit));
}

export async function readSummary(
  call: Call,
  sessionId: string,
  version: number,
  options: { readonly expandSources: boolean },
): Promise<Summary & { sources?: Message[] }> {
  requireScope(call.principal, "memory:read");
  return unwrap(await call.parts.sessions.get(refOf(call, sessionId)).summary(version, options.expandSources));
}
