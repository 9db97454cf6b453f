import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import type { JobMessage } from "../../src/api/job.ts";
import type { SummarizerAnswer, SummarizerRequest } from "../../src/api/summarizer.ts";
import type { ArchiveWrite } from "../../src/archive/sessions.ts";
import type { SummaryStep } from "../../src/session/summary/run.ts";
import {
  changeArchive,
  chatOf,
  creationOf,
  epochOf,
  evictDurableObject,
  freshRef,
  onArchive,
  pendingJobs,
  runInDurableObject,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  stubAt,
  turn,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

/** Faults that the simulation (test/fuzz) found, each with the fewest steps that show it. */

function call(step: SummaryStep): Extract<SummaryStep, { next: "call" }> {
  if (step.next !== "call") throw new Error(`expected a call, got ${step.next}`);
  return step;
}

function answerTo(request: SummarizerRequest): SummarizerAnswer {
  return {
    model: "test",
    items: request.messages.map(({ seq, text }) => ({
      kind: "fact" as const,
      text: text.slice(0, 30),
      sourceSeqs: [seq],
      status: "current" as const,
    })),
  };
}

/** Makes the summary of a pending job, with the test as its only consumer. */
async function land(ref: SessionRef, job: { jobId: string; epoch: string }): Promise<void> {
  const { lease, request } = call(await sessionAt(ref).beginSummary(job.jobId, job.epoch));
  await withoutAlarm(ref, (session) => session.saveAnswer(job.jobId, job.epoch, lease, answerTo(request)));
}

function beganAt(ref: SessionRef): Promise<number> {
  return runInDurableObject(
    stubAt(ref),
    (_, state) => state.storage.sql.exec<{ began_at: number }>("SELECT began_at FROM session").one().began_at,
  );
}

function fire(ref: SessionRef): Promise<void> {
  return runInDurableObject(stubAt(ref), (session) => session.alarm());
}

function archivedOf(ref: SessionRef): Promise<{ epoch: unknown; erased: unknown; versions: unknown[] }> {
  return onArchive(async (database) => {
    const { rows } = await database.execute(
      sql`select epoch, erased_at is not null as erased,
            array(select version from summaries v where v.epoch = s.epoch order by version) as versions
          from sessions s where session = ${ref.session}`,
    );
    const versions = rows[0]?.["versions"];
    return {
      epoch: rows[0]?.["epoch"],
      erased: rows[0]?.["erased"],
      versions: Array.isArray(versions) ? versions : [],
    };
  });
}

describe("lives of a session that was erased and begun anew", () => {
  it("are all erased from the archive, even if the second ends before the first is confirmed", async () => {
    const ref = await chatOf(12);
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    await until("archived", async () => unwrap(await sessionAt(ref).state()).archived);
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    unwrap(await sessionAt(ref).append({ messages: [turn(1)] }, creationOf(ref)));
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    expect(await pendingJobs(ref)).toMatchObject([{ kind: "erase" }, { kind: "erase" }]);
    await fire(ref);
    await until("the archive forgets", async () => (await archivedOf(ref)).erased === true);
    expect((await archivedOf(ref)).versions).toEqual([]);
  });

  it("are erased with the date of each, which the archive keeps instead of the date of a later epoch", async () => {
    const ref = await chatOf(2);
    const began: number[] = [];
    for (let epoch = 1; epoch <= 3; epoch += 1) {
      began.push(await beganAt(ref));
      unwrap(await withoutAlarm(ref, (session) => session.erase()));
      unwrap(await withoutAlarm(ref, (session) => session.append({ messages: [turn(epoch)] }, creationOf(ref))));
    }
    expect(began).toEqual([...new Set(began)].toSorted((a, b) => a - b));
    const told: (number | undefined)[] = [];
    for (const { id, epoch, kind } of await pendingJobs(ref)) {
      if (kind !== "erase") continue;
      const erasure = await sessionAt(ref).readErasure(String(id), String(epoch));
      told.push(erasure?.createdAt);
    }
    expect(told.toSorted((a, b) => Number(a) - Number(b))).toEqual(began);
  });

  it.each([
    ["took the job and is behind", { metadata: { metrics: { backlogCount: 9, oldestMessageTimestamp: new Date(1) } } }],
    ["did not take the job", null],
  ])("leave no rows in an erased session whose alarm learns too late that the queue %s", async (_, answer) => {
    const ref = await chatOf(2);
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    const epoch = await epochOf(ref);
    await runInDurableObject(stubAt(ref), async (session, { storage }) => {
      const before = Reflect.get(session, "env");
      const confirmedBefore = async ({ jobId, kind }: JobMessage): Promise<unknown> => {
        if (kind === "erase") await session.confirmErased(jobId, epoch);
        if (answer === null) throw new Error("the queue is away");
        return answer;
      };
      Reflect.set(session, "env", {
        ...before,
        ARCHIVE_QUEUE: { send: confirmedBefore },
        AUDIT_QUEUE: { send: async () => undefined },
      });
      storage.sql.exec("UPDATE jobs SET next_send_at = 0");
      await session.alarm();
      Reflect.set(session, "env", before);
    });
    expect(await sessionAt(ref).remains()).toBe("nothing");
  });

  it("are replaced in the archive by the last one, even if a clock says that it started earlier", async () => {
    const ref = await chatOf(12);
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    await until("archived", async () => unwrap(await sessionAt(ref).state()).archived);
    unwrap(await sessionAt(ref).erase());
    await fire(ref);
    await until("the archive forgets", async () => (await archivedOf(ref)).erased === true);
    const early = { ref, createdAt: Date.now() - 3_600_000 };
    unwrap(await sessionAt(ref).append({ messages: [1, 2, 3, 4, 5, 6].map((number) => turn(number)) }, early));
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    const epoch = await epochOf(ref);
    await until("the new epoch is archived", async () => (await archivedOf(ref)).epoch === epoch);
    expect(await archivedOf(ref)).toMatchObject({ erased: false, versions: [1] });
  });

  it("do not come back by a late write, even if only an earlier one has a row in the archive", async () => {
    const ref = freshRef();
    const [first, second] = [crypto.randomUUID(), crypto.randomUUID()];
    const late: ArchiveWrite = {
      ref,
      epoch: second,
      baseRev: 0,
      isReplaced: false,
      rev: 1,
      createdAt: 2_000,
      headSeq: 1,
      throughSeq: 1,
      metadata: {},
      summaries: [],
      items: [],
      endedItems: [],
      messages: null,
    };
    await changeArchive({ ref, epoch: first, createdAt: 1_000 });
    await changeArchive({ ref, epoch: second, createdAt: 2_000 });
    expect(await changeArchive(late)).toBe("stale");
    expect(await archivedOf(ref)).toMatchObject({ epoch: second, erased: true });
  });
});

describe("a session without pending jobs", () => {
  const leftOf = (ref: SessionRef): Promise<unknown[]> =>
    runInDurableObject(stubAt(ref), (_, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'session'").toArray(),
    );

  /** The last job is confirmed, and the request breaks off before the object is emptied. */
  async function breakOff(ref: SessionRef, keepsAlarm: boolean): Promise<void> {
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    await runInDurableObject(stubAt(ref), async (_, state) => {
      state.storage.sql.exec("DELETE FROM jobs");
      state.storage.sql.exec("DELETE FROM pending_audits");
      if (keepsAlarm) await state.storage.setAlarm(Date.now() + 3_600_000);
    });
    await evictDurableObject(stubAt(ref));
  }

  it("leaves an empty object, even if the last confirmation broke off before that", async () => {
    const ref = await chatOf(2);
    await breakOff(ref, false);
    expect(await sessionAt(ref).state()).toMatchObject({ fault: { code: "session_not_found" } });
    await until("the object is empty", async () => (await leftOf(ref)).length === 0);
  });

  it("leaves an empty object when its alarm rings, whatever the alarm was set for", async () => {
    const ref = await chatOf(2);
    await breakOff(ref, true);
    await fire(ref);
    expect(await leftOf(ref)).toEqual([]);
  });

  it("sets its alarm with the last confirmation, so that the rest does not depend on the caller", async () => {
    const ref = await chatOf(2);
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    await runInDurableObject(stubAt(ref), (_, state) => void state.storage.sql.exec("DELETE FROM pending_audits"));
    const [job] = await pendingJobs(ref);
    const epoch = await epochOf(ref);
    await runInDurableObject(stubAt(ref), async (session, state) => {
      const { deleteAll } = state.storage;
      Object.assign(state.storage, { deleteAll: () => Promise.reject(new Error("the disk is away")) });
      await expect(session.confirmErased(String(job?.["id"]), epoch)).rejects.toThrow("the disk is away");
      Object.assign(state.storage, { deleteAll });
    });
    await until("the object is empty", async () => (await leftOf(ref)).length === 0);
  });
});

describe("a rebuilt summary", () => {
  it("also replaces the versions in the archive that it replaces in the object", async () => {
    const ref = await chatOf(12);
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    await until("archived", async () => unwrap(await sessionAt(ref).state()).archived);
    unwrap(await sessionAt(ref).eraseMessage("turn-3"));
    await fire(ref);
    await until("the erasure is archived", async () => unwrap(await sessionAt(ref).state()).archived);
    expect((await archivedOf(ref)).versions).toEqual([1]);
    unwrap(await sessionAt(ref).summarize({ waitMs: 10_000 }));
    await until("the new version is archived", async () => unwrap(await sessionAt(ref).state()).archived);
    expect((await archivedOf(ref)).versions).toEqual([2]);
  });

  it("is not scheduled if the changed message is given to the summarizer again, because its first answer was never saved", async () => {
    const ref = await chatOf(8);
    const job = await scheduleSummary(ref);
    const { lease } = call(await sessionAt(ref).beginSummary(job.jobId, job.epoch));
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("turn-2")));
    await withoutAlarm(ref, (session) => session.noteFailure(job.jobId, job.epoch, { reason: "test", lease }));
    await land(ref, job);
    expect((await pendingJobs(ref)).filter(({ kind }) => kind === "summarize")).toEqual([]);
    expect(unwrap(await sessionAt(ref).context({}))).toMatchObject({ omitted: [] });
  });

  it("deletes the versions that cover an erased message, also if it started from scratch before the erasure", async () => {
    const ref = await chatOf(12);
    await land(ref, await scheduleSummary(ref));
    const job = await scheduleSummary(ref, { fromScratch: true });
    const { lease } = call(await sessionAt(ref).beginSummary(job.jobId, job.epoch));
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("turn-2")));
    await withoutAlarm(ref, (session) => session.noteFailure(job.jobId, job.epoch, { reason: "test", lease }));
    await land(ref, job);
    const versions = unwrap(await sessionAt(ref).summaries(undefined, 10)).data;
    expect(versions.map(({ version }) => version)).toEqual([2]);
    expect(unwrap(await sessionAt(ref).context({}))).toMatchObject({ omitted: [] });
  });

  it("calls no summarizer for a range in which everything is erased", async () => {
    const ref = await chatOf(8);
    for (const seq of [1, 2, 3, 4]) unwrap(await sessionAt(ref).eraseMessage(`turn-${seq}`));
    const { summary } = unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    expect(summary).toMatchObject({ throughSeq: 4, items: [], summarizer: "none" });
  });
});

describe("the archive's confirmation", () => {
  it("changes nothing if it comes after another one has ended the job", async () => {
    const ref = await chatOf(8);
    await land(ref, await scheduleSummary(ref));
    const [job] = await pendingJobs(ref);
    const jobId = String(job?.["id"]);
    const epoch = await epochOf(ref);
    await withoutAlarm(ref, (session) => session.confirmArchived(jobId, epoch, { rev: 1, version: 1, messageSeq: 0 }));
    await withoutAlarm(ref, (session) => session.confirmArchived(jobId, epoch, { rev: 99, version: 9, messageSeq: 0 }));
    await withoutAlarm(ref, (session) => session.forgetArchived(jobId, epoch));
    expect(unwrap(await sessionAt(ref).state()).archived).toBe(true);
  });
});
