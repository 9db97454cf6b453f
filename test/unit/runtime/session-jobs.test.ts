import { describe, expect, it } from "vitest";
import {
  GIVEN_UP_REST_MS,
  LATE_AFTER_MS,
  LATE_AFTER_SENDS,
  LEASE_MS,
  MAX_SUMMARIZE_FAILURES,
} from "../../../src/lib/retry-policy.ts";
import { noteAppend, scheduleAuditRange, takeDueAudits } from "../../../src/session/outbox/audit.ts";
import { dropJob, noteUndelivered, retryJob, standingOf } from "../../../src/session/outbox/failed-jobs.ts";
import {
  addUsage,
  heldMs,
  noteBacklog,
  noteFailure,
  noteNotSent,
  putOff,
  takeDueJobs,
} from "../../../src/session/outbox/jobs.ts";
import { oldestLate } from "../../../src/session/outbox/late-work.ts";
import { scheduleSummaryByHand, scheduleSummaryIfDue } from "../../../src/session/summary/due.ts";
import { scheduleUpgrade } from "../../../src/session/summary/upgrade.ts";
import { maintain } from "../../../src/session/verify/maintain.ts";
import { EPOCH, NodeSession, NOON, outcomeOf } from "./node-session.ts";

const DUE = { summarizeAfterTokens: 100, keepRecentTokens: 0 };
const UPGRADE = { is: "upgrade", lastKept: 0, isFromScratch: false } as const;
const REBUILD = { is: "rebuild", lastKept: 0, isFromScratch: false } as const;

