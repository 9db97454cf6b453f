import { pacedName } from "../../access/pace.ts";
import type { Counted } from "../../access/rate-limit.ts";
import type { AppendRequest, AppendResult } from "../../api/append.ts";
import type { ContextRequest, RenderedContext } from "../../api/context.ts";
import type { QueryMeaning } from "../../api/embedding.ts";
import { type Outcome, unwrap } from "../../api/errors.ts";
import type { Seq } from "../../api/message.ts";
import { createLog } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import { contextErrorOf } from "../log/index.ts";
import { soughtText } from "../search/index.ts";
import type { Transactions } from "../transactions.ts";
import type { LiveCalls, RequestFrame } from "./serve-frame.ts";

/**
 * Contexts with a query, if embeddings are on: they are searched by meaning, as over HTTP. The frame is handled in its
 * turn, and what it appends is stored then. Only its answer waits for the vector of the query, and no other frame waits
 * for it.
 */

const log = createLog();

/** A context that is read once the vector of its query is there, or known not to come in time. */
export interface SoughtContext {
  readonly tenant: string;
  /** The text of which a vector is made. */
  readonly text: string;
  readonly request: ContextRequest;
  /** The newest message of the active branch when the frame was handled. */
  readonly headSeq: Seq;
}

/** What was done for a frame in its turn. */
export interface Served {
  /** The answer; without its context if that is still sought. */
  readonly answer: object;
  readonly sought?: SoughtContext;
}

/**
 * Requests the vector of a query. It does not take long, whatever the model does.
 * @param user the name that the sender's requests are paced by; null for a back end, which acts for many users
 */
export type MeaningOf = (tenant: string, text: string, user: string | null) => Promise<QueryMeaning>;

/** Whether a frame asks for a context with a query. */
export function hasQuery(frame: RequestFrame): boolean {
  if (frame.type === "branch") return false;
  const { query } = frame.type === "context" ? frame : (frame.context ?? {});
  return typeof query === "string";
}

/** Answers a frame that asks for a context, or finds out what its answer has to wait for. */
export async function serveContext(
  calls: Transactions,
  session: LiveCalls,
  request: ContextRequest,
  isByMeaning: boolean,
): Promise<Served> {
  const sought = isByMeaning ? seekContext(calls, request) : null;
  return sought === null ? { answer: unwrap(await session.context(request)) } : { answer: {}, sought };
}

/**
 * Appends the messages of a frame, and answers it or finds out what the context in its answer has to wait for.
 * @param store appends, and reads the context if the request has one
 */
export async function serveAppend(
  calls: Transactions,
  session: LiveCalls,
  {
    request,
    store,
    isByMeaning,
  }: {
    readonly request: AppendRequest;
    readonly store: (request: AppendRequest) => Promise<Outcome<AppendResult>>;
    readonly isByMeaning: boolean;
  },
): Promise<Served> {
  const { context, ...messages } = request;
  if (!isByMeaning || context === undefined) return { answer: unwrap(await store(request)) };
  const appended = unwrap(await store(messages));
  try {
    const sought = seekContext(calls, context);
    if (sought !== null) return { answer: appended, sought };
  } catch (error) {
    return { answer: { ...appended, contextError: contextErrorOf(error) } };
  }
  return { answer: await addContext(appended, () => session.context(context)) };
}

/** What a context has to wait for; null if nothing is searched for, or if reading the context will report why not. */
function seekContext(calls: Transactions, request: ContextRequest): SoughtContext | null {
  const { query } = request;
  if (typeof query !== "string") return null;
  const sought = calls.readSession((unit) => {
    const text = soughtText(unit, query);
    if (text === null || text.trim() === "") return null;
    return { tenant: unit.session.tenant, text, request, headSeq: unit.store.messages.tip()?.seq ?? 0 };
  });
  return sought.ok ? sought.value : null;
}

/** The vector of a query, or why there is none. Never rejects: without a vector, messages are found by their words. */
export async function meaningOfSought(
  meaningOf: MeaningOf,
  { tenant, text }: SoughtContext,
  counted: Counted,
): Promise<QueryMeaning> {
  try {
    return await meaningOf(tenant, text, pacedName(tenant, counted));
  } catch (error) {
    log.error("query_not_embedded", { tenant, ...errorFields(error) });
    return { without: "unavailable" };
  }
}

/**
 * Reads a context after the wait. If the branch has another newest message by then, the context is the one of the
 * moment when its frame was handled, because frames are handled in the order in which they arrive.
 */
export async function readSought(
  calls: Transactions,
  session: Pick<LiveCalls, "context">,
  { request, headSeq }: SoughtContext,
  meaning: QueryMeaning,
): Promise<Outcome<RenderedContext>> {
  const isMoved = (calls.unit().store.messages.tip()?.seq ?? 0) !== headSeq;
  const asked = isMoved && request.atSeq === undefined ? { ...request, atSeq: headSeq } : request;
  return session.context(asked, undefined, meaning);
}

/** Adds the context to the answer of an append. A fault becomes `contextError`, because the messages are stored. */
export async function addContext(appended: object, read: () => Promise<Outcome<RenderedContext>>): Promise<object> {
  try {
    return { ...appended, context: unwrap(await read()) };
  } catch (error) {
    return { ...appended, contextError: contextErrorOf(error) };
  }
}
