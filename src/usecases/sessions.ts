import { ulid } from "ulid";
import { requireScope } from "../access/scopes.ts";
import { isUser } from "../access/users-words.ts";
import { type Outcome, ThreadkeepError, unwrap } from "../api/errors.ts";
import { MAX_COPY_WAIT_MS } from "../api/limits.ts";
import type { Erasure } from "../api/message.ts";
import type { Page } from "../api/page.ts";
import {
  type BranchRequest,
  type ForkRequest,
  type ListedSession,
  type NewSession,
  type SessionPatch,
  type SessionRef,
  type SessionState,
  TENANT_OWNER,
} from "../api/session.ts";
import type { TenantSettings } from "../api/tenant.ts";
import type { UserAsk } from "../api/user-quota.ts";
import { takeOffList } from "../directory/listing-client.ts";
import { ALL_SESSIONS, type EpochRef } from "../session/client.ts";
import { encodeCursor, type PageQuery, readCursor, timedCursorSchema } from "./paging.ts";
import { askOfUser, beginningSettings, type RequestContext, refOf, renewIfKnown, tenantOf } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/**
 * Creates a session, or returns the existing one unchanged. With `continueFrom` the new session starts with another
 * session's summary.
 */
export const createSession = useCase(
  {
    action: "createSession",
    isSessionless: true,
    tell: ({ session, created }) => ({ session: session.id, details: { created } }),
  },
  async (call: RequestContext, input: NewSession): Promise<{ session: SessionState; created: boolean }> => {
    const ref = refOf(call, input.id ?? ulid());
    const { metadata } = input;
    const tenant = await tenantOf(call);
    const settings = beginningSettings(call, input.settings, tenant);
    const ask = askOfUser(call, tenant);
    // The continued session records this one, so the user's limits are checked first.
    if (ask !== undefined && input.continueFrom !== undefined) await call.parts.directory.chargeUser(ref, ask);
    const continued = await beginningOf(call, ref, input);
    // The directory lists the session before anybody learns that it exists.
    const grant = await call.parts.directory.register(ref, Date.now(), metadata ?? {}, undefined, ask);
    const creation = {
      ref,
      ...grant,
      ...(metadata === undefined ? {} : { metadata }),
      ...(settings === undefined ? {} : { settings }),
    };
    const made = unwrap(await call.parts.sessions.get(ref).create(creation, tenant, continued, call.trace));
    if (made.created) await renewIfKnown(call, ref, grant, metadata ?? {});
    return made;
  },
);

/** Where a new session's first items come from: another session's summary, all of the user's sessions, or nothing. */
async function beginningOf(call: RequestContext, ref: SessionRef, input: NewSession): Promise<EpochRef | undefined> {
  if (input.continueFrom !== undefined) return beginContinuation(call, ref, input.continueFrom);
  if (input.seedFromUser === undefined) return undefined;
  requireScope(call.principal, "memory:read");
  if (ref.owner === TENANT_OWNER) {
    throw pathFault("/seedFromUser", "needs a user: name one in the header Threadkeep-User");
  }
  return { session: ALL_SESSIONS, epoch: "" };
}

/**
 * Records the new session at the session that it continues, before anything is copied: whatever is erased there from
 * now on is erased in the new session too.
 */
async function beginContinuation(call: RequestContext, ref: SessionRef, continueFrom: string): Promise<EpochRef> {
  requireScope(call.principal, "memory:read");
  if (continueFrom === ref.session) throw pathFault("/continueFrom", "must be another session than the new one");
  return unwrap(
    atPath("/continueFrom", await call.parts.sessions.get(refOf(call, continueFrom)).beginContinuation(ref.session)),
  );
}

/** Creates a new session with a copy of the log up to some message. A large log is copied in the background. */
export const forkSession = useCase(
  {
    action: "forkSession",
    tell: ({ session, created }, source) => ({
      session: session.id,
      details: { created, source, throughSeq: session.origin?.throughSeq ?? 0 },
    }),
  },
  async (
    call: RequestContext,
    sessionId: string,
    request: ForkRequest,
  ): Promise<{ session: SessionState; created: boolean }> => {
    const source = refOf(call, sessionId);
    const ref = refOf(call, request.id ?? ulid());
    if (ref.session === source.session)
      throw pathFault("/id", "must be another than that of the session it comes from");
    const tenant = await tenantOf(call);
    const ask = askOfUser(call, tenant);
    const isThere = await isForkThere(call, ref, request, tenant, ask);
    if (ask !== undefined && !isThere) await chargeFork(call, source, ref, request, ask);
    const counted = isThere ? undefined : tenant;
    const isByUser = isUser(call.principal);
    const byUser = request.settings === undefined || !isByUser ? undefined : { settings: request.settings, tenant };
    const from = unwrap(
      await call.parts.sessions.get(source).beginFork(ref.session, request.throughSeq, counted, byUser),
    );
    const metadata = request.metadata ?? from.metadata;
    const grant = await call.parts.directory.register(ref, Date.now(), metadata, undefined, ask);
    const settings = isByUser ? from.settings : (request.settings ?? from.settings);
    const creation = { ref, ...grant, metadata, settings };
    const made = unwrap(
      await call.parts.sessions.get(ref).createFork(creation, from, MAX_COPY_WAIT_MS, tenant, call.trace),
    );
    if (made.created) await renewIfKnown(call, ref, grant, metadata);
    return made;
  },
);

