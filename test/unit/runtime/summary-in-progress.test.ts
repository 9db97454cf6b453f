import { readFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { Disk, ObjectStorage } from "../../../simulation/object-storage.ts";
import { Changes } from "../../../src/session/changes.ts";
import { eraseMessage } from "../../../src/session/erase/erase.ts";
import { callOff } from "../../../src/session/outbox/failed-jobs.ts";
import { JobStore } from "../../../src/session/outbox/job-store.ts";
import { newJob, putOff } from "../../../src/session/outbox/jobs.ts";
import { NOTHING_IN_PROGRESS, type SummaryGoal } from "../../../src/session/sqlite/rows.ts";
import { Tables } from "../../../src/session/sqlite/tables.ts";
import { scheduleSummaryByHand } from "../../../src/session/summary/due.ts";
import { CONTINUE, fromScratch, rebuilding, withMore } from "../../../src/session/summary/goal.ts";
import { beginSummary } from "../../../src/session/summary/run.ts";
import { makeTemporaryDirectory, removeDirectory } from "../../support/temporary-directory.ts";
import { itemOf, NodeSession } from "./node-session.ts";

describe("the goal of a summarize job", () => {
  const scratch: SummaryGoal = { is: "from-scratch" };
  const off: SummaryGoal = { is: "called-off" };
  const rebuild: SummaryGoal = { is: "rebuild", lastKept: 3, isFromScratch: false };
  const upgrade: SummaryGoal = { is: "upgrade", lastKept: 3, isFromScratch: true };

  it.each([
    [CONTINUE, CONTINUE, scratch, { is: "rebuild", lastKept: 5, isFromScratch: false }],
    [off, CONTINUE, scratch, { is: "rebuild", lastKept: 5, isFromScratch: false }],
    [scratch, scratch, scratch, { is: "rebuild", lastKept: 5, isFromScratch: true }],
    [rebuild, rebuild, { ...rebuild, isFromScratch: true }, rebuild],
    [upgrade, { ...upgrade, is: "rebuild" }, upgrade, { ...upgrade, is: "rebuild" }],
  ] as const)("%o becomes another, and loses nothing that it was to do", (goal, more, anew, rebuilt) => {
    expect(withMore(goal)).toEqual(more);
    expect(fromScratch(goal)).toEqual(anew);
    expect(rebuilding(goal, 5)).toEqual(rebuilt);
  });
});

function withSummaryPending(throughSeq: number): { session: NodeSession; id: string } {
  const session = new NodeSession();
  session.say(6);
  return { session, id: session.schedule("summarize", { throughSeq }).id };
}

describe("a summary in progress", () => {
  it("has a row once a consumer takes the job, and none before or after", () => {
    const { session, id } = withSummaryPending(4);
    const rows = () => session.sql.exec("SELECT job_id FROM summaries_in_progress").toArray();
    expect(rows()).toEqual([]);
    beginSummary(session.unit(), id);
    expect(rows()).toEqual([{ job_id: id }]);
    session.store.jobs.delete(id);
    expect(rows()).toEqual([]);
  });

  it("has nothing that a change could invalidate once its consumer has returned the job", () => {
    const { session, id } = withSummaryPending(4);
    const step = beginSummary(session.unit(), id);
    if (step.next !== "call") throw new Error("nothing to summarize");
    putOff(session.unit(), id, { afterMs: 0, lease: step.lease, hasProgressed: true });
    eraseMessage(session.unit(), "seq-2");
    expect(session.store.jobs.inProgress(id)).toMatchObject({ chunk: { throughSeq: 4 }, invalidatedFromSeq: null });
    expect(session.job("summarize")?.goal).toEqual(CONTINUE);
  });

  it.each([
    ["covered", 1, { is: "rebuild", lastKept: 0, isFromScratch: true }],
    ["not covered", 3, { is: "from-scratch" }],
  ])("that is begun again from scratch remembers a change of what is %s by the job's goal alone", (_, seq, goal) => {
    const { session, id } = withSummaryPending(4);
    session.summarize(1, 2);
    beginSummary(session.unit(), id);
    eraseMessage(session.unit(), `seq-${seq}`);
    expect(session.store.jobs.inProgress(id).invalidatedFromSeq).toBe(seq);
    scheduleSummaryByHand(session.unit(), { fromScratch: true, keepRecentTokens: 0 });
    expect(session.job("summarize")?.goal).toEqual(goal);
    expect(session.store.jobs.inProgress(id)).toEqual(NOTHING_IN_PROGRESS);
  });

  it("ends with its job when that is called off", () => {
    const { session } = withSummaryPending(4);
    const job = session.job("summarize");
    if (job === undefined) throw new Error("no summary is pending");
    beginSummary(session.unit(), job.id);
    callOff(session.unit(), { ...job, failures: 9 });
    expect(session.job("summarize")).toMatchObject({ goal: { is: "called-off" }, throughSeq: 0, lease: null });
    expect(session.store.jobs.inProgress(job.id)).toEqual(NOTHING_IN_PROGRESS);
  });

  it("leaves none of its words in the pages of the database, however it ends", () => {
    const directory = makeTemporaryDirectory();
    try {
      const file = path.join(directory, "session.sqlite");
      const disk = new Disk();
      disk.database = new DatabaseSync(file);
      const sql: object = new ObjectStorage(disk).sql;
      const jobs = new JobStore(new Tables(sql as SqlStorage).group("jobs"), new Changes());
      const made = { baseVersion: 0, throughSeq: 2, dropped: 0, summarizer: "model", degraded: false, good: null };
      const isHeld = (): boolean => readFileSync(file).includes("pelican");
      // One that fits into its row, and one that takes pages of its own.
      for (const text of ["the pelican lands", "the pelican lands ".repeat(9_000)]) {
        const draft = { ...made, items: [itemOf("1.1", { text })] };
        for (const end of [
          (id: string) => jobs.putInProgress(id, NOTHING_IN_PROGRESS),
          (id: string) => jobs.delete(id),
          () => jobs.deleteAllButErasures(),
        ]) {
          const job = newJob(new NodeSession().unit(), { kind: "summarize", goal: CONTINUE });
          jobs.put(job);
          jobs.putInProgress(job.id, { ...NOTHING_IN_PROGRESS, draft });
          expect(isHeld()).toBe(true);
          end(job.id);
          expect(isHeld()).toBe(false);
        }
      }
      disk.close();
    } finally {
      removeDirectory(directory);
    }
  });
});
