import { describe, expect, it } from "vitest";
import {
  chatOf,
  deliver,
  evictDurableObject,
  jobOf,
  pendingJobs,
  pipelineDeps,
  quoting,
  runInDurableObject,
  scheduleSummary,
  sessionAt,
  stubAt,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

describe("promise 10: work is never lost, nor paid twice", () => {
  it("commits a job together with the change that calls for it and with the alarm", async () => {
    const ref = await chatOf(4, { settings: { summarizeAfterTokens: 1_000_000 } });
    const session = sessionAt(ref);
    const seen = await runInDurableObject(stubAt(ref), async (object, state) => {
      const update = object.update({ settings: { summarizeAfterTokens: 100, keepRecentTokens: 0 } });
      unwrap(await update);
      const alarmBefore = await state.storage.getAlarm();
      const append = object.append({ messages: [{ role: "user", content: "one more ".repeat(50) }] }, null);
      const alarm = await state.storage.getAlarm();
      const jobs = state.storage.sql.exec("SELECT kind, state FROM jobs").toArray();
      await state.storage.deleteAlarm();
      unwrap(await append);
      return { alarmBefore, alarm, jobs };
    });
    expect(seen.alarmBefore).toBeNull();
    expect(seen.alarm).not.toBeNull();
    expect(seen.jobs).toEqual([{ kind: "summarize", state: "pending" }]);
    expect(unwrap(await session.state()).summaryPending).toBe(true);
  });

  it("keeps the job after the queue accepted the message, and sends it again", async () => {
    const ref = await chatOf(8);
    await scheduleSummary(ref);
    const sent = await runInDurableObject(stubAt(ref), async (object, state) => {
      await object.alarm();
      const [job] = state.storage.sql.exec("SELECT state, sends, next_send_at FROM jobs").toArray();
      return { job, alarm: await state.storage.getAlarm(), now: Date.now() };
    });
    expect(sent.job).toMatchObject({ state: "pending", sends: 1 });
    expect(sent.alarm).toBe(sent.job?.["next_send_at"]);
    expect(sent.alarm).toBeGreaterThan(sent.now + 30_000);
    await until("the consumer confirms", async () =>
      (await pendingJobs(ref)).every((job) => job["kind"] !== "summarize"),
    );
  });

  it("continues after an eviction, from the alarm alone", async () => {
    const ref = await chatOf(8);
    await scheduleSummary(ref);
    await evictDurableObject(stubAt(ref));
    // The object sets its alarm again when it starts, because the alarm is gone.
    unwrap(await sessionAt(ref).state());
    await until("the summary lands", async () => unwrap(await sessionAt(ref).state()).summary !== null);
    expect(unwrap(await sessionAt(ref).state()).summary).toMatchObject({ throughSeq: 4 });
  });

  it("waits longer after each failure, keeps the first and the last error, and continues", async () => {
    const ref = await chatOf(8);
    const { jobId, epoch } = await scheduleSummary(ref);
    for (const reason of ["first reason", "second reason"]) {
      const step = await sessionAt(ref).beginSummary(jobId, epoch);
      if (step.next !== "call") throw new Error("expected a call");
      await withoutAlarm(ref, (object) => object.noteFailure(jobId, epoch, { reason, lease: step.lease }));
    }
    const [job] = await pendingJobs(ref);
    expect(job).toMatchObject({ state: "pending", failures: 2, last_error: "second reason", lease: null });
    expect(Number(job?.["next_send_at"]) - Date.now()).toBeGreaterThan(1_000);
    expect(Number(job?.["first_failed_at"])).toBeLessThanOrEqual(Number(job?.["last_failed_at"]));
    expect(await deliver(await jobOf(ref, "summarize"))).toBe("acked");
    expect(unwrap(await sessionAt(ref).state()).summary).toMatchObject({ version: 1, throughSeq: 4 });
    expect((await pendingJobs(ref)).some(({ kind }) => kind === "summarize")).toBe(false);
  });

  it("waits as long as the summarizer asks", async () => {
    const ref = await chatOf(8);
    const { jobId, epoch } = await scheduleSummary(ref);
    const step = await sessionAt(ref).beginSummary(jobId, epoch);
    if (step.next !== "call") throw new Error("expected a call");
    await withoutAlarm(ref, (object) =>
      object.noteFailure(jobId, epoch, { reason: "busy", lease: step.lease, retryAfterSeconds: 900 }),
    );
    const [job] = await pendingJobs(ref);
    expect(Number(job?.["next_send_at"]) - Date.now()).toBeGreaterThan(890_000);
  });

  it("gives a summary up after twenty failures, and schedules it again on request", async () => {
    const ref = await chatOf(8);
    const { jobId, epoch } = await scheduleSummary(ref);
    for (let failure = 1; failure <= 20; failure += 1) {
      const report = await withoutAlarm(ref, (object) => object.noteFailure(jobId, epoch, { reason: "broken" }));
      expect(report).toMatchObject({ failures: failure, gaveUp: failure === 20 });
    }
    expect(unwrap(await sessionAt(ref).state()).summaryPending).toBe(false);
    expect(await sessionAt(ref).beginSummary(jobId, epoch)).toMatchObject({ next: "done" });
    const { job, summary } = unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    expect(job).toMatchObject({ id: jobId, state: "done" });
    expect(summary).toMatchObject({ throughSeq: 4 });
  });

  it("schedules the same job once, however often it is requested", async () => {
    const ref = await chatOf(8);
    const first = await scheduleSummary(ref);
    const second = await scheduleSummary(ref);
    expect(second).toEqual(first);
    expect(await pendingJobs(ref)).toHaveLength(1);
  });

  it("does not call a summarizer for a range that is covered", async () => {
    const ref = await chatOf(8);
    const asked: number[][] = [];
    const parts = pipelineDeps({
      summarizer: {
        summarize: async (request) => {
          asked.push(request.messages.map(({ seq }) => seq));
          return quoting(request);
        },
      },
    });
    await scheduleSummary(ref);
    const delivery = await jobOf(ref, "summarize");
    expect(await deliver(delivery, parts)).toBe("acked");
    expect(asked).toEqual([[1, 2, 3, 4]]);
    const again = unwrap(await withoutAlarm(ref, (session) => session.summarize({ keepRecentTokens: 0 })));
    expect(again).toMatchObject({ job: null, summary: { version: 1 } });
    expect((await pendingJobs(ref)).some(({ kind }) => kind === "summarize")).toBe(false);
    // A queue delivers at least once: the same message again is no other job.
    expect(await deliver(delivery, parts)).toBe("acked");
    expect(asked).toHaveLength(1);
    expect(unwrap(await sessionAt(ref).summaries(undefined, 10)).data).toHaveLength(1);
  });

  it("makes a new summary from the whole log on request, as the next version", async () => {
    const ref = await chatOf(8);
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    const { job, summary } = unwrap(await sessionAt(ref).summarize({ fromScratch: true, waitMs: 10_000 }));
    expect(job).toMatchObject({ state: "done" });
    expect(summary).toMatchObject({ version: 2, throughSeq: 4 });
    expect(summary?.items.every(({ id }) => id.startsWith("2."))).toBe(true);
  });
});