/**
 * Whether the fork exists already, so that a repeated request is not counted against limits again. Without limits it is
 * not checked.
 */
async function isForkThere(
  call: RequestContext,
  ref: SessionRef,
  { id }: ForkRequest,
  tenant: TenantSettings | undefined,
  ask: UserAsk | undefined,
): Promise<boolean> {
  if ((tenant?.limits === undefined && ask === undefined) || id === undefined) return false;
  const known = await call.parts.sessions.get(ref).state();
  return known.ok || known.fault.code !== "session_not_found";
}

/** Counts the copy against the user's daily limits before anything is copied. */
async function chargeFork(
  call: RequestContext,
  source: SessionRef,
  ref: SessionRef,
  { throughSeq }: ForkRequest,
  ask: UserAsk,
): Promise<void> {
  const size = unwrap(await call.parts.sessions.get(source).forkSize(throughSeq));
  await call.parts.directory.chargeUser(ref, { ...ask, copied: { ...size, summarizerTokens: 0 } });
}

function pathFault(path: string, detail: string): ThreadkeepError {
  return new ThreadkeepError({
    code: "validation_failed",
    detail: `${path} ${detail}. Nothing was changed; correct the request and send it again.`,
    errors: [{ path, detail }],
  });
}

/** Adds the place in the body to a refusal of the session that the body names. */
function atPath<T>(path: string, outcome: Outcome<T>): Outcome<T> {
  if (outcome.ok || outcome.fault.errors !== undefined) return outcome;
  return { ok: false, fault: { ...outcome.fault, errors: [{ path, detail: "names the session that this is about" }] } };
}

export interface ListSessionsQuery extends PageQuery {
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** The caller's sessions, newest first. */
export const listSessions = useCase(
  { action: "listSessions", isSessionless: true },
  async (call: RequestContext, query: ListSessionsQuery): Promise<Page<ListedSession>> => {
    const cursor = readCursor(timedCursorSchema, query.cursor);
    const page = await call.parts.directory.list(call.principal.tenant, call.principal.owner, {
      limit: query.limit,
      cursor: cursor === null ? null : { createdAt: cursor[0], session: cursor[1] },
      metadata: query.metadata ?? {},
    });
    return {
      data: page.data,
      hasMore: page.hasMore,
      nextCursor: page.next === null ? null : encodeCursor([page.next.createdAt, page.next.session]),
    };
  },
);

export const readSession = useCase(
  { action: "readSession" },
  async (call: RequestContext, sessionId: string): Promise<SessionState> => {
    return unwrap(await call.parts.sessions.get(refOf(call, sessionId)).state(await tenantOf(call)));
  },
);

/**
 * Erases a session. If it is repeated while the first request is in progress, the session is not found, but its entry
 * is removed from the directory all the same.
 */
export const eraseSession = useCase(
  { action: "eraseSession" },
  async (call: RequestContext, sessionId: string): Promise<Erasure> => {
    const ref = refOf(call, sessionId);
    const session = call.parts.sessions.get(ref);
    const outcome = await session.erase(call.trace);
    if (!outcome.ok && outcome.fault.code === "session_not_found") {
      await takeOffList(call.parts.directory, ref, 0, () => session.listing());
    }
    const { grantedAt, ...erasure } = unwrap(outcome);
    // If the entry cannot be removed yet, or this fails, the session's erase job removes it.
    await call.parts.directory.remove(ref, grantedAt);
    return erasure;
  },
);

/** Makes another branch of the log the active one. */
export const switchBranch = useCase(
  {
    action: "switchBranch",
    tell: ({ headSeq }) => ({ details: { headSeq } }),
  },
  async (call: RequestContext, sessionId: string, request: BranchRequest): Promise<SessionState> => {
    const tenant = await tenantOf(call);
    return unwrap(
      await call.parts.sessions
        .get(refOf(call, sessionId))
        .switchBranch(request, tenant, call.trace, isUser(call.principal)),
    );
  },
);

/** Replaces the metadata, the settings or both. */
export const updateSession = useCase(
  { action: "updateSession" },
  async (call: RequestContext, sessionId: string, patch: SessionPatch): Promise<SessionState> => {
    const ref = refOf(call, sessionId);
    const tenant = await tenantOf(call);
    const { state, epoch, listing } = unwrap(
      await call.parts.sessions.get(ref).update(patch, tenant, call.trace, isUser(call.principal)),
    );
    if (patch.metadata !== undefined) {
      const { metadata, grantedAt, metadataRev } = listing;
      await call.parts.directory.setMetadata(ref, metadata, { grantedAt, rev: metadataRev });
      await call.parts.sessions.get(ref).confirmListed(epoch, metadataRev);
    }
    return state;
  },
);
