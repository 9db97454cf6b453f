import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import type { JobKind } from "../../src/api/job.ts";
import { itemsTokens } from "../../src/prompt/items.ts";
import { overwritten } from "../../src/session/sqlite/secure-delete.ts";
import {
  archivedTexts,
  chatOf,
  creationOf,
  deliver,
  epochOf,
  freshRef,
  jobOf,
  onArchive,
  pendingJobs,
  runInDurableObject,
  said,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  storedText,
  stubAt,
  summarizeBy,
  turn,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

const SECRET = "the invoice 1003";

function archived(ref: SessionRef): Promise<{ session: Record<string, unknown> | undefined; texts: string[] }> {
  return onArchive(async (database) => {
    const sessions = await database.execute(
      sql`select epoch, erased_at, metadata from sessions where tenant = ${ref.tenant} and session = ${ref.session}`,
    );
    const session = sessions.rows[0];
    return { session, texts: await archivedTexts(String(session?.["epoch"])) };
  });
}

/** A chat whose first 8 turns are summarized and archived. */
async function summarizedChat(): Promise<SessionRef> {
  const ref = await chatOf(12, { words: 12 });
  unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
  await until("archived", async () => unwrap(await sessionAt(ref).state()).archived);
  return ref;
}

/** A pending job of a kind that is due in an hour. */
function postpone(ref: SessionRef, kind: JobKind): Promise<void> {
  return runInDurableObject(stubAt(ref), (_, state) => {
    state.storage.sql.exec("UPDATE jobs SET next_send_at = ? WHERE kind = ?", Date.now() + 3_600_000, kind);
  });
}

/** Repeats the erasure until the answer is that it is gone everywhere. */
function untilErased(ref: SessionRef, id: string): Promise<void> {
  return until("it is erased", async () => unwrap(await sessionAt(ref).eraseMessage(id)).state === "erased");
}

describe("promise 9: erasing erases a message", () => {
  it("leaves a summary of the remaining items until a new one is there", async () => {
    const ref = await summarizedChat();
    const newest = async () => unwrap(await sessionAt(ref).summaries(undefined, 1)).data[0];
    const before = await newest();
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("turn-3")));
    const after = await newest();
    expect(after).toMatchObject({ version: before?.version, tokens: itemsTokens(after?.items ?? []) });
    expect(after?.tokens).toBeLessThan(before?.tokens ?? 0);
  });

  it("leaves a tombstone, and nothing of the text in log, summary, versions and jobs", async () => {
    const ref = await summarizedChat();
    expect(await storedText(ref)).toContain(SECRET);
    const erasure = unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("turn-3")));
    expect(erasure).toEqual({ id: "turn-3", seq: 3, state: "erasing" });
    expect(await storedText(ref)).not.toContain(SECRET);
    expect(unwrap(await sessionAt(ref).message("turn-3"))).toMatchObject({
      seq: 3,
      content: "",
      erased: true,
      tokens: 0,
    });
  });

  it("overwrites every byte of a long text, which would otherwise be freed unchanged", async () => {
    const ref = freshRef();
    unwrap(await sessionAt(ref).append({ messages: [said("é".repeat(120_000), "long")] }, creationOf(ref)));
    const sizes = await runInDurableObject(stubAt(ref), (_, state) =>
      state.storage.sql
        .exec(
          `SELECT length(CAST(content AS BLOB)) AS said, length(CAST(${overwritten("content")} AS BLOB)) AS blank,
             typeof(${overwritten("content")}) AS type FROM messages WHERE seq = 1`,
        )
        .one(),
    );
    expect(sizes).toEqual({ said: 240_002, blank: 240_002, type: "text" });
  });

  it("answers an append of the same id with its old seq and stores nothing", async () => {
    const ref = await summarizedChat();
    unwrap(await sessionAt(ref).eraseMessage("turn-3"));
    const again = unwrap(await sessionAt(ref).append({ messages: [turn(3)] }, null));
    expect(again).toEqual({ headSeq: 12, messages: [{ id: "turn-3", seq: 3, created: false, erased: true }] });
    expect(await storedText(ref)).not.toContain(SECRET);
  });

  it("names in omitted what the summary stopped covering, until the next one covers it again", async () => {
    const ref = await summarizedChat();
    const before = unwrap(await sessionAt(ref).context({ format: "threadkeep" }));
    expect(before).toMatchObject({ omitted: [] });
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("turn-3")));
    const during = unwrap(await sessionAt(ref).context({ format: "threadkeep" }));
    expect(during).toMatchObject({ omitted: [{ fromSeq: 3, throughSeq: 3, reason: "hidden" }], summaryPending: true });
    const { job } = unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    expect(job).toMatchObject({ state: "done" });
    const after = unwrap(await sessionAt(ref).context({ format: "threadkeep" }));
    expect(after).toMatchObject({ omitted: [], summary: { version: 2, throughSeq: 8 } });
  });

  it("makes the new summary from before the message, and deletes every version that covered it", async () => {
    const ref = await chatOf(12);
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    unwrap(await sessionAt(ref).append({ messages: [13, 14, 15, 16].map((number) => turn(number)) }, null));
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    unwrap(await sessionAt(ref).append({ messages: [17, 18].map((number) => turn(number)) }, null));
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    // Versions 1 to 3 cover 8, 12 and 14: turn 10 is covered by the last two.
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("turn-10")));
    const job = (await pendingJobs(ref)).find(({ kind }) => kind === "summarize");
    expect(job).toMatchObject({ details: { is: "rebuild", lastKept: 1 }, through_seq: 14 });
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    const versions = unwrap(await sessionAt(ref).summaries(undefined, 10)).data;
    expect(versions.map(({ version, throughSeq }) => [version, throughSeq])).toEqual([
      [4, 14],
      [1, 8],
    ]);
  });

  it("removes the text from the archive too, and says erased once that is confirmed", async () => {
    const ref = await summarizedChat();
    expect((await archived(ref)).texts.join("\n")).toContain(SECRET);
    unwrap(await sessionAt(ref).eraseMessage("turn-3"));
    await until("the archive confirms", async () => unwrap(await sessionAt(ref).state()).archived);
    expect((await archived(ref)).texts.join("\n")).not.toContain(SECRET);
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    await untilErased(ref, "turn-3");
  });

  it("does not say erased while an item that cites another message may contain it in other words", async () => {
    const ref = await chatOf(12);
    const folded = "the invoice goes to the harbour office of a pelican";
    await summarizeBy(ref, () => ({
      model: "test",
      items: [{ kind: "fact", text: folded, sourceSeqs: [4], status: "current" }],
    }));
    await deliver(await jobOf(ref, "archive"));
    await withoutAlarm(ref, (session) => session.eraseMessage("turn-3"));
    await postpone(ref, "summarize");
    await deliver(await jobOf(ref, "archive"));
    expect((await archived(ref)).texts).toEqual([folded]);
    expect(unwrap(await sessionAt(ref).eraseMessage("turn-3"))).toMatchObject({ state: "erasing" });
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    await untilErased(ref, "turn-3");
    expect((await archived(ref)).texts.join()).not.toContain("pelican");
  });

  it("saves a summary that was made meanwhile without the erased message, and makes another", async () => {
    const ref = await chatOf(12);
    const { jobId, epoch } = await scheduleSummary(ref);
    const step = await sessionAt(ref).beginSummary(jobId, epoch);
    if (step.next !== "call") throw new Error("expected a call");
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("turn-3")));
    const items = step.request.messages.map(({ seq, text }) => ({
      kind: "fact" as const,
      text: text.slice(0, 60),
      sourceSeqs: [seq],
      status: "current" as const,
    }));
    await withoutAlarm(ref, (session) => session.saveAnswer(jobId, epoch, step.lease, { model: "test", items }));
    expect(await storedText(ref)).not.toContain(SECRET);
    const summary = unwrap(await sessionAt(ref).summary(1, false));
    expect(summary).toMatchObject({ throughSeq: 8, droppedItems: 1 });
    expect(unwrap(await sessionAt(ref).context({ format: "threadkeep" }))).toMatchObject({
      omitted: [{ fromSeq: 3, throughSeq: 3, reason: "hidden" }],
    });
    const rebuild = (await pendingJobs(ref)).find(({ kind }) => kind === "summarize");
    expect(rebuild).toMatchObject({ details: { is: "rebuild", lastKept: 0 }, through_seq: 8 });
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    expect(unwrap(await sessionAt(ref).summaries(undefined, 10)).data.map(({ version }) => version)).toEqual([2]);
  });

  it("schedules one new summary for several erasures", async () => {
    const ref = await summarizedChat();
    await withoutAlarm(ref, (session) => session.eraseMessage("turn-5"));
    await withoutAlarm(ref, (session) => session.eraseMessage("turn-3"));
    const jobs = (await pendingJobs(ref)).filter(({ kind }) => kind === "summarize");
    expect(jobs).toMatchObject([{ details: { is: "rebuild", lastKept: 0 }, through_seq: 8 }]);
    const wait = Number(jobs[0]?.["next_send_at"]) - Date.now();
    expect(wait).toBeGreaterThan(3_000);
    expect(wait).toBeLessThanOrEqual(5_000);
  });

  it("erases a message that no summary covers without scheduling a new one", async () => {
    const ref = await chatOf(6);
    expect(unwrap(await sessionAt(ref).eraseMessage("turn-6"))).toMatchObject({ state: "erased" });
    expect(await pendingJobs(ref)).toEqual([]);
    expect(unwrap(await sessionAt(ref).context({ format: "threadkeep" }))).toMatchObject({
      omitted: [{ fromSeq: 6, throughSeq: 6, reason: "hidden" }],
    });
  });
});

