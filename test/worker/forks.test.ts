import { describe, expect, it } from "vitest";
import type { NewMessage } from "../../src/api/message.ts";
import type { SessionState } from "../../src/api/session.ts";
import type { CopyPage } from "../../src/session/copies/fork.ts";
import {
  beside,
  chatOf,
  creationOf,
  deliver,
  epochOf,
  epochRefOf,
  evictDurableObject,
  forkOf,
  freshRef,
  itemsOf,
  jobOf,
  listed,
  pendingJobs,
  pipelineDeps,
  request,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  storedText,
  stubAt,
  summarizeAndArchive,
  turn,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

const SECRET = "the invoice 1003";

/** The context without the names that have to differ. */
async function metaOf(ref: SessionRef, atSeq: number, maxTokens?: number): Promise<string> {
  const context = unwrap(await sessionAt(ref).context({ atSeq, ...(maxTokens === undefined ? {} : { maxTokens }) }));
  return JSON.stringify({ ...context, sessionId: "", headSeq: 0 });
}

/** A fork whose job only the test delivers. */
async function beginFork(source: SessionRef, throughSeq?: number): Promise<SessionRef> {
  const copy = beside(source);
  const from = unwrap(await sessionAt(source).beginFork(copy.session, throughSeq));
  unwrap(await withoutAlarm(copy, (session) => session.createFork(creationOf(copy), from, 0)));
  return copy;
}

async function pageOf(source: SessionRef, afterSeq: number, throughSeq: number): Promise<CopyPage> {
  const page = await sessionAt(source).readCopyPage(await epochOf(source), afterSeq, throughSeq);
  if (page === null) throw new Error("the source gives no page");
  return page;
}

async function savePage(copy: SessionRef, jobId: string, page: CopyPage) {
  const epoch = await epochOf(copy);
  return withoutAlarm(copy, (session) => session.saveCopyPage(jobId, epoch, page));
}

function headOf(ref: SessionRef): Promise<number> {
  return runInDurableObject(stubAt(ref), (_, state) =>
    Number(state.storage.sql.exec("SELECT max(seq) AS seq FROM messages").one()["seq"]),
  );
}

describe("a fork", () => {
  it("has the same ids: a retried append changes nothing, and the next message only goes to the fork", async () => {
    const source = await chatOf(6);
    const fork = await forkOf(source, { throughSeq: 4 });
    expect(unwrap(await sessionAt(fork).append({ messages: [turn(3), turn(4)] }, null))).toEqual({
      headSeq: 4,
      messages: [
        { id: "turn-3", seq: 3, created: false },
        { id: "turn-4", seq: 4, created: false },
      ],
    });
    expect(unwrap(await sessionAt(fork).append({ messages: [said("another way", "turn-5")] }, null))).toMatchObject({
      messages: [{ seq: 5, created: true }],
    });
    expect(unwrap(await sessionAt(source).message("turn-5")).content).not.toBe("another way");
  });

  it("recognizes the retry of an edited message's first append, and treats other content as a conflict", async () => {
    const source = await chatOf(6);
    unwrap(await sessionAt(source).editMessage("turn-3", { content: "Nothing of the kind." }));
    const fork = await forkOf(source);
    expect(unwrap(await sessionAt(fork).append({ messages: [turn(3)] }, null)).messages).toEqual([
      { id: "turn-3", seq: 3, created: false },
    ]);
    expect(await sessionAt(fork).append({ messages: [said("other", "turn-4")] }, null)).toMatchObject({
      fault: { code: "message_conflict" },
    });
    expect(unwrap(await sessionAt(fork).message("turn-3"))).toEqual(unwrap(await sessionAt(source).message("turn-3")));
  });

  it("keeps tombstones, the server's ids and tool calls with their results", async () => {
    const source = freshRef();
    const messages: NewMessage[] = [
      { role: "user", content: "what is the weather in Lisbon?" },
      {
        role: "assistant",
        content: [{ type: "tool-call", toolCallId: "c1", toolName: "weather", input: { at: "Lisbon" } }],
      },
      {
        role: "tool",
        content: [
          { type: "tool-result", toolCallId: "c1", toolName: "weather", output: { type: "text", value: "sun" } },
        ],
      },
      said("and a secret", "secret"),
      said("and on it goes"),
    ];
    unwrap(await sessionAt(source).append({ messages }, creationOf(source)));
    unwrap(await sessionAt(source).eraseMessage("secret"));
    const fork = await forkOf(source);
    const pages = await Promise.all(
      [source, fork].map(async (ref) => unwrap(await sessionAt(ref).messages({ limit: 10 })).data),
    );
    expect(pages[1]).toEqual(pages[0]);
    expect(unwrap(await sessionAt(fork).append({ messages: [said("and a secret", "secret")] }, null)).messages).toEqual(
      [{ id: "secret", seq: 4, created: false, erased: true }],
    );
  });

  it("gives the same context as its source as of that message, byte by byte, including the summary", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    unwrap(await sessionAt(source).append({ messages: [13, 14, 15, 16, 17, 18].map((number) => turn(number)) }, null));
    await summarizeAndArchive(source);
    for (const throughSeq of [7, 8, 13, 14, 18]) {
      const fork = await forkOf(source, { throughSeq });
      for (const maxTokens of [undefined, 600]) {
        expect(await metaOf(fork, throughSeq, maxTokens)).toBe(await metaOf(source, throughSeq, maxTokens));
      }
    }
  });

  it("copies the summary with its version number, and continues from it", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const fork = await forkOf(source);
    expect(await itemsOf(fork)).toEqual(await itemsOf(source));
    expect(unwrap(await sessionAt(fork).state())).toMatchObject({
      headSeq: 12,
      origin: { session: source.session, kind: "fork", throughSeq: 12, state: "done" },
      summary: { version: 1, throughSeq: 8 },
    });
    unwrap(await sessionAt(fork).append({ messages: [13, 14].map((number) => turn(number)) }, null));
    await summarizeAndArchive(fork);
    const versions = unwrap(await sessionAt(fork).summaries(undefined, 10)).data;
    expect(versions.map(({ version, throughSeq }) => [version, throughSeq])).toEqual([
      [2, 10],
      [1, 8],
    ]);
  });

  it.each(["edited", "erased"])(
    "leaves out a summary that may contain what was %s while a new one is pending",
    async (how) => {
      const source = await chatOf(12);
      await summarizeAndArchive(source);
      if (how === "edited") {
        unwrap(await withoutAlarm(source, (session) => session.editMessage("turn-3", { content: "Nothing." })));
      } else unwrap(await withoutAlarm(source, (session) => session.eraseMessage("turn-3")));
      const fork = await forkOf(source);
      expect(unwrap(await sessionAt(fork).state()).summary).toBeNull();
      expect(await storedText(fork)).not.toContain(SECRET);
    },
  );

  it("of a session whose summary is being rebuilt takes the last version from before the change", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    unwrap(await sessionAt(source).append({ messages: [13, 14, 15, 16].map((number) => turn(number)) }, null));
    await summarizeAndArchive(source);
    unwrap(await withoutAlarm(source, (session) => session.eraseMessage("turn-10")));
    const fork = await forkOf(source);
    expect(unwrap(await sessionAt(fork).state()).summary).toMatchObject({ version: 1, throughSeq: 8 });
  });

  it("is made once, however often it is requested", async () => {
    const source = await chatOf(6);
    const body = { id: crypto.randomUUID(), throughSeq: 5 };
    const first = await request<SessionState>("POST", `/sessions/${source.session}/fork`, body);
    const again = await request<SessionState>("POST", `/sessions/${source.session}/fork`, body);
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body).toMatchObject({ id: body.id, headSeq: 5 });
    const further = await request("POST", `/sessions/${source.session}/fork`, { ...body, throughSeq: 6 });
    expect(further).toMatchObject({ status: 409, body: { code: "session_exists" } });
  });

  it("up to the newest message is made once, even if the source has moved on when it is requested again", async () => {
    const source = await chatOf(6);
    const body = { id: crypto.randomUUID() };
    await request("POST", `/sessions/${source.session}/fork`, body);
    unwrap(await sessionAt(source).append({ messages: [turn(7)] }, null));
    const again = await request("POST", `/sessions/${source.session}/fork`, body);
    expect(again).toMatchObject({ status: 200, body: { id: body.id, headSeq: 6 } });
  });

  it("is refused for an id that is taken, for its source's own id, and for a message that does not exist yet", async () => {
    const source = await chatOf(6);
    const other = await chatOf(1);
    const path = `/sessions/${source.session}/fork`;
    expect(await request("POST", path, { id: other.session })).toMatchObject({
      status: 409,
      body: { code: "session_exists" },
    });
    expect(await request("POST", path, { id: source.session })).toMatchObject({
      status: 422,
      body: { errors: [{ path: "/id" }] },
    });
    expect(await request("POST", path, { throughSeq: 7 })).toMatchObject({
      status: 422,
      body: { errors: [{ path: "/throughSeq" }], headSeq: 6 },
    });
    const unknown = crypto.randomUUID();
    expect(await request("POST", `/sessions/${unknown}/fork`, {})).toMatchObject({ status: 404 });
    expect((await listed(source)).has(unknown)).toBe(false);
    expect(unwrap(await sessionAt(other).message("turn-1")).seq).toBe(1);
  });

  it("of a fork has what the first fork copied", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const first = await forkOf(source, { throughSeq: 10 });
    unwrap(await sessionAt(first).append({ messages: [said("only here", "own")] }, null));
    const second = await forkOf(first);
    expect(await metaOf(second, 11)).toBe(await metaOf(first, 11));
    expect(unwrap(await sessionAt(second).state()).origin).toMatchObject({ session: first.session, throughSeq: 11 });
  });

  it("of an empty session is empty", async () => {
    const source = freshRef();
    unwrap(await sessionAt(source).create(creationOf(source)));
    const fork = await forkOf(source);
    expect(unwrap(await sessionAt(fork).state())).toMatchObject({ headSeq: 0, summary: null, status: "active" });
  });
});

