import { describe, expect, it } from "vitest";
import type { QueuedAuditEvent } from "../../../src/api/audit.ts";
import type { Failure, JobKind, JobMessage } from "../../../src/api/job.ts";
import { UNSET_TENANT } from "../../../src/api/tenant.ts";
import { REPORT_AFTER_FAILURES } from "../../../src/lib/retry-policy.ts";
import { archiveBatch } from "../../../src/pipeline/archive.ts";
import { storeAudit } from "../../../src/pipeline/audit.ts";
import { carryOver } from "../../../src/pipeline/carry-over.ts";
import { consume } from "../../../src/pipeline/consume.ts";
import { ACK, type PipelineDeps } from "../../../src/pipeline/delivery.ts";
import { eraseCopies } from "../../../src/pipeline/erase-copies.ts";
import { eraseUser } from "../../../src/pipeline/erase-user.ts";
import { expireSession } from "../../../src/pipeline/expire.ts";
import { recordDeadLetter } from "../../../src/pipeline/failed.ts";
import { copyFork } from "../../../src/pipeline/fork.ts";
import { reportFailure, reportRecovery, reportSetAside } from "../../../src/pipeline/report.ts";
import { summarizeSession } from "../../../src/pipeline/summarize.ts";
import { ProviderError } from "../../../src/provider/provider-error.ts";
import { ALL_SESSIONS, type CopyCall } from "../../../src/session/client.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { EPOCH, itemOf, NOON } from "./node-session.ts";
import { standIn } from "./stand-in.ts";

const jobOf = (kind: JobKind, change: Partial<JobMessage> = {}): JobMessage => ({
  v: 1,
  kind,
  tenant: "acme",
  owner: "ada",
  session: "chat",
  epoch: EPOCH,
  throughSeq: 2,
  jobId: "job",
  sends: 1,
  ...change,
});
const delivery = (kind: JobKind, change: Partial<JobMessage> = {}) => ({ job: jobOf(kind, change), attempts: 1 });

/** The dependencies of consumers, which record what was asked: changes of lists, and spending. */
function surroundings(more: object = {}) {
  const reported: Failure[] = [];
  const cleared: string[] = [];
  const spent: unknown[] = [];
  const parts = standIn<PipelineDeps>({
    operations: {
      report: async (...failures: Failure[]) => void reported.push(...failures),
      clear: async (jobId: string) => void cleared.push(jobId),
      end: async (jobId: string) => void cleared.push(jobId),
      settleLate: async () => undefined,
    },
    users: { readErasure: async () => null },
    tenants: {
      read: async () => UNSET_TENANT,
      spend: async (tenant: string, usage: object) => void spent.push([tenant, usage]),
    },
    archiveOutage: { note: async () => undefined, over: async () => undefined },
    log: createLog({ write: () => undefined }),
    ...more,
  });
  return { parts, reported, cleared, spent };
}

const failure = (failures: number, gaveUp = false) => ({
  failures,
  gaveUp,
  firstError: "first",
  firstFailedAt: NOON,
  lastFailedAt: NOON,
});

describe("an erased session", () => {
  it("has its listed jobs removed from the list before it confirms", async () => {
    const done: string[] = [];
    const session = {
      readErasure: async () => ({ createdAt: NOON, hasFailed: false, settles: ["old", "aside"], grantedAt: 1 }),
      listing: async () => null,
      confirmErased: async () => {
        done.push("confirmed");
        return false;
      },
    };
    const { parts } = surroundings({
      sessions: { get: () => session },
      directory: { remove: async () => ({ state: "gone" }) },
      operations: { clear: async (jobId: string) => void done.push(jobId) },
      withDatabase: async () => ["applied"],
    });
    expect(await archiveBatch([delivery("erase")], parts)).toEqual([ACK]);
    expect(done).toEqual(["old", "aside", "confirmed"]);
  });
});

