import type { AppendRequest, AppendResult } from "../../api/append.ts";
import type { Appender } from "../../api/audit.ts";
import type { ContextRequest } from "../../api/context.ts";
import { type PartFault, ThreadkeepError } from "../../api/errors.ts";
import type { UserTaken } from "../../api/user-quota.ts";
import { createLog } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import { hasUnwantedMessages } from "../archive/index.ts";
import { noteAppend, scheduleArchive } from "../outbox/index.ts";
import { beginDay, takeForUser } from "../quota/index.ts";
import { goodThrough, scheduleSummaryIfDue, tokensReadAgain } from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { appendMessages } from "./append.ts";
import { applyTenantSettings, type SessionCreation, createSession, recordGrant } from "./epoch.ts";
import { noteTokenizer } from "./read-context.ts";
import { renderSessionContext } from "./render-context.ts";
import { activeBranch, refuseLeavingInstruction, settleBranch } from "./switch-branch.ts";

const log = createLog();

export interface ClientAppend {
  readonly request: AppendRequest;
  /** What to create the session with if it does not exist; null: it is then `session_not_found`. */
  readonly creation: SessionCreation | null;
  /** Who appends, for the audit log. */
  readonly by?: Appender | undefined;
}

/** The size of a log, with each message counted as it was appended. */
type Size = Pick<UserTaken, "messages" | "tokens" | "bytes">;

/**
 * Appends messages for a client: checks the limits, and schedules the jobs that become due.
 * @throws ThreadkeepError if the append is refused; the transaction is then rolled back
 */
export function appendForClient(
  unit: Unit,
  { request, creation, by }: ClientAppend,
): Pick<AppendResult, "messages" | "headSeq" | "quotas"> {
  if (creation === null) unit.requireSession();
  else {
    recordGrant(unit, creation);
    if (unit.findSession() === null) createSession(unit, creation);
  }
  applyTenantSettings(unit);
  const isByUser = by?.isUser === true;
  const measureDay = beginDay(unit, isByUser);
  const before = isByUser ? sizeOf(unit) : null;
  const left = isByUser ? activeBranch(unit) : null;
  const mayBranch = isByUser && request.messages.some(({ afterSeq }) => afterSeq !== undefined);
  const goodBefore = mayBranch ? goodThrough(unit) : 0;
  const { messages, headSeq, createdCount, isBranched } = appendMessages(
    unit,
    request.messages,
    request.expectedHeadSeq,
  );
  const quotas = measureDay();
  let written = 0;
  if (isBranched) {
    if (left !== null) refuseLeavingInstruction(unit, left, "/messages");
    written = settleBranch(unit);
  }
  // If the append switched to another branch, an earlier summary may have been written again. Its tokens count for the
  // user as message tokens do. Messages of the new branch that no summary of it covers are read by models again.
  if (before !== null) {
    const summarizerTokens = isBranched ? tokensReadAgain(unit, goodBefore) : 0;
    takeForUser(unit, { ...growthSince(unit, before, written), summarizerTokens });
  }
  if (hasUnwantedMessages(unit.session)) scheduleArchive(unit);
  if (createdCount > 0) {
    if (by !== undefined) noteAppend(unit, by, headSeq - createdCount + 1);
    if (request.context !== undefined) noteTokenizer(unit, request.context);
    scheduleSummaryIfDue(unit);
  }
  return { messages, headSeq, ...(quotas.length === 0 ? {} : { quotas: [...quotas] }) };
}

function sizeOf({ store }: Unit): Size {
  const head = store.messages.head();
  return { messages: head?.seq ?? 0, tokens: head?.appendedCost ?? 0, bytes: head?.appendedBytes ?? 0 };
}

function growthSince(unit: Unit, before: Size, writtenTokens: number): Size {
  const { messages, tokens, bytes } = sizeOf(unit);
  return {
    messages: messages - before.messages,
    tokens: tokens - before.tokens + writtenTokens,
    bytes: bytes - before.bytes,
  };
}

/**
 * The context that an append's response contains. The append is committed already, so a fault here is returned as
 * `contextError` and not thrown.
 */
export function contextAfterAppend(
  unit: Unit,
  request: ContextRequest,
): Pick<AppendResult, "context" | "contextError"> {
  try {
    return { context: renderSessionContext(unit, request) };
  } catch (error) {
    return { contextError: contextErrorOf(error) };
  }
}

/** What the answer to an append says about its context, which could not be made. */
export function contextErrorOf(error: unknown): PartFault {
  if (error instanceof ThreadkeepError) {
    const { code, detail } = error.fault;
    return { code, detail };
  }
  log.error("context_failed", errorFields(error));
  return FAILED_CONTEXT;
}

const FAILED_CONTEXT: PartFault = {
  code: "internal",
  detail:
    "The messages are stored, and the fault has been logged. Ask for the context by itself: POST /v1/sessions/{sessionId}/context.",
};