describe("a fork that is being copied", () => {
  it("copies 5,000 messages in pages, and each of them once", async () => {
    const source = await chatOf(5_000, { words: 3, settings: { summarizeAfterTokens: 1_000_000 } });
    const fork = await beginFork(source);
    const job = await jobOf(fork, "fork");
    let pages = 0;
    const { sessions } = pipelineDeps();
    const counting = pipelineDeps({
      sessions: {
        get: (ref) =>
          new Proxy(sessions.get(ref), {
            get(target, name) {
              if (name === "readCopyPage") pages += 1;
              return Reflect.get(target, name);
            },
          }),
      },
    });
    expect(await deliver(job, counting)).toBe("acked");
    expect(pages).toBeGreaterThanOrEqual(4);
    const [from, to] = await Promise.all(
      [source, fork].map((ref) =>
        runInDurableObject(stubAt(ref), (_, state) =>
          state.storage.sql
            .exec(
              "SELECT count(*) AS n, sum(total_cost) AS cost, sum(length(content)) AS length FROM messages WHERE seq > 0",
            )
            .one(),
        ),
      ),
    );
    expect(to).toEqual(from);
    expect(unwrap(await sessionAt(fork).state())).toMatchObject({ headSeq: 5_000, status: "active" });
  });

  it("only answers its state: every other request has to be repeated later", async () => {
    const source = await chatOf(6);
    const fork = await beginFork(source);
    expect(unwrap(await sessionAt(fork).state())).toMatchObject({ status: "copying", origin: { state: "pending" } });
    const notReady = { fault: { code: "session_not_ready" } };
    expect(await sessionAt(fork).append({ messages: [turn(7)] }, creationOf(fork))).toMatchObject(notReady);
    expect(await sessionAt(fork).context({})).toMatchObject(notReady);
    expect(await sessionAt(fork).messages({ limit: 1 })).toMatchObject(notReady);
    expect(await sessionAt(fork).eraseMessage("turn-1")).toMatchObject(notReady);
    expect(await sessionAt(fork).beginExport()).toMatchObject(notReady);
    expect(await sessionAt(fork).beginFork("x", undefined)).toMatchObject(notReady);
    expect(await sessionAt(fork).beginContinuation("x")).toMatchObject(notReady);
    expect(await headOf(fork)).toBe(0);
  });

  it.each(["edit", "erasure"])("starts again after an %s in its source", async (change) => {
    const source = await chatOf(12);
    const fork = await beginFork(source);
    const { jobId } = await jobOf(fork, "fork");
    const first = await pageOf(source, 0, 12);
    expect(await savePage(fork, jobId, first)).toMatchObject({ afterSeq: 12 });
    if (change === "edit") unwrap(await sessionAt(source).editMessage("turn-3", { content: "Nothing of the kind." }));
    else unwrap(await withoutAlarm(source, (session) => session.eraseMessage("turn-3")));
    expect(await savePage(fork, jobId, await pageOf(source, 12, 12))).toMatchObject({ afterSeq: 0 });
    expect(await headOf(fork)).toBe(0);
    await deliver(await jobOf(fork, "fork"));
    expect(await storedText(fork)).not.toContain(SECRET);
    expect(unwrap(await sessionAt(fork).message("turn-3"))).toEqual(unwrap(await sessionAt(source).message("turn-3")));
  });

  it("accepts nothing from a page that was read before an erasure that it has noted since", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const fork = await beginFork(source);
    const { jobId } = await jobOf(fork, "fork");
    await savePage(fork, jobId, await pageOf(source, 0, 12));
    const end = await pageOf(source, 12, 12);
    unwrap(await withoutAlarm(source, (session) => session.eraseMessage("turn-3")));
    await deliver(await jobOf(source, "erase-copies"));
    await savePage(fork, jobId, end);
    await deliver(await jobOf(fork, "fork"));
    expect(await storedText(fork)).not.toContain(SECRET);
    expect(unwrap(await sessionAt(fork).state())).toMatchObject({ status: "active", headSeq: 12 });
    expect(unwrap(await sessionAt(fork).message("turn-3"))).toMatchObject({ erased: true });
  });

  it("skips messages of a repeated or late page that it has, and is not copied again once it is complete", async () => {
    const source = await chatOf(6);
    const fork = await beginFork(source);
    const job = await jobOf(fork, "fork");
    const page = await pageOf(source, 0, 6);
    expect(await savePage(fork, job.jobId, page)).toMatchObject({ afterSeq: 6 });
    expect(await savePage(fork, job.jobId, page)).toMatchObject({ afterSeq: 6 });
    const end = await pageOf(source, 6, 6);
    expect(await savePage(fork, job.jobId, end)).toBeNull();
    unwrap(await sessionAt(fork).append({ messages: [turn(7)] }, null));
    expect(await savePage(fork, job.jobId, page)).toBeNull();
    expect(await savePage(fork, job.jobId, end)).toBeNull();
    expect(await deliver(job)).toBe("acked");
    expect(await headOf(fork)).toBe(7);
  });

  it("is copied once by two deliveries at the same time", async () => {
    const source = await chatOf(300, { words: 3 });
    const fork = await beginFork(source);
    const job = await jobOf(fork, "fork");
    await Promise.all([deliver(job), deliver(job)]);
    expect(unwrap(await sessionAt(fork).state())).toMatchObject({ headSeq: 300, status: "active" });
  });

  it("is deleted, also from the list, if its source was erased or expired before it was complete", async () => {
    for (const how of ["erased", "expired"]) {
      const source = await chatOf(6);
      const copy = beside(source);
      const from = unwrap(await sessionAt(source).beginFork(copy.session, undefined));
      const grant = await pipelineDeps().directory.register(copy, Date.now(), {});
      unwrap(await withoutAlarm(copy, (session) => session.createFork({ ...creationOf(copy), ...grant }, from, 0)));
      const job = await jobOf(copy, "fork");
      if (how === "erased") unwrap(await withoutAlarm(source, (session) => session.erase()));
      else {
        await runInDurableObject(stubAt(source), (_, state) => {
          state.storage.sql.exec("UPDATE session SET expired_at = 1");
        });
        await evictDurableObject(stubAt(source));
      }
      expect(await deliver(job)).toBe("acked");
      expect(await sessionAt(copy).state()).toMatchObject({ fault: { code: "session_not_found" } });
      expect((await listed(copy)).has(copy.session)).toBe(false);
      expect((await pendingJobs(copy)).filter(({ kind }) => kind === "fork")).toEqual([]);
    }
  });

  it("answers the request that waits for it when its source is gone", async () => {
    const source = await chatOf(6);
    const copy = beside(source);
    const from = unwrap(await sessionAt(source).beginFork(copy.session, undefined));
    unwrap(await sessionAt(source).erase());
    const longest = 45_000;
    const startedAt = Date.now();
    expect(await sessionAt(copy).createFork(creationOf(copy), from, longest)).toMatchObject({
      fault: { code: "session_not_found" },
    });
    expect(Date.now() - startedAt, "it does not wait to the end").toBeLessThan(longest);
  });

  it("is not brought back by a late page after it was erased", async () => {
    const source = await chatOf(6);
    const fork = await beginFork(source);
    const { jobId, epoch } = await jobOf(fork, "fork");
    const page = await pageOf(source, 0, 6);
    unwrap(await sessionAt(fork).erase());
    expect(await sessionAt(fork).saveCopyPage(jobId, epoch, page)).toBeNull();
    await until("the object is empty", async () => (await storedText(fork)) === "");
    expect((await epochRefOf(source)).session).toBe(source.session);
  });
});
