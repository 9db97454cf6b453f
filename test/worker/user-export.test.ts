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

async function talk(user: string, session: string, count = 3, after = 0): Promise<void> {
  const messages = Array.from({ length: count }, (_, index) => turn(after + index + 1));
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

describe("an export in pages", () => {
  async function pageOf(path: string, app?: ReturnType<typeof appWith>, user = ""): Promise<UserTransferLine[]> {
    if (app === undefined) return linesOf((await request("GET", path)).text);
    const answer = await app.request(`/v1${path}`, { headers: { Authorization: user } });
    return linesOf(new TextDecoder().decode(await answer.arrayBuffer()));
  }
  const pathOf = (user: string, limit: number, cursor?: string): string =>
    `/users/${encodeURIComponent(user)}?limit=${limit}${cursor === undefined ? "" : `&cursor=${cursor}`}`;
  function cursorOf(lines: readonly UserTransferLine[]): string {
    const last = lines.at(-1);
    if (last?.type !== "user-next") throw new Error("the page is not followed by another one");
    return last.cursor;
  }

  it("has the lines of one page, without sessions that were created or erased before they were reached", async () => {
    const user = freshUser();
    for (let at = 1; at <= 7; at += 1) await talk(user, `chat-${at}`);
    const whole = await exportOf(user);
    const ids = whole.flatMap((line) => (line.type === "session" ? [line.id] : []));
    const pages = [await pageOf(pathOf(user, 2))];
    await talk(user, "too-late");
    const erased = ids[5] ?? "";
    expect(await request("DELETE", `/sessions/${erased}`, undefined, user)).toMatchObject({ status: 202 });
    while (pages.at(-1)?.at(-1)?.type === "user-next") {
      pages.push(await pageOf(pathOf(user, 2, cursorOf(pages.at(-1) ?? []))));
    }
    expect(pages.map((page) => page.filter(({ type }) => type === "session").length)).toEqual([2, 2, 2, 0]);
    const from = whole.findIndex((line) => line.type === "session" && line.id === erased);
    const rest = whole.toSpliced(from, whole.findIndex((line, at) => at > from && line.type === "end") - from + 1);
    const told = pages.flat().filter(({ type }) => type !== "user-next");
    expect(told.slice(1, -1)).toEqual(rest.slice(1, -1));
    expect(told.at(-1)).toEqual({ type: "user-end", sessions: 6, unavailable: 0, failures: 0 });
  });

  it("stops inside a session, can be cut off and resumed there, and tells what became of the rest", async () => {
    const user = freshUser();
    const ref = { tenant: "test", owner: user, session: "long" };
    for (let after = 0; after < 500; after += 100) await talk(user, "long", 100, after);
    // Pages of one message, as if each were as large as a page.
    const sessions = createSessionClient(env.CHAT_SESSION);
    const small = (object: SessionObject): SessionObject =>
      new Proxy(object, {
        get: (target, name) =>
          name === "exportPage"
            ? async (...given: Parameters<SessionObject["exportPage"]>) => {
                return { ok: true, value: unwrap(await target.exportPage(...given)).slice(0, 1) };
              }
            : (...given: unknown[]): unknown => Reflect.apply(Reflect.get(target, name), target, given),
      });
    const app = appWith({}, { sessions: { get: (given) => small(sessions.get(given)) } });
    const first = await pageOf(pathOf(user, 9), app, user);
    const read = first.filter(({ type }) => type === "message").length;
    expect(read).toBeGreaterThan(300);
    const next = pathOf(user, 9, cursorOf(first));
    const cutOff = await app.request(`/v1${next}`, { headers: { Authorization: user } });
    await cutOff.body?.cancel();
    expect((await pageOf(next)).map(({ type }) => type)).toEqual([
      ...Array.from({ length: 500 - read }, () => "message"),
      "end",
      "user-end",
    ]);
    const messages = [...first, ...(await pageOf(next))].flatMap((line) => (line.type === "message" ? [line.seq] : []));
    expect(messages).toEqual(Array.from({ length: 500 }, (_, at) => at + 1));
    await unwrap(await sessionAt(ref).erase());
    await talk(user, "long");
    expect(await pageOf(next)).toMatchObject([
      { type: "unavailable", id: "long", metadata: {}, code: "session_not_found" },
      { type: "user-end", sessions: 0, unavailable: 1 },
    ]);
  });

  it("of others is as empty as that of an unknown user, and a cursor that was changed is refused", async () => {
    const [ada, mallory] = [freshUser(), freshUser()];
    for (const session of ["one", "two"]) await talk(ada, session);
    const cursor = cursorOf(await pageOf(pathOf(ada, 1)));
    for (const user of [ada, freshUser()]) {
      const { status, text } = await request("GET", pathOf(user, 1, cursor), undefined, mallory);
      expect([status, linesOf(text)]).toEqual([200, [{ ...EMPTY, sessions: 1 }]]);
    }
    expect(await request("GET", pathOf(ada, 1, `${cursor.slice(0, -4)}x`))).toMatchObject({
      status: 422,
      body: { code: "validation_failed" },
    });
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