describe("a batch of many sessions for the archive", () => {
  /** Archives this many sessions of this many bytes. Returns the most bytes held at once, and the sessions in each transaction. */
  async function held(sessions: number, bytes: number) {
    let most = 0;
    let now = 0;
    const confirmed: string[] = [];
    const written: number[] = [];
    const deltaOf = () => {
      now += bytes;
      most = Math.max(most, now);
      return { rev: 1, version: 0, messageSeq: 0, bytes, hasFailed: false };
    };
    const { parts } = surroundings({
      sessions: {
        get: ({ session }: { session: string }) => ({
          readArchiveDelta: async () => deltaOf(),
          confirmArchived: async () => {
            confirmed.push(session);
            return false;
          },
        }),
      },
      withDatabase: async () => {
        // The check for PostgreSQL comes before anything is read.
        if (now === 0) return;
        written.push(now / bytes);
        const results = Array.from({ length: now / bytes }, () => "applied");
        now = 0;
        return results;
      },
    });
    const batch = Array.from({ length: sessions }, (_, at) => delivery("archive", { session: `chat-${at}` }));
    expect(await archiveBatch(batch, parts)).toEqual(batch.map(() => ACK));
    expect(confirmed).toHaveLength(sessions);
    return { most, written };
  }

  it("is written in one transaction if it is small", async () => {
    expect((await held(50, 10_000)).written).toEqual([50]);
  });

  it("is written in rounds if it is large, so that less than half of an isolate's memory is used", async () => {
    const { most, written } = await held(50, 4 * 1024 * 1024);
    expect(most).toBeLessThan(64 * 1024 * 1024);
    expect(written).toEqual([...Array<number>(12).fill(4), 2]);
  });
});

describe("events of the audit", () => {
  it("that are only refusals create no key for the user they name", async () => {
    const asked: unknown[] = [];
    const event = (owner: string, result: string): QueuedAuditEvent => ({
      id: `${owner}-${result}`,
      at: new Date(NOON).toISOString(),
      tenant: "acme",
      owner,
      actor: { kind: "tenant-key", id: "key:k" },
      session: "chat",
      action: "readSession",
      result,
      requestId: null,
      from: null,
      details: {},
    });
    const { parts } = surroundings({
      directory: { auditName: async (...of: unknown[]) => void asked.push(of) },
      withDatabase: async () => [],
    });
    const events = [event("bob", "forbidden"), event("ada", "forbidden"), event("ada", "ok"), event("-", "ok")];
    await storeAudit([{ body: { v: 1, events }, attempts: 1 }], parts);
    expect(asked).toEqual([
      ["acme", "bob", false],
      ["acme", "ada", true],
    ]);
  });
});

describe("a session that is seeded from its user's sessions", () => {
  it("gets nothing of its own, nor of an earlier epoch of another session", async () => {
    const carried: { items: { id: string }[]; origins: { session: string }[] }[] = [];
    const memory = (session: string, epoch: string) => ({
      session,
      epoch,
      item: itemOf(`${session}-${epoch}`),
    });
    const child = {
      nextCarryOver: async () => ({
        source: { session: ALL_SESSIONS, epoch: "" },
        lease: "lease",
        sends: 1,
        hasFailed: false,
      }),
      carryOver: async (_job: string, _epoch: string, _lease: string, carriedItems: (typeof carried)[number]) => {
        carried.push(carriedItems);
        return true;
      },
    };
    const source = {
      beginContinuation: async () => ({ ok: true, value: { epoch: "now" } }),
      readCarried: async () => ({ next: "archive", origins: [] }),
    };
    const { parts } = surroundings({
      sessions: { get: ({ session }: { session: string }) => ({ ...child, ...source, session }) },
      withDatabase: async () => [memory("chat", "now"), memory("other", "now"), memory("other", "before")],
    });
    expect(await carryOver(delivery("restore"), parts)).toEqual(ACK);
    expect(carried[0]?.items.map(({ id }) => id)).toEqual(["other-now"]);
    expect(carried[0]?.origins.map(({ session }) => session)).toEqual(["other"]);
  });
});