describe("a job that fails", () => {
  it.each([
    [MAX_SUMMARIZE_FAILURES - 1, "pending"],
    [MAX_SUMMARIZE_FAILURES, "failed"],
  ])("after %i failures is %s", (failures, state) => {
    const session = new NodeSession();
    const { id } = session.schedule("summarize", { failures: failures - 1 });
    const report = noteFailure(session.unit(), id, { reason: "away" }, 0.5);
    expect(report).toMatchObject({ failures, gaveUp: state === "failed", firstError: "away" });
    expect(session.store.jobs.byId(id)?.state).toBe(state);
  });

  it.each([
    ["archives", "archive", {}],
    ["makes a summary better", "summarize", { goal: UPGRADE }],
    ["takes something out of the summary", "summarize", { goal: REBUILD }],
    ["takes something out of what a model is given", "summarize", { inProgress: { invalidatedFromSeq: 1 } }],
  ] as const)("that %s is never given up", (_, kind, change) => {
    const session = new NodeSession();
    const { id } = session.schedule(kind, { ...change, failures: 100 });
    expect(noteFailure(session.unit(), id, { reason: "away" }, 0.5)?.gaveUp).toBe(false);
  });

  it("waits as many seconds as it was asked to, and at least its own pause", () => {
    const session = new NodeSession();
    const { id } = session.schedule("summarize");
    noteFailure(session.unit(), id, { reason: "busy", retryAfterSeconds: 7_200 }, 0.5);
    expect(session.store.jobs.byId(id)?.nextSendAt).toBe(NOON + 7_200_000);
    noteFailure(session.unit(), id, { reason: "busy", retryAfterSeconds: 0 }, 0.5);
    expect(session.store.jobs.byId(id)?.nextSendAt).toBeGreaterThan(NOON);
  });

  it("is reported under its lease: a consumer that lost it changes nothing", () => {
    const session = new NodeSession();
    const { id } = session.schedule("summarize", { lease: "mine", leaseUntil: NOON + 1 });
    expect(noteFailure(session.unit(), id, { reason: "late", lease: "theirs" }, 0.5)).toBeNull();
    putOff(session.unit(), id, { afterMs: 9, lease: "theirs", hasProgressed: true });
    expect(session.store.jobs.byId(id)).toMatchObject({ failures: 0, lease: "mine", nextSendAt: NOON });
    putOff(session.unit(), id, { afterMs: 9, lease: "mine", hasProgressed: false });
    expect(session.store.jobs.byId(id)).toMatchObject({ lease: null, nextSendAt: NOON + 9 });
  });

  it("keeps its first error, whoever reports later ones", () => {
    const session = new NodeSession();
    const { id } = session.schedule("archive");
    noteFailure(session.unit(), id, { reason: "first" }, 0.5);
    noteUndelivered(session.unit(), session.store.jobs.byId(id), "second", NOON + 1);
    noteFailure(session.unit(NOON + 2), id, { reason: "third" }, 0.5);
    expect(session.store.jobs.byId(id)).toMatchObject({
      firstError: "first",
      lastError: "third",
      firstFailedAt: NOON,
      lastFailedAt: NOON + 2,
      failures: 2,
    });
  });

  it("that only the queue gave up has that as its first error", () => {
    const session = new NodeSession();
    const job = session.schedule("archive");
    expect(noteUndelivered(session.unit(), job, "lost", NOON)).toBe(true);
    expect(session.store.jobs.byId(job.id)).toMatchObject({ firstError: "lost", firstFailedAt: NOON });
    expect(noteUndelivered(session.unit(), null, "lost", NOON)).toBe(false);
  });

  it.each([
    ["goes on from the last summary", {}, undefined],
    ["takes something out of the summary", { goal: REBUILD }, "job_needed"],
    ["takes something out of what a model is given", { inProgress: { invalidatedFromSeq: 3 } }, "job_needed"],
    ["makes a summary better", { goal: UPGRADE }, "job_needed"],
  ])("and %s may be dropped, or not", (_, change, code) => {
    const session = new NodeSession();
    const job = session.schedule("summarize", change);
    const dropped = outcomeOf(() => dropJob(session.unit(), job.id));
    expect(dropped.ok ? undefined : dropped.fault.code).toBe(code);
    expect(session.store.jobs.byId(job.id)?.state).toBe(code === undefined ? "failed" : "pending");
  });

  it.each(["archive", "erase", "erase-copies", "expire", "fork", "restore", "list"] as const)(
    "of the kind %s stays pending",
    (kind) => {
      const session = new NodeSession();
      const { id } = session.schedule(kind);
      expect(outcomeOf(() => dropJob(session.unit(), id))).toMatchObject({ fault: { code: "job_needed" } });
    },
  );

  it("is pending at once when it is retried", () => {
    const session = new NodeSession();
    const given = session.schedule("summarize", { state: "failed", failures: 9, nextSendAt: NOON + 1 });
    const archive = session.schedule("archive", { failures: 9, nextSendAt: NOON + 9_000 });
    for (const { id } of [given, archive]) expect(retryJob(session.unit(), id)).toBe(true);
    expect(session.store.jobs.byId(given.id)).toMatchObject({ state: "pending", failures: 0, nextSendAt: NOON });
    expect(session.store.jobs.byId(archive.id)).toMatchObject({ state: "pending", failures: 2, nextSendAt: NOON });
  });

  it.each([
    ["over", null],
    ["given-up", { state: "failed" }],
    ["held", { leaseUntil: NOON + 1 }],
    ["pending", { leaseUntil: NOON }],
    ["pending", {}],
  ] as const)("is shown as %s", (standing, change) => {
    expect(standingOf(change === null ? null : new NodeSession().schedule("archive", change), NOON)).toBe(standing);
  });

  it("adds up the cost of failed attempts", () => {
    const usage = { inputTokens: 10, outputTokens: 1 };
    expect(addUsage(null, undefined, undefined)).toBeNull();
    expect(addUsage(null, usage, undefined)).toEqual(usage);
    expect(addUsage({ ...usage, costMicroDollars: 5 }, usage, undefined)).toEqual({
      inputTokens: 20,
      outputTokens: 2,
      costMicroDollars: 5,
    });
  });

  it("adds up how long it took, even if no cost is known", () => {
    const first = addUsage(null, undefined, 40);
    expect(first).toEqual({ durationMs: 40 });
    expect(addUsage(first, { inputTokens: 10, outputTokens: 1 }, 2)).toEqual({
      inputTokens: 10,
      outputTokens: 1,
      durationMs: 42,
    });
    expect(heldMs({ leaseUntil: NOON + LEASE_MS }, NOON + 30)).toBe(30);
    expect(heldMs({ leaseUntil: null }, NOON)).toBe(0);
  });
});