describe("an edit", () => {
  it("changes the text, keeps seq and id, and removes the old text from the summary", async () => {
    const ref = await summarizedChat();
    const edited = unwrap(
      await withoutAlarm(ref, (session) => session.editMessage("turn-3", { content: "Nothing of the kind." })),
    );
    expect(edited).toMatchObject({ id: "turn-3", seq: 3, content: "Nothing of the kind." });
    expect(edited.editedAt).toBeDefined();
    expect(await storedText(ref)).not.toContain(SECRET);
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    expect(unwrap(await sessionAt(ref).context({ format: "threadkeep" }))).toMatchObject({ omitted: [] });
  });

  it("is no conflict for a retry of the first append", async () => {
    const ref = await chatOf(4);
    unwrap(await sessionAt(ref).editMessage("turn-3", { content: "New." }));
    const retried = unwrap(await sessionAt(ref).append({ messages: [turn(3)] }, null));
    expect(retried.messages).toEqual([{ id: "turn-3", seq: 3, created: false }]);
    expect(unwrap(await sessionAt(ref).message("turn-3")).content).toBe("New.");
  });

  it("of only the metadata does not affect the summary", async () => {
    const ref = await summarizedChat();
    unwrap(await sessionAt(ref).editMessage("turn-3", { metadata: { pinned: true } }));
    expect((await pendingJobs(ref)).filter(({ kind }) => kind === "summarize")).toEqual([]);
    expect(unwrap(await sessionAt(ref).message("turn-3"))).toMatchObject({ metadata: { pinned: true } });
  });

  it("is refused for a tombstone and for a message that does not exist", async () => {
    const ref = await chatOf(4);
    unwrap(await sessionAt(ref).eraseMessage("turn-3"));
    expect(await sessionAt(ref).editMessage("turn-3", { content: "x" })).toMatchObject({
      fault: { code: "message_erased" },
    });
    expect(await sessionAt(ref).editMessage("nope", { content: "x" })).toMatchObject({
      fault: { code: "message_not_found" },
    });
  });
});