describe("a delivery that fails because of a bug", () => {
  it.each([
    // The lease already informs the session.
    ["summarize", 0, "retry"],
    ["fork", 1, "ack"],
    ["expire", 1, "ack"],
  ] as const)("of the kind %s is reported to its session %i times, and ends in %s", async (kind, told, end) => {
    const [notes, ends]: [unknown[], string[]] = [[], []];
    const fails = () => Promise.reject(new TypeError("ours"));
    const session = {
      beginSummary: fails,
      nextCopyStep: fails,
      stepExpiry: fails,
      noteFailure: async (_job: string, _epoch: string, how: object) => {
        notes.push(how);
        return null;
      },
    };
    const { parts } = surroundings({ sessions: { get: () => session } });
    const message = standIn<Message>({
      body: jobOf(kind),
      attempts: 1,
      timestamp: new Date(NOON),
      ack: () => void ends.push("ack"),
      retry: () => void ends.push("retry"),
    });
    await consume({ queue: "threadkeep-summarize", messages: [message] }, parts);
    expect([notes.length, ends]).toEqual([told, [end]]);
  });
});

/** A call that tells a copy that everything was erased. */
function callTo(copy: number): CopyCall {
  const erased = [{ source: { session: "source", epoch: "epoch" }, seqs: null }];
  return { copy, session: copy === 1 ? "copy" : `copy-${copy}`, erased, afterRow: 0, throughRow: 1 };
}

const NOBODY = { own: null, ofEnded: [] };

describe("a copy that is erased with its source", () => {
  it.each([
    [true, ["copy"]],
    [false, []],
  ])("is removed from the list of sessions if it is gone: %s", async (isGone, gone) => {
    const removed: string[] = [];
    let rounds = 0;
    const session = {
      readPendingErasures: async () => {
        rounds += 1;
        const calls = rounds === 1 ? [callTo(1)] : [];
        return { calls, hasFailed: false, lastCopy: 1 };
      },
      eraseCopied: async () => ({ isGone, isConfirmed: true, grantedAt: 1, further: NOBODY, more: null }),
      confirmCopyErasures: async () => false,
      waitForCopies: async () => undefined,
    };
    const { parts } = surroundings({
      sessions: { get: () => session },
      directory: { remove: async (ref: { session: string }) => void removed.push(ref.session) },
    });
    expect(await eraseCopies(delivery("erase-copies"), parts)).toEqual(ACK);
    expect(removed).toEqual(gone);
  });
});