describe("a job that is sent", () => {
  it("counts its sends, and is sent again only after a pause", () => {
    const session = new NodeSession();
    const { id } = session.schedule("archive");
    session.schedule("expire", { nextSendAt: NOON + 1 });
    session.schedule("summarize", { state: "failed" });
    const due = takeDueJobs(session.unit(), () => 0.5);
    expect(due).toMatchObject([{ jobId: id, sends: 1, epoch: EPOCH, tenant: "acme", owner: "ada" }]);
    expect(session.store.jobs.byId(id)?.nextSendAt).toBeGreaterThan(NOON);
    expect(takeDueJobs(session.unit(), () => 0.5)).toEqual([]);
  });

  it("waits longer while the queue is full, unless it is leased or was sent since", () => {
    const session = new NodeSession();
    const job = session.schedule("archive", { sends: 2, nextSendAt: NOON + 1 });
    const noted = (sends: number): boolean => noteBacklog(session.unit(), { jobId: job.id, sends }, 3_600_000, 0.5);
    expect(noted(1)).toBe(false);
    expect(noted(2)).toBe(true);
    expect(noted(2)).toBe(false);
    session.store.jobs.put({ ...job, leaseUntil: NOON + 1 });
    expect(noted(2)).toBe(false);
  });

  it("that no queue accepted is tried again after a pause", () => {
    const session = new NodeSession();
    const { id } = session.schedule("archive", { sends: 1 });
    noteNotSent(session.unit(), id, 0.5);
    expect(session.store.jobs.byId(id)?.nextSendAt).toBeGreaterThan(NOON);
  });

  const late = { sends: LATE_AFTER_SENDS, createdAt: NOON - LATE_AFTER_MS };
  it.each([
    ["pending for long, and sent often", late, true],
    ["sent a time less", { ...late, sends: LATE_AFTER_SENDS - 1 }, false],
    ["pending a moment less", { ...late, createdAt: late.createdAt + 1 }, false],
    ["pending a moment less, but known to fail", { ...late, createdAt: NOON, firstFailedAt: NOON }, true],
    ["only to make a summary better", { ...late, goal: UPGRADE }, false],
    ["given up", { ...late, state: "failed" }, false],
  ] as const)("is late, or not, when it is %s", (_, change, isLate) => {
    const session = new NodeSession();
    session.schedule("summarize", change);
    expect(oldestLate(session.unit()) !== null).toBe(isLate);
  });

  it("that is late is reported by the one that has been pending longest", () => {
    const session = new NodeSession();
    const ages = [LATE_AFTER_MS + 5, LATE_AFTER_MS + 9, LATE_AFTER_MS + 1];
    for (const age of ages) session.schedule("archive", { ...late, createdAt: NOON - age });
    expect(oldestLate(session.unit())).toMatchObject({ scheduledAt: NOON - LATE_AFTER_MS - 9 });
  });
});

