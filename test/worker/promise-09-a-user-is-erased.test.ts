import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { CREATION_GRANT_MS, ERASED_USER_REST_MS } from "../../src/api/limits.ts";
import { ownerName, type SessionState } from "../../src/api/session.ts";
import type { UserErasure, UserRef } from "../../src/api/user.ts";
import { ArchiveUnreachable } from "../../src/archive/database.ts";
import { Directory } from "../../src/directory/directory.ts";
import type { CreationGrant } from "../../src/directory/entries.ts";
import type { PipelineDeps } from "../../src/pipeline/delivery.ts";
import { eraseUser } from "../../src/pipeline/erase-user.ts";
import { recordDeadLetter } from "../../src/pipeline/failed.ts";
import {
  archivedWhole,
  changeArchive,
  creationOf,
  deliver,
  epochOf,
  jobOf,
  listed,
  onArchive,
  pendingJobs,
  pipelineDeps,
  quoting,
  request,
  ring,
  runInDurableObject,
  sessionAt,
  type SessionRef,
  storedText,
  summarizeBy,
  turn,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

afterEach(() => void vi.restoreAllMocks());

function freshUser(): UserRef {
  return { tenant: "test", owner: `auth0|user/${crypto.randomUUID()}` };
}

function directoryOf({ tenant, owner }: UserRef): DurableObjectStub<Directory> {
  return env.DIRECTORY.getByName(ownerName({ tenant, owner }));
}

/** A session of a user, with an archived summary if requested. */
async function sessionOf({ tenant, owner }: UserRef, session: string, isArchived = false): Promise<SessionRef> {
  const ref = { tenant, owner, session };
  const messages = Array.from({ length: 6 }, (_, index) => turn(index + 1));
  const settings = { archiveMessages: isArchived };
  expect(await request("POST", "/sessions", { id: session, settings }, owner)).toMatchObject({ status: 201 });
  expect(await request("POST", `/sessions/${session}/messages`, { messages }, owner)).toMatchObject({ status: 201 });
  if (!isArchived) return ref;
  await summarizeBy(ref, quoting);
  await ring(ref);
  await archivedWhole(ref);
  return ref;
}

/** Starts the erasure without its alarm, so that only the test does its rounds. */
async function beginErasure(user: UserRef): Promise<string> {
  return runInDurableObject(directoryOf(user), async (directory, state) => {
    await directory.beginErasure(user);
    await state.storage.deleteAlarm();
    return erasureIn(state)["jobId"] as string;
  });
}

function erasureIn(state: DurableObjectState): Record<string, unknown> {
  return JSON.parse(state.storage.sql.exec<{ row: string }>("SELECT row FROM erasure").one().row);
}

/** Makes all creation grants old. */
async function letGrantsPass(user: UserRef, ms = 3 * CREATION_GRANT_MS): Promise<void> {
  await runInDurableObject(directoryOf(user), (_, state) => {
    state.storage.sql.exec(
      "UPDATE sessions SET granted_at = granted_at - ?1, granted_before = max(0, granted_before - ?1)",
      ms,
    );
  });
}

/** One round of the erasure, as a consumer does it. */
async function goRound(user: UserRef, jobId: string, parts: PipelineDeps = pipelineDeps()): Promise<void> {
  await eraseUser({ v: 1, kind: "erase-user", ...user, jobId }, parts);
}

async function reportOf({ owner }: UserRef): Promise<UserErasure> {
  const { status, body } = await request<UserErasure>("GET", `/users/${encodeURIComponent(owner)}/erasure`);
  expect(status).toBe(200);
  return body;
}

/** Repeats rounds until the erasure is over. */
async function finish(user: UserRef, jobId: string): Promise<UserErasure> {
  await letGrantsPass(user);
  await until("the user is erased", async () => {
    await goRound(user, jobId);
    return (await reportOf(user)).state === "erased";
  });
  return reportOf(user);
}

function rowsNaming(word: string): Promise<string[]> {
  return onArchive(async (database) => {
    const { rows } = await database.execute(sql`
      select row_to_json(s)::text as row from sessions s where row_to_json(s)::text like ${`%${word}%`}
      union all select row_to_json(i)::text from summary_items i where row_to_json(i)::text like ${`%${word}%`}
      union all select row_to_json(m)::text from messages m where row_to_json(m)::text like ${`%${word}%`}
      union all select row_to_json(v)::text from summaries v where row_to_json(v)::text like ${`%${word}%`}`);
    return rows.map((row) => String(row["row"]));
  });
}

/** The next answer of a directory is a grant that it gave earlier, and that was held up on its way. */
function answerLate(value: CreationGrant): void {
  vi.spyOn(Directory.prototype, "register").mockResolvedValueOnce({ ok: true, value });
}

describe("promise 9: erasing a user", () => {
  it("leaves nothing in objects, list, archive and failed jobs without further requests, and says so", async () => {
    const user = freshUser();
    const refs = [await sessionOf(user, "one", true), await sessionOf(user, "__proto__")];
    const epochs = await Promise.all(refs.map(epochOf));
    await request("POST", "/sessions/one/fork", { id: "three" }, user.owner);
    for (const word of ["invoice 1001", user.owner]) expect(await rowsNaming(word)).not.toEqual([]);
    await letGrantsPass(user);
    const begun = await request<UserErasure>("DELETE", `/users/${encodeURIComponent(user.owner)}`);
    expect(begun).toMatchObject({
      status: 202,
      body: { userId: user.owner, state: "erasing", sessions: 3, erased: 0 },
    });
    await until("the user is erased", async () => (await reportOf(user)).state === "erased");
    const report = await reportOf(user);
    expect(report).toMatchObject({
      sessions: 3,
      erased: 3,
      startedAt: begun.body.startedAt,
      found: { sessions: 0, directory: 0, archive: 0, failedJobs: 0 },
    });
    expect(report.finishedAt).toBeDefined();
    for (const ref of [...refs, { ...user, session: "three" }]) expect(await storedText(ref)).toBe("");
    expect(await listed({ ...user, session: "" })).toEqual(new Map());
    for (const word of [user.owner, ...epochs]) {
      expect((await rowsNaming(word)).filter((row) => row.includes("invoice"))).toEqual([]);
    }
    expect(await rowsNaming(user.owner)).toEqual([]);
    for (const epoch of epochs) {
      const left = (await rowsNaming(epoch)).map((row) => JSON.parse(row) as Record<string, unknown>);
      for (const row of left) expect(row).toMatchObject({ owner: "", session: epoch, metadata: {}, head_seq: 0 });
    }
  });

  it("repeated returns its current state, and erases nobody twice", async () => {
    const user = freshUser();
    await sessionOf(user, "one");
    const jobId = await beginErasure(user);
    const again = await request<UserErasure>("DELETE", `/users/${encodeURIComponent(user.owner)}`);
    expect(await beginErasure(user)).toBe(jobId);
    const report = await finish(user, jobId);
    expect(report.startedAt).toBe(again.body.startedAt);
    expect(await request("DELETE", `/users/${encodeURIComponent(user.owner)}`)).toMatchObject({
      status: 202,
      body: report,
    });
    await goRound(user, jobId);
    expect(await directoryOf(user).concludeErasure(jobId, { archive: 0, failedJobs: 0 })).toBe("erased");
    expect(await reportOf(user)).toEqual(report);
  });

  it("stops once it is over, even if a late write made it search again earlier", async () => {
    const user = freshUser();
    await sessionOf(user, "one");
    const jobId = await beginErasure(user);
    await finish(user, jobId);
    await directoryOf(user).noteWiped(jobId, ["one"]);
    expect(await directoryOf(user).nextErasureStep(jobId, Date.now())).toBeNull();
    await runInDurableObject(directoryOf(user), async (_, state) => {
      const pause = ERASED_USER_REST_MS - 60_000;
      expect(Number(erasureIn(state)["nextSendAt"]) - Date.now()).toBeGreaterThan(pause);
      expect(((await state.storage.getAlarm()) ?? 0) - Date.now()).toBeGreaterThan(pause);
    });
  });

  it("refuses from then on to create, append, fork and import, with what to do next", async () => {
    const user = freshUser();
    await sessionOf(user, "one");
    const { text: file } = await request("GET", "/sessions/one/export", undefined, user.owner);
    const jobId = await beginErasure(user);
    await goRound(user, jobId);
    const messages = [turn(7)];
    const attempts: [path: string, body: unknown][] = [
      ["/sessions", { id: "new" }],
      ["/sessions", { id: "one" }],
      ["/sessions/one/messages", { messages }],
      ["/sessions/new/messages", { messages }],
      ["/import?sessionId=copy", file],
    ];
    for (const isOver of [false, true]) {
      if (isOver) await finish(user, jobId);
      for (const [path, body] of attempts) {
        const answer = await request("POST", path, body, user.owner);
        expect(answer, path).toMatchObject({ status: 410, body: { code: "user_erased" } });
        expect("returnsAt" in answer.body).toBe(isOver);
      }
      expect(await storedText({ ...user, session: "new" })).toBe("");
      expect(await storedText({ ...user, session: "copy" })).toBe("");
    }
  });

  it("searches again for a session that was allowed before and is created after its object was asked", async () => {
    const user = freshUser();
    const ref = { ...user, session: "late" };
    const directory = pipelineDeps().directory;
    const grant = await directory.register(ref, Date.now(), {});
    const jobId = await beginErasure(user);
    await goRound(user, jobId);
    answerLate(grant);
    unwrap(await sessionAt(ref).append({ messages: [turn(1)] }, creationOf(ref)));
    expect((await reportOf(user)).state).toBe("erasing");
    expect(await finish(user, jobId)).toMatchObject({ sessions: 1, erased: 1 });
    expect(await storedText(ref)).toBe("");
    expect(await rowsNaming(user.owner)).toEqual([]);
  });

  it("lets no session be created by an old creation grant, after the last search for sessions", async () => {
    const user = freshUser();
    const ref = { ...user, session: "too-late" };
    const grantedAt = Date.now() - CREATION_GRANT_MS - 1_000;
    const creation = { ref, createdAt: grantedAt, grantedAt };
    answerLate({ ...creation, isKnown: false });
    for (const refused of [
      await sessionAt(ref).append({ messages: [turn(1)] }, { ref, createdAt: grantedAt }),
      await sessionAt(ref).create(creation),
      await sessionAt(ref).beginImport(creation, { id: "an-import", throughLine: 1, patienceMs: 1_000 }),
    ]) {
      expect(refused).toMatchObject({ ok: false, fault: { code: "unavailable", retryAfterSeconds: 1 } });
    }
    expect(await storedText(ref)).toBe("");
  });

  it("reaches an import that is in progress and not listed yet", async () => {
    const user = freshUser();
    await sessionOf(user, "one");
    const { text } = await request("GET", "/sessions/one/export", undefined, user.owner);
    const lines = text.trimEnd().split("\n");
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const answer = request("POST", "/import?sessionId=copy", readable, user.owner);
    const write = (part: readonly string[]): Promise<void> =>
      writer.write(new TextEncoder().encode(`${part.join("\n")}\n`));
    await write(lines.slice(0, 1));
    const copy = { ...user, session: "copy" };
    await until("the import has begun", async () => (await storedText(copy)) !== "");
    expect([...(await listed(copy)).keys()]).toEqual(["one"]);
    const jobId = await beginErasure(user);
    expect(await finish(user, jobId)).toMatchObject({ sessions: 2, erased: 2 });
    expect(await storedText(copy)).toBe("");
    await write(lines.slice(1));
    await writer.close();
    expect((await answer).status).toBeGreaterThanOrEqual(400);
    expect(await storedText(copy)).toBe("");
  });

  it("erases the objects at once while PostgreSQL is unavailable, waits, says why, and continues when it is back", async () => {
    const user = freshUser();
    const ref = await sessionOf(user, "one", true);
    const epoch = await epochOf(ref);
    await letGrantsPass(user);
    const jobId = await beginErasure(user);
    const away = pipelineDeps({
      withDatabase: async () => {
        throw new ArchiveUnreachable("PostgreSQL did not take the connection");
      },
    });
    await goRound(user, jobId, away);
    expect(await storedText(ref)).not.toContain("invoice");
    await until("the session's own erasure is confirmed", async () => (await storedText(ref)) === "");
    for (let failures = 1; failures <= 4; failures += 1) {
      await goRound(user, jobId, away);
      const report = await reportOf(user);
      expect(report).toMatchObject({ state: "erasing", erased: 1, lastError: "erasure: ArchiveUnreachable" });
      const nextSendAt = await runInDurableObject(directoryOf(user), (_, state) =>
        Number(erasureIn(state)["nextSendAt"]),
      );
      expect(nextSendAt).toBeGreaterThan(Date.now() + 2 ** failures * 500);
      expect(nextSendAt).toBeLessThan(Date.now() + 360_000);
    }
    const operations = pipelineDeps().operations;
    expect(await operations.list(10, null, { tenant: user.tenant, user: user.owner })).toMatchObject([
      { kind: "erase-user", jobId, attempts: 3 },
    ]);
    const report = await finish(user, jobId);
    expect(report.lastError).toBeUndefined();
    expect(await operations.countOfUser(user)).toBe(0);
    expect((await rowsNaming(epoch)).join()).not.toContain(user.owner);
  });

  it("works page by page, and an unavailable session does not hold up the others", async () => {
    const user = freshUser();
    const { directory, sessions } = pipelineDeps();
    const names = Array.from({ length: 120 }, (_, index) => `s-${String(index).padStart(3, "0")}`);
    await Promise.all(names.map((session) => directory.register({ ...user, session }, Date.now(), {})));
    const written = await sessionOf(user, "s-060");
    const away = await sessionOf(user, "s-119");
    await letGrantsPass(user);
    const jobId = await beginErasure(user);
    const get = (ref: SessionRef) => {
      if (ref.session === away.session) throw new Error("its object is out of reach");
      return sessions.get(ref);
    };
    await goRound(user, jobId, pipelineDeps({ sessions: { get } }));
    expect(await storedText(written)).not.toContain("invoice");
    expect(await storedText(away)).toContain("invoice");
    expect(await reportOf(user)).toMatchObject({ state: "erasing", sessions: 120, lastError: "erasure: Error" });
    expect(await finish(user, jobId)).toMatchObject({ sessions: 120, erased: 120 });
    expect(await storedText(away)).toBe("");
  });

  it("erases what it still finds and searches again, before it says erased", async () => {
    const user = freshUser();
    const jobId = await beginErasure(user);
    const found = { archive: 0, failedJobs: 2 };
    const stub = directoryOf(user);
    expect(await stub.concludeErasure(jobId, found)).toBe("erasing");
    expect(await reportOf(user)).toMatchObject({ state: "erasing", found });
    expect((await finish(user, jobId)).found).toMatchObject({ archive: 0, failedJobs: 0 });
  });

  it("lists nothing from the start, and still asks the object of a session that somebody erases meanwhile", async () => {
    const user = freshUser();
    const ref = await sessionOf(user, "one");
    const jobId = await beginErasure(user);
    expect(await listed(ref)).toEqual(new Map());
    const { grantedAt } = unwrap(await withoutAlarm(ref, (session) => session.erase()));
    await pipelineDeps().directory.remove(ref, grantedAt);
    await letGrantsPass(user);
    await goRound(user, jobId);
    expect(await reportOf(user)).toMatchObject({ state: "erasing", sessions: 1, erased: 0 });
    await deliver(await jobOf(ref, "erase"));
    // The audit does not know of the appends yet.
    await ring(ref);
    expect(await finish(user, jobId)).toMatchObject({ sessions: 1, erased: 1 });
  });

  it("leaves the sessions of other users and of the tenant alone", async () => {
    const [user, other] = [freshUser(), freshUser()];
    await sessionOf(user, "shared-id", true);
    const kept = await sessionOf(other, "shared-id", true);
    const before = await storedText(kept);
    await finish(user, await beginErasure(user));
    expect(await storedText(kept)).toBe(before);
    expect((await rowsNaming(other.owner)).length).toBeGreaterThan(1);
    expect([...(await listed(kept)).keys()]).toEqual(["shared-id"]);
  });
});

describe("a late write after a user was erased", () => {
  it("changes nothing: jobs of the queues, writes to the archive, dead letters", async () => {
    const user = freshUser();
    const ref = await sessionOf(user, "one", true);
    const epoch = await epochOf(ref);
    unwrap(await withoutAlarm(ref, (session) => session.summarize({ keepRecentTokens: 0 })));
    unwrap(await withoutAlarm(ref, (session) => session.update({ metadata: { mood: "calm" } })));
    const jobs = [await jobOf(ref, "archive")];
    const delta = await sessionAt(ref).readArchiveDelta(jobs[0]?.jobId ?? "", epoch);
    if (delta === null) throw new Error("no archive job is pending");
    await finish(user, await beginErasure(user));

    for (const kind of [
      "summarize",
      "archive",
      "erase",
      "erase-copies",
      "expire",
      "fork",
      "restore",
      "list",
    ] as const) {
      const job = {
        v: 1 as const,
        kind,
        ...ref,
        epoch,
        throughSeq: 6,
        jobId: jobs[0]?.jobId ?? "",
        sends: 1,
      };
      expect(await deliver(job), kind).toBe("acked");
      await recordDeadLetter({ ...job, jobId: crypto.randomUUID() }, 10, pipelineDeps());
    }
    const late = { ...delta, baseRev: 0, isReplaced: true, rev: delta.rev + 5, createdAt: delta.createdAt + 5 };
    expect(await changeArchive(late)).toBe("stale");
    expect(await changeArchive({ ref, epoch, createdAt: delta.createdAt })).toBe("applied");
    expect(await rowsNaming(user.owner)).toEqual([]);
    expect(await pipelineDeps().operations.countOfUser(user)).toBe(0);
    expect(await storedText(ref)).toBe("");
  });

  it("names nobody in the archive, if a session was erased before the user and is confirmed afterwards", async () => {
    const user = freshUser();
    const ref = await sessionOf(user, "one");
    const { grantedAt } = unwrap(await withoutAlarm(ref, (session) => session.erase()));
    await pipelineDeps().directory.remove(ref, grantedAt);
    await finish(user, await beginErasure(user));
    await deliver(await jobOf(ref, "erase"));
    await ring(ref);
    expect(await storedText(ref)).toBe("");
    expect(await rowsNaming(user.owner)).toEqual([]);
  });

  it("is searched for once more when none can come any more: then the id is free, and starts with nothing", async () => {
    const user = freshUser();
    await sessionOf(user, "one", true);
    const jobId = await beginErasure(user);
    await finish(user, jobId);
    const pass = (ms: number): Promise<void> =>
      runInDurableObject(directoryOf(user), (_, state) => {
        const row = erasureIn(state);
        const finishedAt = Number(row["finishedAt"]) - ms;
        state.storage.sql.exec("UPDATE erasure SET row = ?", JSON.stringify({ ...row, finishedAt }));
      });
    await pass(ERASED_USER_REST_MS - 60_000);
    await goRound(user, jobId);
    expect((await request("POST", "/sessions", { id: "one" }, user.owner)).status).toBe(410);
    await pass(60_000);
    await goRound(user, jobId);
    expect(await request("GET", `/users/${encodeURIComponent(user.owner)}/erasure`)).toMatchObject({
      status: 404,
      body: { code: "erasure_not_found" },
    });
    const stored = await runInDurableObject(directoryOf(user), (_, state) => ({
      tables: state.storage.sql
        .exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'")
        .toArray(),
      alarm: state.storage.getAlarm(),
    }));
    expect(stored.tables).toEqual([]);
    expect(await stored.alarm).toBeNull();
    const again = await request<SessionState>("POST", "/sessions", { id: "one" }, user.owner);
    expect(again).toMatchObject({ status: 201, body: { headSeq: 0 } });
  });
});

describe("an entry of the list of sessions", () => {
  const ref = (): SessionRef => ({ ...freshUser(), session: "again" });

  /** An epoch that was created with a grant, as a request brings it to the object. */
  async function beginBy(again: SessionRef, { grantedAt }: { grantedAt: number }): Promise<void> {
    const creation = { ref: again, createdAt: Date.now(), grantedAt };
    await withoutAlarm(again, async (session) => {
      unwrap(await session.create(creation));
      unwrap(await session.append({ messages: [turn(1)] }, null));
    });
  }

  const erased = (again: SessionRef): Promise<number> =>
    withoutAlarm(again, async (session) => unwrap(await session.erase()).grantedAt);

  /** An import in progress: what is sent to it, and how it ends. */
  function importInto(again: SessionRef): {
    send: (...lines: readonly string[]) => Promise<void>;
    end: () => Promise<number>;
  } {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const answer = request("POST", `/import?sessionId=${again.session}`, readable, again.owner);
    return {
      send: (...lines) => writer.write(new TextEncoder().encode(`${lines.join("\n")}\n`)),
      end: async () => {
        await writer.close().catch(() => undefined);
        return (await answer).status;
      },
    };
  }

  const at = "2026-01-02T03:04:05.000Z";
  const HEAD = JSON.stringify({
    type: "session",
    format: "threadkeep-session",
    formatVersion: 1,
    id: "again",
    createdAt: at,
    metadata: { from: "a file" },
    settings: {},
  });
  const LINE = JSON.stringify({ type: "message", seq: 1, id: "one", role: "user", content: "imported", createdAt: at });
  const END = JSON.stringify({ type: "end", messages: 1, summaries: 0, items: 0, complete: true });

  it.each([
    ["breaks off", ["this is not JSON"]],
    ["comes to its end", [LINE, END]],
  ])("stays for a session that replaced an import, when that import %s", async (_, rest) => {
    const again = ref();
    const file = importInto(again);
    await file.send(HEAD);
    await until("the import has begun", async () => (await storedText(again)) !== "");
    expect((await request("DELETE", "/sessions/again", undefined, again.owner)).status).toBe(202);
    await request("POST", "/sessions", { id: "again", metadata: { from: "somebody" } }, again.owner);
    await request("POST", "/sessions/again/messages", { messages: [turn(1)] }, again.owner);
    await letGrantsPass(again);
    await file.send(...rest);
    expect(await file.end()).toBeGreaterThanOrEqual(400);
    expect((await listed(again)).get("again")).toMatchObject({ metadata: { from: "somebody" } });
    // Therefore the erasure of its user reaches it.
    await finish(again, await beginErasure(again));
    expect(await storedText(again)).toBe("");
  });

  it("stays for a complete import whose client never got that answer and gave it up", async () => {
    const again = ref();
    const file = importInto(again);
    await file.send(HEAD, LINE, END);
    expect(await file.end()).toBe(201);
    expect(await sessionAt(again).abandonImport(await epochOf(again), Date.now())).toBeNull();
    expect([...(await listed(again)).keys()]).toEqual(["again"]);
  });

  it("is removed with an import that is refused at its end, and with one that breaks off", async () => {
    const again = ref();
    const wrongEnd = END.replace('"items":0', '"items":1');
    for (const rest of [[LINE, wrongEnd], [LINE], ["{}"]]) {
      const file = importInto(again);
      await file.send(HEAD, ...rest);
      expect(await file.end()).toBeGreaterThanOrEqual(400);
      const { entries } = await directoryOf(again).standing("again");
      expect(entries).toBe(0);
    }
  });

  it("comes back with an epoch that was created with an earlier grant, after a later one's epoch was erased", async () => {
    const again = ref();
    const { directory } = pipelineDeps();
    const early = await directory.register(again, Date.now(), {});
    await beginBy(again, await directory.register(again, Date.now(), {}));
    await directory.remove(again, await erased(again));
    expect(await listed(again)).toEqual(new Map());
    await beginBy(again, early);
    await deliver(await jobOf(again, "erase"));
    expect([...(await listed(again)).keys()]).toEqual(["again"]);
    expect(await storedText(again)).toContain("invoice");
  });

  it("is there at the second attempt if the first, which created the tables, was rolled back", async () => {
    const one = ref();
    const given = { ...one, session: "one" };
    await runInDurableObject(directoryOf(one), async (directory) => {
      const spoilt = {
        get topic(): string {
          throw new Error("the disk is full");
        },
      };
      await expect(directory.register(given, Date.now(), spoilt)).rejects.toThrow("the disk is full");
      expect((await directory.standing("one")).isListed).toBe(false);
      expect(await directory.readErasure()).toBeNull();
      unwrap(await directory.register(given, Date.now(), {}));
      expect((await directory.standing("one")).isListed).toBe(true);
    });
  });

  it.each([0, 5_000])(
    "belongs to a new epoch with a later grant, even if the clock goes back by %d ms",
    async (backMs) => {
      const again = ref();
      const { directory } = pipelineDeps();
      const start = Date.now();
      const now = vi.spyOn(Date, "now").mockReturnValue(start);
      await beginBy(again, await directory.register(again, start, {}));
      const gone = await erased(again);
      await directory.remove(again, gone);
      expect((await directoryOf(again).standing("again")).entries).toBe(0);
      now.mockReturnValue(start - backMs);
      await beginBy(again, await directory.register(again, start - backMs, {}));
      await directory.remove(again, gone);
      expect([...(await listed(again)).keys()]).toEqual(["again"]);
    },
  );

  it("is removed by itself if a later grant was not used, once it cannot be used any more", async () => {
    const again = ref();
    const { directory } = pipelineDeps();
    await beginBy(again, await directory.register(again, Date.now(), {}));
    await directory.register(again, Date.now(), {});
    const job = await erased(again).then(() => jobOf(again, "erase"));
    await deliver(job);
    expect([...(await listed(again)).keys()]).toEqual(["again"]);
    expect(await jobOf(again, "erase")).toEqual(job);
    await letGrantsPass(again);
    await deliver(job);
    expect((await directoryOf(again).standing("again")).entries).toBe(0);
    await until("the object is empty", async () => (await storedText(again)) === "");
  });

  it("is removed with the session's erase job, even if the request that erased the session never reached the directory", async () => {
    const again = ref();
    await beginBy(again, await pipelineDeps().directory.register(again, Date.now(), { secret: "old" }));
    await erased(again);
    await deliver(await jobOf(again, "erase"));
    expect((await directoryOf(again).standing("again")).entries).toBe(0);
  });

  it("has the metadata of the last change, even if an earlier one arrives late from the session", async () => {
    const again = ref();
    const { directory } = pipelineDeps();
    await beginBy(again, await directory.register(again, Date.now(), {}));
    const changes = [];
    for (const step of [1, 2]) {
      const metadata = { step };
      const { grantedAt, metadataRev } = unwrap(await sessionAt(again).update({ metadata })).listing;
      changes.push({ metadata, change: { grantedAt, rev: metadataRev } });
    }
    for (const { metadata, change } of changes.toReversed()) await directory.setMetadata(again, metadata, change);
    expect((await listed(again)).get("again")).toMatchObject({ metadata: { step: 2 } });
    expect(unwrap(await sessionAt(again).state()).metadata).toEqual({ step: 2 });
  });

  it("gets the metadata of a change, even if the request that made it never reached the directory", async () => {
    const again = ref();
    const { directory } = pipelineDeps();
    await beginBy(again, await directory.register(again, Date.now(), {}));
    unwrap(await withoutAlarm(again, (session) => session.update({ metadata: { step: 1 } })));
    expect((await listed(again)).get("again")).toMatchObject({ metadata: {} });
    const first = await jobOf(again, "list");
    const { epoch, listing } = unwrap(
      await withoutAlarm(again, (session) => session.update({ metadata: { step: 2 } })),
    );
    expect(await jobOf(again, "list")).toMatchObject({ jobId: first.jobId });
    expect(await withoutAlarm(again, (session) => session.confirmListed(epoch, listing.metadataRev - 1))).toBe(false);
    expect(await deliver(first)).toBe("acked");
    expect((await listed(again)).get("again")).toMatchObject({ metadata: { step: 2 } });
    expect(await pendingJobs(again)).toEqual([]);
  });

  it("leaves no job behind once the directory has a client's change", async () => {
    const again = ref();
    await request("POST", "/sessions", { id: "again" }, again.owner);
    await request("PATCH", "/sessions/again", { metadata: { step: 1 } }, again.owner);
    expect((await listed(again)).get("again")).toMatchObject({ metadata: { step: 1 } });
    expect(await pendingJobs(again)).toEqual([]);
  });

  it("is updated for a new epoch, even if the request that created it never reached the directory", async () => {
    const again = ref();
    const { directory } = pipelineDeps();
    await beginBy(again, await directory.register(again, Date.now(), { epoch: 1 }));
    await erased(again);
    const grant = await directory.register(again, Date.now(), { epoch: 2 });
    expect(grant.isKnown).toBe(true);
    await withoutAlarm(again, (session) => session.create({ ref: again, ...grant, metadata: { epoch: 2 } }));
    expect((await listed(again)).get("again")).toMatchObject({ metadata: { epoch: 1 } });
    expect(await deliver(await jobOf(again, "list"))).toBe("acked");
    expect((await listed(again)).get("again")).toMatchObject({ metadata: { epoch: 2 } });
  });

  it("ignores late news of an earlier epoch: metadata and expiry", async () => {
    const again = ref();
    const { directory } = pipelineDeps();
    const first = await directory.register(again, Date.now(), {});
    await beginBy(again, first);
    await directory.remove(again, await erased(again));
    const decidedAt = Date.now();
    const second = await directory.register(again, Date.parse(at), { epoch: 2 });
    await beginBy(again, second);
    await directory.setMetadata(again, { epoch: 1 }, { grantedAt: first.grantedAt, rev: 9 });
    await directory.renew(again, { epoch: 1 }, first.grantedAt);
    await directory.setExpired(again, true, decidedAt, first.grantedAt);
    expect((await listed(again)).get("again")).toMatchObject({ metadata: { epoch: 2 } });
    expect((await listed(again)).get("again")).not.toHaveProperty("expiredAt");
    await directory.setMetadata(again, { epoch: 2, mood: "calm" }, { grantedAt: second.grantedAt, rev: 1 });
    expect((await listed(again)).get("again")).toMatchObject({ metadata: { epoch: 2, mood: "calm" } });
  });

  it("stays if a new epoch was allowed before the removal of the old one arrives", async () => {
    const again = ref();
    const { directory } = pipelineDeps();
    const old = await directory.register(again, Date.now(), {});
    await directory.register(again, Date.now(), {});
    await directory.remove(again, old.grantedAt);
    expect([...(await listed(again)).keys()]).toEqual(["again"]);
  });

  it("is removed with the session however often its creation was repeated", async () => {
    const again = ref();
    for (let count = 0; count < 3; count += 1) await request("POST", "/sessions", { id: "again" }, again.owner);
    await request("DELETE", "/sessions/again", undefined, again.owner);
    expect(await listed(again)).toEqual(new Map());
  });

  it("keeps nothing of an earlier epoch that an interrupted erasure left in it", async () => {
    const again = ref();
    const { directory } = pipelineDeps();
    await request("POST", "/sessions", { id: "again", metadata: { secret: "old" } }, again.owner);
    const { grantedAt } = unwrap(await sessionAt(again).update({})).listing;
    await directory.setExpired(again, true, Date.now() + 1, grantedAt);
    unwrap(await sessionAt(again).erase());
    await request("POST", "/sessions/again/messages", { messages: [turn(1)] }, again.owner);
    expect((await listed(again)).get("again")).toMatchObject({ metadata: {} });
    expect((await listed(again)).get("again")).not.toHaveProperty("expiredAt");
  });
});