describe("a delivery that takes long", () => {
  /** How many requests the platform allows an invocation. */
  const MAX_REQUESTS = 1_000;

  /** A session's object that counts every call. */
  function counted(methods: Record<string, (...given: unknown[]) => Promise<unknown>>) {
    const calls = { all: 0, putOff: [] as unknown[] };
    const session = Object.fromEntries(
      Object.entries<(...given: unknown[]) => Promise<unknown>>({ putOff: async () => undefined, ...methods }).map(
        ([name, method]) => [
          name,
          async (...given: unknown[]) => {
            calls.all += 1;
            if (name === "putOff") calls.putOff.push(given[2]);
            return method(...given);
          },
        ],
      ),
    );
    const { parts } = surroundings({
      sessions: { get: () => session },
      summarizer: {
        summarize: async () => {
          calls.all += 1;
          return { model: "test", items: [] };
        },
      },
    });
    return { parts, calls };
  }

  const goesOn = [expect.objectContaining({ afterMs: 0, hasProgressed: true })];

  it("copies a limited number of a fork's pages, and the next one continues", async () => {
    const step = { source: { session: "source", epoch: "epoch" }, afterSeq: 0, throughSeq: 9, hasFailed: false };
    const { parts, calls } = counted({
      nextCopyStep: async () => step,
      readCopyPage: async () => ({ changes: 0, rows: [], end: null }),
      saveCopyPage: async () => step,
    });
    expect(await copyFork(delivery("fork"), parts)).toEqual(ACK);
    expect(calls.all).toBeLessThan(MAX_REQUESTS);
    expect(calls.putOff).toEqual(goesOn);
  });

  it("summarizes a limited number of parts, returns the lease, and the next one continues", async () => {
    const request = { previous: [], messages: [], maxTokens: 100 };
    const step = { next: "call", lease: "lease", request, failures: 0, isUpgrade: false, isOverBudget: false };
    const { parts, calls } = counted({ beginSummary: async () => step, saveAnswer: async () => step });
    expect(await summarizeSession(delivery("summarize"), parts)).toEqual(ACK);
    expect(calls.all).toBeLessThan(MAX_REQUESTS);
    expect(calls.putOff).toEqual([expect.objectContaining({ afterMs: 0, lease: "lease", hasProgressed: true })]);
  });

  it("notifies a limited number of copies of an erasure, and the next one continues after them", async () => {
    const [begun, through]: [unknown[], unknown[]] = [[], []];
    const { parts, calls } = counted({
      readPendingErasures: async (...[, , afterCopy]: unknown[]) => {
        begun.push(afterCopy);
        const from = Number(afterCopy ?? 0);
        const round = Array.from({ length: 250 }, (_, at) => callTo(from + at));
        return { calls: round, hasFailed: false, lastCopy: from + 250 };
      },
      eraseCopied: async () => ({ isGone: false, isConfirmed: false, grantedAt: 1, further: NOBODY, more: null }),
      confirmCopyErasures: async (...[, , , throughCopy]: unknown[]) => {
        through.push(throughCopy);
        return false;
      },
    });
    expect(await eraseCopies(delivery("erase-copies"), parts)).toEqual(ACK);
    expect(calls.all).toBeLessThan(MAX_REQUESTS);
    expect([begun, through]).toEqual([
      [undefined, 250],
      [0, 500],
    ]);
    expect(calls.putOff).toEqual(goesOn);
  });

  it("erases a limited number of a user's sessions, and the directory sends the next one", async () => {
    const asked: unknown[] = [];
    const sessions = Array.from({ length: 50 }, (_, at) => `chat-${at}`);
    const { parts } = surroundings({
      sessions: {
        get: () => ({
          erase: async () => {
            asked.push(1);
            return { ok: true, value: null };
          },
        }),
      },
      users: { nextErasureStep: async () => ({ next: "wipe", sessions }), noteWiped: async () => undefined },
    });
    const job = { v: 1, kind: "erase-user", tenant: "acme", owner: "ada", jobId: "erasure" } as const;
    expect(await eraseUser(job, parts)).toEqual(ACK);
    expect(asked.length).toBeLessThan(MAX_REQUESTS);
    expect(asked.length).toBeGreaterThan(500);
  });
});

describe("the erasure of a user", () => {
  it.each([
    ["erased", ["erasure"]],
    ["erasing", []],
  ])("that is %s leaves the list: %j", async (state, gone) => {
    const cleared: string[] = [];
    const { parts } = surroundings({
      operations: {
        clear: async (jobId: string) => void cleared.push(jobId),
        clearUser: async () => undefined,
        countOfUser: async () => 0,
      },
      users: {
        nextErasureStep: async () => ({ next: "places" }),
        concludeErasure: async () => state,
      },
      // Neither a session that only the archive knows, nor a row that is left.
      withDatabase: async () => 0,
    });
    expect(
      await eraseUser({ v: 1, kind: "erase-user", tenant: "acme", owner: "ada", jobId: "erasure" }, parts),
    ).toEqual(ACK);
    expect(cleared).toEqual(gone);
  });
});

describe("a session that is due to expire", () => {
  it.each([
    [true, ["expire"]],
    [false, []],
  ])("does what the directory answers: %s", async (isTaken, ended) => {
    const done: string[] = [];
    const session = {
      stepExpiry: async () => ({ step: "expire", at: NOON, grantedAt: 1, hasFailed: false, archivedRev: 0 }),
      confirmExpiry: async (_job: string, _epoch: string, step: string) => {
        done.push(step);
        return true;
      },
    };
    const directory = { setExpired: async () => isTaken };
    const { parts } = surroundings({ sessions: { get: () => session }, directory });
    expect(await expireSession(delivery("expire"), parts)).toEqual(ACK);
    expect(done).toEqual(ended);
  });
});