describe("a summary", () => {
  it("that was given up becomes pending again by an append only after a pause", () => {
    const session = new NodeSession({ settings: DUE });
    session.say(30);
    session.schedule("summarize", { state: "failed", failures: 9, lastFailedAt: NOON });
    const pending = (now: number): boolean => scheduleSummaryIfDue(session.unit(now));
    expect(pending(NOON + 60_000)).toBe(false);
    expect(pending(NOON + GIVEN_UP_REST_MS - 1)).toBe(false);
    expect(pending(NOON + GIVEN_UP_REST_MS)).toBe(true);
    expect(session.job("summarize")).toMatchObject({ state: "pending", failures: 0, sends: 0 });
  });

  it("is pending once, and not while another one is in progress", () => {
    const session = new NodeSession({ settings: DUE });
    session.say(30);
    expect(scheduleSummaryIfDue(session.unit())).toBe(true);
    expect(scheduleSummaryIfDue(session.unit())).toBe(false);
    expect(session.jobs).toHaveLength(1);
  });

  it.each([
    ["nobody is at", { sends: 0, nextSendAt: NOON + 9 }, NOON],
    ["somebody is at", { sends: 1, nextSendAt: NOON + 9, leaseUntil: NOON + 9 }, NOON + 9],
    ["somebody is at after a failure", { sends: 1, failures: 1, nextSendAt: NOON + 9, leaseUntil: NOON + 9 }, NOON + 9],
    ["failed, and is in its pause", { sends: 1, failures: 1, nextSendAt: NOON + 9 }, NOON],
    ["was just sent", { sends: 1, nextSendAt: NOON + 9 }, NOON + 9],
  ])("that was requested while %s is sent at the right time", (_, change, at) => {
    const session = new NodeSession();
    session.say(5);
    session.schedule("summarize", change);
    expect(scheduleSummaryByHand(session.unit(), { keepRecentTokens: 0 })?.nextSendAt).toBe(at);
  });

  it("that replaces a fallback summary comes no earlier than the summarizer asked for", () => {
    const session = new NodeSession();
    session.say(5);
    session.summarize(1, 5, [], { degraded: true });
    session.schedule("summarize");
    const job = session.job("summarize");
    if (job === undefined) throw new Error("nothing is pending");
    const made = { baseVersion: 0, throughSeq: 5, items: [], dropped: 0, summarizer: "extractive", degraded: true };
    const nextAfter = (retryAfterSeconds: number): number => {
      const fellBack = { job, draft: { ...made, good: null }, cause: { reason: "busy", retryAfterSeconds } };
      const upgrade = scheduleUpgrade(session.unit(), fellBack);
      return session.store.jobs.byId(upgrade?.jobId ?? "")?.nextSendAt ?? 0;
    };
    expect(nextAfter(86_400)).toBe(NOON + 86_400_000);
    expect(nextAfter(0)).toBeGreaterThan(NOON);
  });
});

describe("an operator's expire", () => {
  it("applies to a session that has been silent for as long as allowed, and no earlier", () => {
    const session = new NodeSession({ settings: { expireAfterIdleSeconds: 100 } });
    session.say(1);
    expect(maintain(session.unit(NOON + 99_000), "expire")).toBe("nothing");
    expect(session.jobs).toEqual([]);
    expect(maintain(session.unit(NOON + 120_000), "expire")).toBe("scheduled");
    expect(maintain(session.unit(NOON + 120_000), "expire")).toBe("scheduled");
    expect(session.jobs).toMatchObject([{ kind: "expire" }]);
    expect(maintain(new NodeSession().unit(), "expire")).toBe("nothing");
  });
});

describe("the audit of appends", () => {
  it("names eight principals, and counts all others together", () => {
    const session = new NodeSession();
    session.say(12);
    for (let at = 1; at <= 10; at += 1) noteAppend(session.unit(NOON + at), { kind: "user", id: `u${at}` }, at);
    noteAppend(session.unit(NOON + 11), { kind: "user", id: "u8" }, 11);
    const open = session.store.audit.appending();
    expect(open).toMatchObject({ fromSeq: 1, startedAt: NOON + 1 });
    expect(open?.actors.map(({ id }) => id)).toEqual(["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "many"]);
  });

  it("that no queue accepts is sent again after longer and longer pauses", () => {
    const session = new NodeSession();
    session.say(1);
    noteAppend(session.unit(), { kind: "user", id: "ada" }, 1);
    scheduleAuditRange(session.unit());
    let at = NOON;
    const pauses: number[] = [];
    for (let sends = 0; sends < 4; sends += 1) {
      expect(takeDueAudits(session.unit(at - 1), () => 0.5)).toEqual([]);
      expect(takeDueAudits(session.unit(at), () => 0.5)).toMatchObject([
        { sends, events: [{ session: "chat", owner: "ada", details: { fromSeq: 1, throughSeq: 1, principals: 1 } }] },
      ]);
      const next = session.store.audit.nextSendAt() ?? 0;
      pauses.push(next - at);
      at = next;
    }
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
    expect(new Set(pauses).size).toBeGreaterThan(1);
  });
});
