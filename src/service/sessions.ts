import { ulid } from "ulid";
import { z } from "zod";
import { requireScope } from "../access/scopes.ts";
import { unwrap } from "../contracts/errors.ts";
import type { Erasure } from "../contracts/message.ts";
import type { Page } from "../contracts/page.ts";
import type { ListedSession, NewSession, SessionPatch, SessionState } from "../contracts/session.ts";
import { type Call, decodeCursor, encodeCursor, invalidCursor, refOf } from "./call.ts";

/** Creates a session; one that is there already is given back as it is. */
export async function createSession(
  call: Call,
  input: NewSession,
): Promise<{ session: SessionState; created: boolean }> {
  requireScope(call.principal, "memory:write");
  const ref = refOf(call, input.id ?? ulid());
  const { metadata, settings } = input;
  // The directory knows the session before anybody is told that it exists.
  const createdAt = await call.parts.directory.register(ref, Date.now(), metadata ?? {});
  return unwrap(
    await call.parts.sessions.get(ref).create({
      ref,
      createdAt,
      ...(metadata === undefined ? {} : { metadata }),
      ...(settings === undefined ? {} : { settings }),
    }),
  );
}

export interface SessionListQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

const cursorSchema = z.tuple([z.int(), z.string()]);

/** The caller's sessions, newest first. */
export async function listSessions(call: Call, query: SessionListQuery): Promise<Page<ListedSession>> {
  requireScope(call.principal, "memory:read");
  const cursor = query.cursor === undefined ? null : cursorSchema.safeParse(decodeCursor(query.cursor));
  if (cursor?.success === false) throw invalidCursor();
  const page = await call.parts.directory.list(call.principal.tenant, call.principal.owner, {
    limit: query.limit,
    cursor: cursor === null ? null : { createdAt: cursor.data[0], session: cursor.data[1] },
    metadata: query.metadata ?? {},
  });
  return {
    data: page.data,
    hasMore: page.hasMore,
    nextCursor: page.next === null ? null : encodeCursor([page.next.createdAt, page.next.session]),
  };
}

export async function readSession(call: Call, sessionId: string): Promise<SessionState> {
  requireScope(call.principal, "memory:read");
  return unwrap(await call.parts.sessions.get(refOf(call, sessionId)).state());
}

/** Erases a session. Asked again while the first request is on its way, it finds no session, and takes it off the list all the same. */
export async function eraseSession(call: Call, sessionId: string): Promise<Erasure> {
  requireScope(call.principal, "memory:erase");
  const ref = refOf(call, sessionId);
  const outcome = await call.parts.sessions.get(ref).erase();
  if (outcome.ok || outcome.fault.code === "session_not_found") await call.parts.directory.remove(ref);
  return unwrap(outcome);
}

/** Replaces metadata, settings or both. */
export async function updateSession(call: Call, sessionId: string, patch: SessionPatch): Promise<SessionState> {
  requireScope(call.principal, "memory:write");
  const ref = refOf(call, sessionId);
  const state = unwrap(await call.parts.sessions.get(ref).update(patch));
  if (patch.metadata !== undefined) await call.parts.directory.setMetadata(ref, patch.metadata);
  return state;
}