describe("a dead letter", () => {
  it.each([
    ["that is done", "over", ["job"]],
    ["that a consumer is at", "held", []],
    ["that was given up", "given-up", []],
  ])("of work %s is never listed", async (_, standing, ended) => {
    const session = { jobStanding: async () => standing, noteUndelivered: async () => false };
    const { parts, reported, cleared } = surroundings({ sessions: { get: () => session } });
    expect(await recordDeadLetter(jobOf("summarize", { jobId: "job" }), 5, parts)).toEqual(ACK);
    expect(reported).toEqual([]);
    expect(cleared).toEqual(ended);
  });
});

describe("a dead letter of another version", () => {
  const letter = { kind: "new-kind", tenant: "acme", owner: "ada", session: "chat", jobId: "job" };

  it.each([
    [{}, { jobId: "job", kind: "new-kind", tenant: "acme", owner: "ada", session: "chat" }],
    [{ session: undefined }, { jobId: "job", tenant: "acme", owner: "ada", session: "" }],
    [{ kind: undefined }, { jobId: "job", kind: "unknown" }],
    [{ owner: undefined }, { jobId: expect.stringMatching(/^unknown-/), tenant: "", owner: "", session: "" }],
    [{ tenant: undefined }, { jobId: expect.stringMatching(/^unknown-/), tenant: "", owner: "", session: "" }],
    [{ jobId: undefined }, { jobId: expect.stringMatching(/^unknown-/), tenant: "", owner: "", session: "" }],
  ])("with %j names whose work it is, or nobody", async (change, told) => {
    const { parts, reported } = surroundings();
    expect(await recordDeadLetter({ ...letter, ...change }, 5, parts)).toEqual(ACK);
    expect(reported).toMatchObject([{ ...told, state: "unknown", attempts: 5 }]);
  });
});

describe("a fork whose source is gone", () => {
  it("is removed from the list of sessions", async () => {
    const removed: unknown[] = [];
    const session = {
      nextCopyStep: async () => ({
        source: { session: "source", epoch: "epoch" },
        afterSeq: 0,
        throughSeq: 2,
        hasFailed: false,
      }),
      readCopyPage: async () => null,
      loseCopy: async () => 7,
    };
    const directory = {
      remove: async (ref: { session: string }, grantedAt: number) => void removed.push([ref.session, grantedAt]),
    };
    const { parts } = surroundings({ sessions: { get: () => session }, directory });
    expect(await copyFork(delivery("fork"), parts)).toEqual(ACK);
    expect(removed).toEqual([["chat", 7]]);
  });
});

