import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { ownerName } from "../../src/api/session.ts";
import { userTransferLineSchema, type UserTransferLine } from "../../src/api/user.ts";
import { createOperationsClient } from "../../src/control/client.ts";
import { createSessionClient, type SessionObject } from "../../src/session/client.ts";
import {
  archivedWhole,
  evictDurableObject,
  quoting,
  request,
  ring,
  runInDurableObject,
  sessionAt,
  stubAt,
  summarizeBy,
  turn,
  unwrap,
} from "../support/session.ts";
import { appWith } from "../support/worker-app.ts";

const operations = createOperationsClient(env.OPERATIONS);

function freshUser(): string {
  return `auth0|user/${crypto.randomUUID()}`;
}

async function talk(user: string, session: string, count = 3): Promise<void> {
  const messages = Array.from({ length: count }, (_, index) => turn(index + 1));
  expect(await request("POST", `/sessions/${session}/messages`, { messages }, user)).toMatchObject({ status: 201 });
}

function linesOf(text: string): UserTransferLine[] {
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => userTransferLineSchema.parse(JSON.parse(line)));
}

async function exportOf(user: string, as?: string): Promise<UserTransferLine[]> {
  const { status, text } = await request("GET", `/users/${encodeURIComponent(user)}`, undefined, as);
  expect(status).toBe(200);
  return linesOf(text);
}

const EMPTY = { type: "user-end", sessions: 0, unavailable: 0, failures: 0 };

describe("the export of a user", () => {
  it("has each session as in its own export, the failures, and an end that counts", async () => {
    const user = freshUser();
    const sessions = Array.from({ length: 12 }, (_, index) => `chat-${index + 1}`);
    for (const session of sessions) await talk(user, session);
    const failure = {
      jobId: crypto.randomUUID(),
      kind: "archive",
      tenant: "test",
      owner: user,
      session: "chat-1",
      state: "retrying" as const,
      reason: "archive: ECONNREFUSED",
      attempts: 3,
      firstError: "archive: ETIMEDOUT",
      firstFailedAt: "2026-11-22T10:00:00.000Z",
      lastError: "archive: ECONNREFUSED",
      lastFailedAt: "2026-11-22T10:01:00.000Z",
    };
    await operations.report(failure);
    await operations.report({ ...failure, jobId: crypto.randomUUID(), owner: `${user}-other` });
    const lines = await exportOf(user);
    expect(lines[0]).toMatchObject({ type: "user", format: "threadkeep-user", userId: user });
    expect(lines.at(-1)).toEqual({ type: "user-end", sessions: 12, unavailable: 0, failures: 1 });
    expect(lines.at(-2)).toEqual({ type: "failure", ...failure });
    const whole = (await request("GET", `/users/${encodeURIComponent(user)}`)).text;
    for (const session of sessions) {
      const { text } = await request("GET", `/sessions/${session}/export`, undefined, user);
      expect(whole).toContain(text);
    }
    await operations.clearUser({ tenant: "test", owner: user });
  });

  it("of an unknown user is empty, and leaves no row", async () => {
    const user = freshUser();
    expect((await exportOf(user)).slice(1)).toEqual([EMPTY]);
    const tables = await runInDurableObject(
      env.DIRECTORY.getByName(ownerName({ tenant: "test", owner: user })),
      (_, state) =>
        state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'").toArray(),
    );
    expect(tables).toEqual([]);
  });

  it("reports sessions that are erased meanwhile, expired or incomplete, and continues", async () => {
    const user = freshUser();
    for (const session of ["first", "erased", "expired", "halfway", "last"]) await talk(user, session, 6);
    const ref = { tenant: "test", owner: user, session: "" };
    // The object is started again: it caches its row, of which it is the only writer.
    const sql = async (session: string, statement: string): Promise<void> => {
      const stub = stubAt({ ...ref, session });
      await runInDurableObject(stub, (_, { storage }) => void storage.sql.exec(statement));
      await evictDurableObject(stub);
    };
    const expired = { ...ref, session: "expired" };
    await summarizeBy(expired, quoting);
    await ring(expired);
    await archivedWhole(expired);
    await sql("expired", "UPDATE session SET expired_at = 1");
    await sql("halfway", `UPDATE session SET copying = '{"kind":"import","until":1,"sourceChanges":null}'`);
    // It is erased after its first line was read, and before the next.
    const sessions = createSessionClient(env.CHAT_SESSION);
    const erasing = (object: SessionObject): SessionObject =>
      new Proxy(object, {
        get:
          (target, name) =>
          async (...given: unknown[]) => {
            const answer: unknown = await Reflect.apply(Reflect.get(target, name), target, given);
            if (name === "beginExport") unwrap(await object.erase());
            return answer;
          },
      });
    const get = (given: typeof ref): SessionObject =>
      given.session === "erased" ? erasing(sessionAt(given)) : sessions.get(given);
    const app = appWith({}, { sessions: { get } });
    const answer = await app.request(`/v1/users/${encodeURIComponent(user)}`, { headers: { Authorization: user } });
    const lines = linesOf(new TextDecoder().decode(await answer.arrayBuffer()));
    const told = lines.find((line) => line.type === "unavailable" && line.id === "expired");
    expect(JSON.stringify(told)).toContain("the invoice 1001 goes to harbour office 1");
    const codes = lines.flatMap((line) => (line.type === "unavailable" ? [[line.id, line.code]] : []));
    expect(Object.fromEntries(codes)).toEqual({
      erased: "session_not_found",
      expired: "session_expired",
      halfway: "session_not_ready",
    });
    expect(lines.at(-1)).toEqual({ type: "user-end", sessions: 2, unavailable: 3, failures: 0 });
  });
});

