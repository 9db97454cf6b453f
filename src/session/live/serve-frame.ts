import { requireScope } from "../../access/scopes.ts";
import { refuseForeignWords } from "../../access/users-words.ts";
import type { AppendRequest, AppendResult } from "../../api/append.ts";
import type { Appender } from "../../api/audit.ts";
import type { ContextRequest, RenderedContext } from "../../api/context.ts";
import type { QueryMeaning } from "../../api/embedding.ts";
import { type Outcome, unwrap } from "../../api/errors.ts";
import type { ClientFrame } from "../../api/live.ts";
import { refuseOversize } from "../../api/message-size.ts";
import type { BranchRequest, SessionState } from "../../api/session.ts";
import { contentsOf, takeIn } from "../../prompt/incoming.ts";
import type { Transactions } from "../transactions.ts";
import type { Sender } from "./sockets.ts";
import { serveAppend, serveContext, type Served } from "./sought-context.ts";

/** A frame that the session itself answers. */
export type RequestFrame = Exclude<ClientFrame, { type: "ack" }>;

/** What decides about the rights of a frame. */
export type FrameSender = Pick<Sender, "scopes" | "by" | "isUser" | "trace">;

/** The calls that frames make on the session. */
export interface LiveCalls {
  append(
    request: AppendRequest,
    creation: null,
    tenant: undefined,
    by: Appender | undefined,
    trace: string | undefined,
  ): Promise<Outcome<AppendResult>>;
  context(request: ContextRequest, tenant?: undefined, meaning?: QueryMeaning): Promise<Outcome<RenderedContext>>;
  switchBranch(
    request: BranchRequest,
    tenant: undefined,
    trace: string | undefined,
    isByUser: boolean,
  ): Promise<Outcome<SessionState>>;
}

/**
 * Does what a frame asks for. Rejects with a `ThreadkeepError` if its sender may not, or if the session refuses it.
 * @param isByMeaning whether a context with a query waits for the query's vector
 */
export async function serveFrame(
  calls: Transactions,
  session: LiveCalls,
  frame: RequestFrame,
  sender: FrameSender,
  isByMeaning: boolean,
): Promise<Served> {
  if (frame.type === "context") {
    const { type: _type, id: _id, ...request } = frame;
    requireScope(sender, "memory:read");
    return serveContext(calls, session, request, isByMeaning);
  }
  requireScope(sender, "memory:write");
  if (frame.type === "branch") {
    const { headSeq, expectedHeadSeq } = frame;
    const asked = { headSeq, expectedHeadSeq };
    return { answer: unwrap(await session.switchBranch(asked, undefined, sender.trace, sender.isUser)) };
  }
  const { type: _type, id: _id, ...incoming } = frame;
  if (incoming.context !== undefined) requireScope(sender, "memory:read");
  const { request: append, placed } = takeIn(incoming);
  if (sender.isUser) refuseForeignWords(placed, calls.unit().row?.tenantSettings.usersMay?.write);
  refuseOversize(contentsOf(placed));
  const by = sender.by === undefined ? undefined : { ...sender.by, isUser: sender.isUser };
  const store = (request: AppendRequest) => session.append(request, null, undefined, by, sender.trace);
  return serveAppend(calls, session, { request: append, store, isByMeaning });
}