describe("a job that fails", () => {
  it.each([
    [REPORT_AFTER_FAILURES - 1, false, []],
    [REPORT_AFTER_FAILURES, false, ["retrying"]],
    [1, true, ["failed"]],
  ])("%i times, given up: %s, is listed as %j", async (failures, gaveUp, states) => {
    const { parts, reported } = surroundings({ sessions: { get: () => ({ noteUndelivered: async () => true }) } });
    await reportFailure(parts, jobOf("archive"), "away", failure(failures, gaveUp));
    expect(reported.map(({ state }) => state)).toEqual(states);
  });

  it.each(["users", "operations"])("is recorded by its object as listed, even if %s did not answer", async (away) => {
    const noted: string[] = [];
    const { parts } = surroundings({
      sessions: { get: () => ({ noteUndelivered: async (jobId: string) => noted.push(jobId) > 0 }) },
    });
    const lost = async () => {
      throw new Error("the answer got lost");
    };
    const users = away === "users" ? { readErasure: lost } : parts.users;
    const operations = away === "operations" ? { ...parts.operations, report: lost } : parts.operations;
    await reportFailure({ ...parts, users, operations }, jobOf("archive"), "away", failure(REPORT_AFTER_FAILURES));
    expect(noted).toEqual(["job"]);
  });

  it("is repeated if its object cannot be told, and then removed from the list by whoever does it", async () => {
    const { parts, reported, cleared } = surroundings({
      sessions: {
        get: () => ({
          noteUndelivered: async () => {
            throw new Error("out of reach");
          },
        }),
      },
    });
    const told = reportFailure(parts, jobOf("archive"), "away", failure(REPORT_AFTER_FAILURES));
    await expect(told).rejects.toThrow("out of reach");
    expect(reported).toHaveLength(1);
    await reportRecovery(parts, delivery("archive"), false);
    expect(cleared).toEqual([]);
    await reportRecovery(parts, { ...delivery("archive"), attempts: 2 }, false);
    expect(cleared).toEqual(["job"]);
  });

  it("for a user is repeated if the list cannot be told completely, and removed from it when it is done", async () => {
    const { parts, cleared } = surroundings({
      users: {
        readErasure: async () => {
          throw new Error("the answer got lost");
        },
        nextErasureStep: async () => null,
      },
    });
    const { epoch: _, throughSeq: __, ...named } = jobOf("erase");
    const job = { ...named, kind: "erase-user" as const, session: "" };
    const told = reportFailure(parts, job, "away", failure(REPORT_AFTER_FAILURES));
    await expect(told).rejects.toThrow("the answer got lost");
    expect(await eraseUser(job, parts)).toEqual(ACK);
    expect(cleared).toEqual(["job"]);
  });

  it.each([
    [{ state: "erasing" }, []],
    [{ state: "erased" }, ["job"]],
    // Its last run has deleted the record of the erasure.
    [null, ["job"]],
  ])("for a user whose erasure is %o meanwhile is cleared like this: %o", async (erasure, expected) => {
    const { parts, cleared } = surroundings({ users: { readErasure: async () => erasure } });
    const { epoch: _, throughSeq: __, ...named } = jobOf("erase");
    const job = { ...named, kind: "erase-user" as const, session: "" };
    await reportFailure(parts, job, "away", failure(REPORT_AFTER_FAILURES));
    expect(cleared).toEqual(expected);
  });

  it("for rows that PostgreSQL refuses is listed until none is left", async () => {
    const { parts, reported, cleared } = surroundings();
    const row = { name: "message 3", code: "22P05" };
    await reportSetAside(parts, jobOf("archive"), { total: 1, named: [row] });
    expect(reported).toMatchObject([{ state: "set-aside", reason: expect.stringContaining("message 3") }]);
    expect(cleared).toEqual([]);
    await reportSetAside(parts, jobOf("archive"), { total: 0, named: [] });
    expect(cleared).toEqual(reported.map(({ jobId }) => jobId));
    expect(reported).toHaveLength(1);
  });
});

describe("a summary", () => {
  const usage = { inputTokens: 10, outputTokens: 2 };
  const request = { previous: [], messages: [{ seq: 1, role: "user", at: "", text: "hi" }], maxTokens: 100 };
  const call = { next: "call", lease: "lease", request, failures: 0, isUpgrade: false, isOverBudget: false };
  const fails = {
    summarize: () => Promise.reject(new ProviderError("timeout", "it took too long", { usage })),
  };

  it("that fails is paid for all the same, by its session and by its tenant", async () => {
    const noted: unknown[] = [];
    const session = {
      beginSummary: async () => call,
      noteFailure: async (_job: string, _epoch: string, how: object) => {
        noted.push(how);
        return failure(1);
      },
    };
    const { parts, spent } = surroundings({
      sessions: { get: () => session },
      summarizer: fails,
      fallback: null,
    });
    expect(await summarizeSession(delivery("summarize"), parts)).toEqual(ACK);
    expect(noted).toMatchObject([{ usage, lease: "lease" }]);
    expect(spent).toEqual([["acme", usage]]);
  });

  it("that is a fallback summary is on the operators' list with the better one that is pending", async () => {
    const upgrade = { jobId: "better", reason: "summarizer timeout", ...failure(1) };
    const session = {
      beginSummary: async () => ({ ...call, failures: 2 }),
      saveAnswer: async () => ({ next: "done", hasFailed: false, upgrade }),
      noteUndelivered: async () => true,
    };
    const { parts, reported, spent } = surroundings({
      sessions: { get: () => session },
      summarizer: fails,
      fallback: { summarize: async () => ({ items: [], model: "fallback" }) },
    });
    expect(await summarizeSession(delivery("summarize"), parts)).toEqual(ACK);
    expect(reported).toMatchObject([{ jobId: "better", state: "retrying", reason: "summarizer timeout" }]);
    expect(spent).toEqual([["acme", usage]]);
  });
});