describe("promise 9: erasing erases a session", () => {
  it("empties the object at once and the archive afterwards, and leaves the object as if it had never been used", async () => {
    const ref = await summarizedChat();
    expect(unwrap(await withoutAlarm(ref, (session) => session.erase()))).toMatchObject({ state: "erasing" });
    expect(await storedText(ref)).not.toContain("invoice");
    expect(await sessionAt(ref).state()).toMatchObject({ fault: { code: "session_not_found" } });
    const [job] = await pendingJobs(ref);
    expect(job).toMatchObject({ kind: "erase", state: "pending" });
    await runInDurableObject(stubAt(ref), (session) => session.alarm());
    await until("the archive forgets", async () => (await archived(ref)).texts.length === 0);
    await until("the object is empty", () =>
      runInDurableObject(
        stubAt(ref),
        (_, state) =>
          state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'session'").toArray().length === 0,
      ),
    );
    expect((await archived(ref)).session).toMatchObject({ metadata: {} });
    expect((await archived(ref)).session?.["erased_at"]).not.toBeNull();
  });

  it("is not undone by a late job of the erased session", async () => {
    const ref = await chatOf(12);
    const { jobId, epoch } = await scheduleSummary(ref);
    const step = await sessionAt(ref).beginSummary(jobId, epoch);
    if (step.next !== "call") throw new Error("expected a call");
    unwrap(await sessionAt(ref).erase());
    const answer = { model: "test", items: [] };
    expect(await sessionAt(ref).saveAnswer(jobId, epoch, step.lease, answer)).toMatchObject({ next: "done" });
    expect(await sessionAt(ref).state()).toMatchObject({ fault: { code: "session_not_found" } });
  });

  it("frees the id at once for a new session, which the pending erasure does not affect", async () => {
    const ref = await summarizedChat();
    const old = await epochOf(ref);
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    unwrap(await sessionAt(ref).append({ messages: [said("a new beginning", "new")] }, creationOf(ref)));
    expect(await epochOf(ref)).not.toBe(old);
    await runInDurableObject(stubAt(ref), (session) => session.alarm());
    await until("the erasure is confirmed", async () => (await pendingJobs(ref)).length === 0);
    expect(unwrap(await sessionAt(ref).message("new"))).toMatchObject({ seq: 1, content: "a new beginning" });
    unwrap(await sessionAt(ref).append({ messages: [2, 3, 4, 5, 6].map((number) => turn(number)) }, null));
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    await until("the new one is archived", async () => unwrap(await sessionAt(ref).state()).archived);
    expect((await archived(ref)).session).toMatchObject({ erased_at: null });
  });

  it("is refused for a session that does not exist", async () => {
    expect(await sessionAt(freshRef()).erase()).toMatchObject({ fault: { code: "session_not_found" } });
  });
});
