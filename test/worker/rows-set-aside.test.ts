import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { type Failure, setAsideIdOf } from "../../src/api/job.ts";
import type { NewMessage } from "../../src/api/message.ts";
import type { Page } from "../../src/api/page.ts";
import type { SessionSettings } from "../../src/api/session.ts";
import { verifySession } from "../../src/maintenance/verify-session.ts";
import { consume } from "../../src/pipeline/consume.ts";
import { createLog } from "../../src/telemetry/log.ts";
import {
  archivedWhole,
  asWorker,
  chatOf,
  creationOf,
  deliver,
  epochOf,
  evictDurableObject,
  freshRef,
  jobOf,
  letPass,
  onArchive,
  pendingJobs,
  pipelineDeps,
  request,
  ring,
  runInDurableObject,
  sessionAt,
  type SessionRef,
  stubAt,
  summarizeAndArchive,
  summarizeBy,
  turn,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";
import { sendAsAdmin } from "../support/worker-http.ts";

const SETTINGS: SessionSettings = {
  archiveMessages: true,
  summarizeAfterTokens: 1_000_000,
  summarizeAfterIdleSeconds: null,
};
const HOUR_MS = 3_600_000;

/** Messages that the service would never accept, each with the SQLSTATE with which PostgreSQL refuses it. */
const REFUSED: readonly (readonly [string, Partial<NewMessage>])[] = [
  ["22P05", { content: [{ type: "text", text: "hello", providerOptions: { "x\u0000y": 1 } }] }],
  ["22P02", { content: [{ type: "text", text: "hello", providerOptions: { "x\ud800y": 1 } }] }],
  ["22P05", { content: [{ type: "data-\u0000x", data: 1 }] }],
  ["22P05", { metadata: { "a\u0000": 1 } }],
  ["22P05", { author: "A\u0000" }],
  ["22008", { occurredAt: "0000-01-01T00:00:00Z" }],
  ["22009", { occurredAt: "9999-12-31T23:59:59-10:00" }],
];

/** A chat of turns, with messages among them that bypassed the checks. */
async function chatWith(...forced: readonly Partial<NewMessage>[]): Promise<SessionRef> {
  const ref = freshRef();
  const messages = [
    turn(1),
    turn(2),
    ...forced.map((change, index) => ({ ...turn(90 + index), id: `refused-${index}`, ...change })),
    turn(3),
    turn(4),
  ];
  unwrap(await sessionAt(ref).append({ messages }, creationOf(ref, SETTINGS)));
  return ref;
}

interface Row {
  readonly id: string;
  readonly content: unknown;
  readonly setAside: string | null;
}

async function archived(ref: SessionRef): Promise<Row[]> {
  const epoch = await epochOf(ref);
  return onArchive(async (database) => {
    const { rows } = await database.execute<Record<string, unknown>>(
      sql`select id, content, set_aside from messages where epoch = ${epoch} order by seq`,
    );
    return rows.map((row) => ({
      id: String(row["id"]),
      content: row["content"],
      setAside: row["set_aside"] === null ? null : String(row["set_aside"]),
    }));
  });
}

async function listed({ session }: SessionRef): Promise<Failure[]> {
  return (await sendAsAdmin<Page<Failure>>("GET", `/v1/admin/jobs?session=${session}`)).body.data;
}

async function resyncArchive(ref: SessionRef): Promise<void> {
  await until("nothing is pending", async () => {
    if ((await pendingJobs(ref)).length === 0) return true;
    await ring(ref);
    return false;
  });
}

/** Changes rows of the object directly; the object is then started again. */
async function planted(ref: SessionRef, statement: string): Promise<void> {
  await runInDurableObject(stubAt(ref), (_, { storage }) => storage.sql.exec(statement));
  await evictDurableObject(stubAt(ref));
}

describe("a message that PostgreSQL refuses", () => {
  it.each(REFUSED)("for %s is set aside, and the rest of its session is archived: %j", async (code, change) => {
    const ref = await chatWith(change);
    await summarizeAndArchive(ref);
    const rows = await archived(ref);
    expect(rows.map(({ id, setAside }) => [id, setAside])).toEqual([
      ["turn-1", null],
      ["turn-2", null],
      ["refused-0", code],
      ["turn-3", null],
      ["turn-4", null],
    ]);
    expect(rows[2]?.content).toBeNull();
    expect(rows[3]?.content).toBe(turn(3).content);
    expect(unwrap(await sessionAt(ref).state())).toMatchObject({ archived: true, archiveSetAside: 1 });
    const found = await request<{ data: { sessionId: string }[] }>("POST", "/search", {
      query: "invoice 1003 harbour",
      sessions: [ref.session],
    });
    expect(found.body.data).toContainEqual(expect.objectContaining({ sessionId: ref.session }));
  });

  it("is with the others of its kind on the list of failed jobs, in the log and in the count of the session", async () => {
    const ref = await chatWith(...REFUSED.map(([, change]) => change));
    unwrap(await withoutAlarm(ref, (session) => session.update({ metadata: { topic: "boats" } })));
    await deliver(await jobOf(ref, "list"));
    const lines: string[] = [];
    const log = createLog({ write: (_level, line) => lines.push(line) });
    await summarizeBy(ref, ({ messages }) => ({
      model: "test",
      items: [
        {
          kind: "fact",
          text: "invoice 1001 goes to harbour office 1",
          sourceSeqs: [messages[0]?.seq ?? 1],
          status: "current",
        },
      ],
    }));
    while ((await pendingJobs(ref)).length > 0)
      expect(await deliver(await jobOf(ref, "archive"), pipelineDeps({ log }))).toBe("acked");
    const reason =
      "archive: 7 rows set aside, which PostgreSQL refuses (22P05, 22P02): message 3, message 4, message 5, message 6, message 7 …";
    expect(await listed(ref)).toMatchObject([
      { jobId: setAsideIdOf(await epochOf(ref)), kind: "archive", state: "set-aside", reason, lastError: reason },
    ]);
    const told = lines.map((line): unknown => JSON.parse(line));
    expect(told).toContainEqual(expect.objectContaining({ event: "archive_rows_set_aside", rows: 7 }));
    expect(told).not.toContainEqual(expect.objectContaining({ event: "job_failed" }));
    expect(unwrap(await sessionAt(ref).state())).toMatchObject({ archived: true, archiveSetAside: 7 });
  });

  it("does not hold up another session of its batch, and none is read again", async () => {
    const refs = [
      await chatOf(6, { settings: SETTINGS }),
      await chatWith({ author: "\u0000" }),
      await chatOf(6, { settings: SETTINGS }),
    ];
    for (const ref of refs) {
      await summarizeBy(ref, () => ({ model: "test", items: [] }));
    }
    const bodies = await Promise.all(refs.map((ref) => jobOf(ref, "archive")));
    const batch = createMessageBatch(
      "threadkeep-archive",
      bodies.map((body, id) => ({ id: String(id), timestamp: new Date(), attempts: 1, body })),
    );
    await consume(batch, pipelineDeps());
    const { explicitAcks } = await getQueueResult(batch, createExecutionContext());
    expect(explicitAcks.toSorted()).toEqual(["0", "1", "2"]);
    for (const ref of refs) expect(await pendingJobs(ref)).toEqual([]);
    expect((await Promise.all(refs.map(archived))).map((rows) => rows.length)).toEqual([6, 5, 6]);
  });

  it("is archived once it is edited, and then is on no list any more", async () => {
    const ref = await chatWith({ metadata: { "a\u0000": 1 } }, { author: "\u0000" });
    await summarizeAndArchive(ref);
    expect(await listed(ref)).toHaveLength(1);
    unwrap(await sessionAt(ref).editMessage("refused-0", { metadata: { a: 1 } }));
    await archivedWhole(ref);
    expect((await archived(ref)).map(({ setAside }) => setAside)).toEqual([null, null, null, "22P05", null, null]);
    expect(unwrap(await sessionAt(ref).state())).toMatchObject({ archiveSetAside: 1 });
    unwrap(await sessionAt(ref).eraseMessage("refused-1"));
    await archivedWhole(ref);
    expect((await archived(ref)).map(({ setAside }) => setAside)).toEqual([null, null, null, null, null, null]);
    expect(unwrap(await sessionAt(ref).state())).not.toHaveProperty("archiveSetAside");
    expect(await listed(ref)).toEqual([]);
  });

  it("is reported by verify as set aside, which is no reason to send the session again", async () => {
    const ref = await chatWith({ author: "\u0000" });
    await summarizeAndArchive(ref);
    const { findings } = await asWorker((database) => verifySession(ref, database, pipelineDeps()));
    expect(findings.filter(({ kind }) => kind !== "unlisted-session")).toMatchObject([
      { kind: "different-archive", mend: null, detail: expect.stringContaining("message 3 aside") },
    ]);
  });

  it("is removed with its session, also from the list", async () => {
    const ref = await chatWith({ author: "\u0000" });
    await summarizeAndArchive(ref);
    expect(await listed(ref)).toHaveLength(1);
    unwrap(await sessionAt(ref).erase());
    await until("it is off the list", async () => (await listed(ref)).length === 0);
  });

  it("prevents its session, which alone has it, from expiring", async () => {
    const ref = await chatWith({ author: "\u0000" });
    unwrap(await sessionAt(ref).update({ settings: { ...SETTINGS, expireAfterIdleSeconds: 3_600 } }));
    await summarizeAndArchive(ref);
    await letPass(ref, 2 * HOUR_MS);
    await runInDurableObject(stubAt(ref), async (session, { storage }) => {
      await session.alarm();
      await storage.deleteAlarm();
    });
    const { jobId, epoch } = await jobOf(ref, "expire");
    const { step } = await withoutAlarm(ref, (session) => session.stepExpiry(jobId, epoch));
    expect(step).toBe("wait");
  });
});

describe("rows that were set aside", () => {
  it("are sent again with the session on an operator's request, which lists only those that are still refused", async () => {
    const ref = await chatWith({ author: "\u0000" });
    await summarizeAndArchive(ref);
    const jobId = setAsideIdOf(await epochOf(ref));
    const retry = (): Promise<unknown> => sendAsAdmin("POST", `/v1/admin/jobs/${jobId}/retry`);
    expect(await retry()).toEqual({ status: 200, body: { jobId, outcome: "retried" } });
    await resyncArchive(ref);
    expect(await listed(ref)).toMatchObject([{ state: "set-aside" }]);
    await planted(ref, "UPDATE messages SET author = 'Ada' WHERE client_id = 'refused-0'");
    expect(await retry()).toMatchObject({ body: { outcome: "retried" } });
    await resyncArchive(ref);
    expect(await listed(ref)).toEqual([]);
    expect((await archived(ref)).map(({ setAside }) => setAside)).toEqual([null, null, null, null, null]);
    expect(unwrap(await sessionAt(ref).state())).not.toHaveProperty("archiveSetAside");
  });

  it("can be removed from the list; the marks stay", async () => {
    const ref = await chatWith({ author: "\u0000" });
    await summarizeAndArchive(ref);
    const jobId = setAsideIdOf(await epochOf(ref));
    const drop = await sendAsAdmin("DELETE", `/v1/admin/jobs/${jobId}?reason=known`);
    expect(drop).toMatchObject({ body: { outcome: "dropped" } });
    expect(await listed(ref)).toEqual([]);
    expect((await archived(ref))[2]).toMatchObject({ setAside: "22P05" });
  });
});

it("metadata, a version or an item that PostgreSQL refuses is set aside like a message, and no search or continuation uses it", async () => {
  const ref = await chatOf(8, { settings: SETTINGS });
  await summarizeAndArchive(ref);
  await planted(ref, `UPDATE session SET metadata = '{"a\\u0000":1}'`);
  await planted(
    ref,
    `UPDATE item_blocks SET items = json_set(items, '$[#-1][3]', 'no such' || char(0) || 'text')
     WHERE block = (SELECT max(block) FROM item_blocks)`,
  );
  await planted(ref, `UPDATE summaries SET summarizer = 'a' || char(0)`);
  expect(await sessionAt(ref).resyncArchive(0)).toBe("scheduled");
  await resyncArchive(ref);
  const epoch = await epochOf(ref);
  const held = await onArchive(async (database) => {
    const of = async (table: string): Promise<Record<string, unknown>[]> =>
      (await database.execute(sql`select * from ${sql.identifier(table)} where epoch = ${epoch}`)).rows;
    return { sessions: await of("sessions"), summaries: await of("summaries"), items: await of("summary_items") };
  });
  expect(held.sessions).toMatchObject([{ metadata: {}, set_aside: "22P05", rows_set_aside: 3 }]);
  expect(held.summaries).toMatchObject([{ version: 1, summarizer: "", set_aside: "22P05" }]);
  const aside = held.items.filter((item) => item["set_aside"] !== null);
  expect(aside).toMatchObject([{ text: "", set_aside: "22P05" }]);
  expect(held.items.length).toBeGreaterThan(aside.length);
  expect((await listed(ref))[0]?.reason).toContain("the metadata, version 1, item ");
});
