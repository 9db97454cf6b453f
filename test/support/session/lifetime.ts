import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { unwrap } from "../../../src/api/errors.ts";
import { DAY_SECONDS } from "../../../src/api/quota.ts";
import type { SessionRef, SessionState } from "../../../src/api/session.ts";
import { Tables } from "../../../src/session/sqlite/tables.ts";
import { type HttpAnswer, send } from "../worker-http.ts";
import { epochOf, sessionAt, stubAt, until } from "./object.ts";

/** Shared parts of tests about a session's beginning and end: forks, continuations, expiry, silence. */

/** A request to the Worker with the tenant's own key, for one of its users if named. */
export function request<Body = Record<string, unknown>>(
  method: string,
  path: string,
  body?: unknown,
  user?: string,
): Promise<HttpAnswer<Body>> {
  return send(method, `/v1${path}`, body, { user });
}

/** Another session of the same owner. */
export function beside(ref: SessionRef, session: string = crypto.randomUUID()): SessionRef {
  return { ...ref, session };
}

/** Forks a session and waits until the fork is complete. */
export async function forkOf(ref: SessionRef, body: Record<string, unknown> = {}): Promise<SessionRef> {
  const fork = await request<SessionState>("POST", `/sessions/${ref.session}/fork`, body);
  if (fork.status !== 201 && fork.status !== 202) throw new Error(`no fork: ${fork.text}`);
  const copy = beside(ref, fork.body.id);
  await until("the fork is whole", async () => unwrap(await sessionAt(copy).state()).status === "active");
  return copy;
}

/** A continuation of a session, once it has its carried items. */
export async function continuationOf(ref: SessionRef, body: Record<string, unknown> = {}): Promise<SessionRef> {
  const made = await request<SessionState>("POST", "/sessions", { continueFrom: ref.session, ...body });
  if (made.status !== 201) throw new Error(`no continuation: ${made.text}`);
  const copy = beside(ref, made.body.id);
  await until("what is carried over arrives", async () => originState(copy).then((state) => state !== "pending"));
  return copy;
}

async function originState(ref: SessionRef): Promise<string | undefined> {
  return unwrap(await sessionAt(ref).state()).origin?.state;
}

/**
 * Lets time pass in the object, according to its rows: its creation, everything said in it and everything spent is that much earlier. The
 * object is started again, because it caches its row.
 */
export async function letPass(ref: SessionRef, ms: number): Promise<void> {
  await runInDurableObject(stubAt(ref), async (_, state) => {
    state.storage.sql.exec(
      `UPDATE session SET began_at = began_at - ?1, edited_at = edited_at - ?1,
         edited_day = (edited_day - ?1) - (edited_day - ?1) % ?2,
         appending = json_set(appending, '$.startedAt', json_extract(appending, '$.startedAt') - ?1)`,
      ms,
      DAY_SECONDS * 1_000,
    );
    state.storage.sql.exec("UPDATE messages SET created_at = created_at - ? WHERE seq > 0", ms);
    const spent = new Tables(state.storage.sql).group("spent");
    spent.exec("UPDATE OR REPLACE spent SET day = (day - ?1) - (day - ?1) % ?2", ms, DAY_SECONDS * 1_000);
    await state.storage.deleteAlarm();
  });
  await evictDurableObject(stubAt(ref));
}

/** Rings the alarm. Pending work is due by then, however long its pause. */
export function ring(ref: SessionRef): Promise<void> {
  return runInDurableObject(stubAt(ref), async (session, state) => {
    new Tables(state.storage.sql).group("jobs").exec("UPDATE jobs SET next_send_at = 0");
    await session.alarm();
  });
}

/** Whether a session has ended by its settings. */
export async function isExpired(ref: SessionRef): Promise<boolean> {
  const state = await sessionAt(ref).state();
  return !state.ok && state.fault.code === "session_expired";
}

/** Does, step by step, everything that has to happen before a session may expire, and lets it expire. */
export async function untilExpired(ref: SessionRef): Promise<void> {
  await until("the session expires", async () => {
    if (await isExpired(ref)) return true;
    await ring(ref);
    return false;
  });
}

/** The epoch of a session, as other sessions name it. */
export async function epochRefOf(ref: SessionRef): Promise<{ session: string; epoch: string }> {
  return { session: ref.session, epoch: await epochOf(ref) };
}