describe("a caller who acts for a user", () => {
  it("exports, erases and checks only that user: others look as if they did not exist", async () => {
    const [ada, mallory] = [freshUser(), freshUser()];
    await talk(ada, "diary");
    expect((await exportOf(ada, ada)).at(-1)).toMatchObject({ sessions: 1 });
    expect((await exportOf(ada, mallory)).slice(1)).toEqual([EMPTY]);
    const unknown = freshUser();
    for (const other of [ada, unknown]) {
      expect(await request("DELETE", `/users/${encodeURIComponent(other)}`, undefined, mallory)).toMatchObject({
        status: 404,
        body: { code: "user_not_found" },
      });
      expect(await request("GET", `/users/${encodeURIComponent(other)}/erasure`, undefined, mallory)).toMatchObject({
        status: 404,
        body: { code: "erasure_not_found" },
      });
    }
    expect((await exportOf(ada)).at(-1)).toMatchObject({ sessions: 1 });
    expect(await request("DELETE", `/users/${encodeURIComponent(mallory)}`, undefined, mallory)).toMatchObject({
      status: 202,
    });
    expect(await request("GET", `/users/${encodeURIComponent(mallory)}/erasure`, undefined, mallory)).toMatchObject({
      status: 200,
    });
    expect(await request("GET", `/users/${encodeURIComponent(ada)}/erasure`)).toMatchObject({
      body: { code: "erasure_not_found" },
    });
  });

  it("needs the scope for it, and a valid user id", async () => {
    const user = freshUser();
    const app = appWith({
      authenticate: async () => ({
        kind: "tenant-key",
        id: "key:k",
        tenant: "test",
        owner: "-",
        scopes: ["memory:write"],
      }),
    });
    for (const [method, path] of [
      ["GET", `/v1/users/${encodeURIComponent(user)}`],
      ["DELETE", `/v1/users/${encodeURIComponent(user)}`],
      ["GET", `/v1/users/${encodeURIComponent(user)}/erasure`],
    ] as const) {
      expect((await app.request(path, { method })).status, method).toBe(403);
    }
    for (const name of ["-", " ", "a\nb", "x".repeat(257)]) {
      for (const method of ["GET", "DELETE"]) {
        const answer = await request(method, `/users/${encodeURIComponent(name)}`);
        expect(answer, name).toMatchObject({ status: 422, body: { code: "validation_failed" } });
      }
    }
  });
});
