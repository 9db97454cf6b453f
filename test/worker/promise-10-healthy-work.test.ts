import { createMessageBatch, createExecutionContext, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { JobMessage } from "../../src/api/job.ts";
import type { SummarizerAnswer } from "../../src/api/summarizer.ts";
import { createOperationsClient } from "../../src/control/client.ts";
import { LEASE_MS, REPORT_AFTER_FAILURES } from "../../src/lib/retry-policy.ts";
import { consume } from "../../src/pipeline/consume.ts";
import type { PipelineDeps } from "../../src/pipeline/delivery.ts";
import { ProviderError } from "../../src/provider/provider-error.ts";
import type { SessionObject } from "../../src/session/client.ts";
import { noteBacklog } from "../../src/session/outbox/jobs.ts";
import { Tables } from "../../src/session/sqlite/tables.ts";
import { SessionStore } from "../../src/session/store.ts";
import {
  beside,
  chatOf,
  creationOf,
  deliver,
  forkOf,
  jobOf,
  letPass,
  pendingJobs,
  pipelineDeps,
  quoting,
  ring,
  runInDurableObject,
  said,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  stubAt,
  summarizeAndArchive,
  takeAlarm,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

const operations = createOperationsClient(env.OPERATIONS);

/** PostgreSQL is available, and refuses the data of each session. */
const REFUSED: Partial<PipelineDeps> = { withDatabase: async () => [{ refused: "40P01" }] as never };

afterEach(() => void vi.restoreAllMocks());

/** A model that answers each call when the test lets it. */
function slowModel() {
  const calls: { readonly seqs: number[]; answer(): void }[] = [];
  const parts = pipelineDeps({
    summarizer: {
      summarize: (given) =>
        new Promise<SummarizerAnswer>((resolve) => {
          calls.push({ seqs: given.messages.map(({ seq }) => seq), answer: () => resolve(quoting(given)) });
        }),
    },
  });
  const isAsked = (times: number): Promise<void> => until(`call ${times}`, async () => calls.length >= times);
  return { parts, calls, isAsked };
}

async function bury(body: unknown, parts: PipelineDeps = pipelineDeps()): Promise<"acked" | "retried"> {
  const batch = createMessageBatch("threadkeep-summarize-failed", [
    { id: "0", timestamp: new Date(), attempts: 1, body },
  ]);
  await consume(batch, parts);
  const { explicitAcks } = await getQueueResult(batch, createExecutionContext());
  return explicitAcks.length === 1 ? "acked" : "retried";
}

async function rowOf(ref: SessionRef, kind: string) {
  const row = (await pendingJobs(ref)).find((job) => job["kind"] === kind);
  if (row === undefined) throw new Error(`no ${kind} is pending`);
  return row;
}

/** Lets time pass for a session's jobs, and lets its alarm ring. */
function ringAfter(ref: SessionRef, ms: number): Promise<void> {
  return runInDurableObject(stubAt(ref), async (session, { storage }) => {
    const jobs = new Tables(storage.sql).group("jobs");
    jobs.exec("UPDATE jobs SET next_send_at = next_send_at - ?1, lease_until = lease_until - ?1", ms);
    await session.alarm();
    await storage.deleteAlarm();
  });
}

/** The isolate's clock, which the test moves. */
function movedClock(): { pass(ms: number): void } {
  let passed = 0;
  const now = Date.now.bind(Date);
  vi.spyOn(Date, "now").mockImplementation(() => now() + passed);
  return {
    pass(ms) {
      passed += ms;
    },
  };
}

/** The dependencies of the consumers; the test controls some calls of a session's object. */
function partsWith(change: (ref: SessionRef) => Partial<SessionObject>): PipelineDeps {
  const { sessions } = pipelineDeps();
  return pipelineDeps({
    sessions: {
      get: (ref) => {
        const changed: Record<string | symbol, unknown> = { ...change(ref) };
        return new Proxy(sessions.get(ref), { get: (object, name) => changed[name] ?? Reflect.get(object, name) });
      },
    },
  });
}

describe("promise 10: a healthy job, however long it takes", () => {
  it("is not sent again while a consumer has its lease, and is sent again after the lease", async () => {
    const ref = await chatOf(8);
    const { jobId, epoch } = await scheduleSummary(ref);
    await withoutAlarm(ref, (session) => session.alarm());
    const job = await jobOf(ref, "summarize");
    const { parts, calls, isAsked } = slowModel();
    const first = deliver(job, parts);
    await isAsked(1);
    const held = await rowOf(ref, "summarize");
    expect(held).toMatchObject({ sends: 1, next_send_at: held["lease_until"] });
    expect(Number(held["lease_until"]) - Date.now()).toBeGreaterThan(LEASE_MS - 30_000);
    for (const ms of [60_000, 60_000, LEASE_MS - 125_000]) {
      await ringAfter(ref, ms);
      expect(await rowOf(ref, "summarize")).toMatchObject({ sends: 1 });
    }
    expect(await sessionAt(ref).jobStanding(jobId, epoch)).toBe("held");
    await runInDurableObject(stubAt(ref), (_, { storage }) => storage.sql.exec("UPDATE jobs SET lease_until = 0"));
    expect(await sessionAt(ref).jobStanding(jobId, epoch)).toBe("pending");
    await ring(ref);
    await until("another consumer does it", async () => unwrap(await sessionAt(ref).state()).summary !== null);
    calls[0]?.answer();
    expect(await first).toBe("acked");
    expect(unwrap(await sessionAt(ref).summaries(undefined, 9)).data).toHaveLength(1);
  });

  it("that was to be sent again late, as after a long pause, is sent again when the lease ends", async () => {
    const ref = await chatOf(8);
    const { jobId, epoch } = await scheduleSummary(ref);
    const failed = { reason: "busy", retryAfterSeconds: 3_600 };
    await sessionAt(ref).noteFailure(jobId, epoch, failed);
    const step = await sessionAt(ref).beginSummary(jobId, epoch);
    const { alarm, leaseUntil } = await runInDurableObject(stubAt(ref), async (_, { storage }) => ({
      alarm: await storage.getAlarm(),
      leaseUntil: storage.sql.exec("SELECT lease_until FROM jobs").one()["lease_until"],
    }));
    expect(step.next).toBe("call");
    expect(alarm).toBe(leaseUntil);
  });

  it("gets its full time again with each part", async () => {
    const ref = await chatOf(34, { words: 900, settings: { summarizeAfterTokens: 1_000_000, keepRecentTokens: 0 } });
    await scheduleSummary(ref);
    const { parts, calls, isAsked } = slowModel();
    const clock = movedClock();
    const done = deliver(await jobOf(ref, "summarize"), parts);
    await isAsked(1);
    const before = await rowOf(ref, "summarize");
    clock.pass(100_000);
    calls[0]?.answer();
    await isAsked(2);
    const after = await rowOf(ref, "summarize");
    expect(Number(after["next_send_at"]) - Number(before["next_send_at"])).toBeGreaterThanOrEqual(100_000);
    expect(after["next_send_at"]).toBe(after["lease_until"]);
    calls[1]?.answer();
    expect(await done).toBe("acked");
  });

  it("does not disturb the real queue: messages whose job is leased are acknowledged, and those behind them are done", async () => {
    const [slow, other] = [await chatOf(8), await chatOf(8)];
    await scheduleSummary(slow);
    const job = await jobOf(slow, "summarize");
    const { parts, calls, isAsked } = slowModel();
    const first = deliver(job, parts);
    await isAsked(1);
    // As often as the queue delivers a message before it is a dead letter.
    await env.SUMMARIZE_QUEUE.sendBatch(Array.from({ length: 11 }, () => ({ body: job })));
    unwrap(await sessionAt(other).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    await until("the queue is empty", async () => (await env.SUMMARIZE_QUEUE.metrics()).backlogCount === 0);
    expect(unwrap(await sessionAt(other).state()).summary).toMatchObject({ throughSeq: 4 });
    for (let attempts = 1; attempts <= 11; attempts += 1) expect(await deliver(job, parts, attempts)).toBe("acked");
    expect(await rowOf(slow, "summarize")).toMatchObject({ sends: 0, failures: 0, state: "pending" });
    calls[0]?.answer();
    expect(await first).toBe("acked");
    expect(calls).toHaveLength(1);
    expect(await operations.find(job.jobId)).toBeNull();
  });

  it("makes room for others before the platform ends its consumer, and continues where it was", async () => {
    const ref = await chatOf(34, { words: 900, settings: { summarizeAfterTokens: 1_000_000, keepRecentTokens: 0 } });
    await scheduleSummary(ref);
    const job = await jobOf(ref, "summarize");
    const { parts, calls, isAsked } = slowModel();
    const clock = movedClock();
    const first = deliver(job, parts);
    await isAsked(1);
    clock.pass(11 * 60_000);
    calls[0]?.answer();
    expect(await first).toBe("acked");
    await takeAlarm(ref);
    const given = await rowOf(ref, "summarize");
    expect(given).toMatchObject({ lease: null, lease_until: null, sends: 0, failures: 0 });
    expect(Number(given["next_send_at"])).toBeLessThanOrEqual(Date.now());
    const second = deliver(job, parts);
    await isAsked(2);
    calls[1]?.answer();
    expect(await second).toBe("acked");
    expect(calls.flatMap(({ seqs }) => seqs)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    expect(unwrap(await sessionAt(ref).state()).summary).toMatchObject({ version: 1, throughSeq: 30 });
  });

  it("that waits in a long queue is given the time that it takes, unless it is urgent", async () => {
    const ref = await chatOf(8);
    const { jobId, epoch } = await scheduleSummary(ref);
    const seen = await runInDurableObject(stubAt(ref), async (session, { storage }) => {
      await session.alarm();
      await storage.deleteAlarm();
      // One object for each look, because the object writes in between.
      const storeNow = (): SessionStore => new SessionStore(storage.sql);
      const now = Date.now();
      const noted = (sends: number, minutes: number): boolean =>
        noteBacklog({ store: storeNow(), now }, { jobId, sends }, minutes * 60_000, 0.5);
      const pause = (): number => Math.round((Number(storeNow().jobs.nextSendAt()) - now) / 60_000);
      // Soon enough; another message's; late.
      const before = [noted(1, 0.1), noted(2, 30), pause()];
      const after = [noted(1, 30), pause(), noted(1, 10), pause()];
      const job = storeNow().jobs.byId(jobId);
      if (job !== null) storeNow().jobs.put({ ...job, nextSendAt: now });
      const wanted = [noted(1, 30), pause()];
      await session.beginSummary(jobId, epoch);
      const held = [noted(1, 30), pause()];
      return { before, after, wanted, held };
    });
    expect(seen).toEqual({
      before: [false, false, 1],
      after: [true, 60, false, 60],
      wanted: [false, 0],
      held: [false, 3],
    });
  });

  it("may be a fork that takes many deliveries: each makes room for others, and none is given up", async () => {
    const source = await chatOf(12);
    const copy = beside(source);
    const from = unwrap(await sessionAt(source).beginFork(copy.session, undefined));
    unwrap(await withoutAlarm(copy, (session) => session.createFork(creationOf(copy), from, 0)));
    const job = await jobOf(copy, "fork");
    const clock = movedClock();
    const slow = partsWith((ref) => ({
      readCopyPage: async (...given: Parameters<SessionObject["readCopyPage"]>) => {
        clock.pass(11_000);
        return sessionAt(ref).readCopyPage(...given);
      },
      putOff: (...given: Parameters<SessionObject["putOff"]>) =>
        withoutAlarm(ref, (session) => session.putOff(...given)),
    }));
    await runInDurableObject(stubAt(copy), (_, { storage }) => storage.sql.exec("UPDATE jobs SET sends = 3"));
    expect(await deliver(job, slow, 10)).toBe("acked");
    const left = await rowOf(copy, "fork");
    expect(left).toMatchObject({ sends: 0, failures: 0, state: "pending" });
    expect(Number(left["next_send_at"])).toBeLessThanOrEqual(Date.now());
    expect(await deliver(job, slow, 11)).toBe("acked");
    expect(unwrap(await sessionAt(copy).state())).toMatchObject({ status: "active", headSeq: 12 });
  });

  it("that waits for a summary of its own is postponed by its object, for as long as that takes", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const copy = beside(source);
    const epoch = unwrap(await sessionAt(source).beginContinuation(copy.session));
    unwrap(await withoutAlarm(copy, (session) => session.create(creationOf(copy), undefined, epoch)));
    const messages = Array.from({ length: 8 }, (_, at) => said(`Something of its own, ${at}, in the harbour.`));
    unwrap(await withoutAlarm(copy, (session) => session.append({ messages }, null)));
    await scheduleSummary(copy);
    const { parts, calls, isAsked } = slowModel();
    const summary = deliver(await jobOf(copy, "summarize"), parts);
    await isAsked(1);
    const job = await jobOf(copy, "restore");
    for (let attempts = 1; attempts <= 15; attempts += 1) {
      expect(await deliver(job, pipelineDeps(), attempts)).toBe("acked");
      await takeAlarm(copy);
    }
    expect(await rowOf(copy, "restore")).toMatchObject({ failures: 0, first_failed_at: null });
    calls[0]?.answer();
    await summary;
    expect(await deliver(job)).toBe("acked");
    expect(unwrap(await sessionAt(copy).state()).origin).toMatchObject({ state: "done" });
  });
});

describe("a dead letter", () => {
  it("is not reported for a job that is leased, done, or of another epoch", async () => {
    const ref = await chatOf(8);
    await scheduleSummary(ref);
    const job = await jobOf(ref, "summarize");
    const { parts, calls, isAsked } = slowModel();
    const done = deliver(job, parts);
    await isAsked(1);
    expect(await bury({ ...job, sends: 2 })).toBe("acked");
    expect(await operations.find(job.jobId)).toBeNull();
    calls[0]?.answer();
    await done;
    expect(await bury(job)).toBe("acked");
    expect(await bury({ ...job, epoch: "another" })).toBe("acked");
    expect(await operations.find(job.jobId)).toBeNull();
  });

  /** How a job of each kind becomes pending, with the test as its only consumer. */
  const UNSETTLED: Record<Exclude<JobMessage["kind"], "expire">, () => Promise<SessionRef>> = {
    summarize: async () => {
      const ref = await chatOf(8);
      await scheduleSummary(ref);
      return ref;
    },
    archive: async () => {
      const ref = await chatOf(8);
      const { jobId, epoch } = await scheduleSummary(ref);
      const step = await sessionAt(ref).beginSummary(jobId, epoch);
      if (step.next !== "call") throw new Error("expected a call");
      await withoutAlarm(ref, (session) => session.saveAnswer(jobId, epoch, step.lease, quoting(step.request)));
      return ref;
    },
    embed: async () => {
      const ref = await chatOf(8);
      const { jobId, epoch } = await scheduleSummary(ref);
      const step = await sessionAt(ref).beginSummary(jobId, epoch);
      if (step.next !== "call") throw new Error("expected a call");
      await withoutAlarm(ref, (session) =>
        session.saveAnswer(jobId, epoch, step.lease, quoting(step.request), null, true),
      );
      return ref;
    },
    erase: async () => {
      const ref = await chatOf(8);
      unwrap(await withoutAlarm(ref, (session) => session.erase()));
      return ref;
    },
    "erase-copies": async () => {
      const ref = await chatOf(8);
      await forkOf(ref);
      unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("turn-3")));
      return ref;
    },
    fork: async () => {
      const source = await chatOf(8);
      const copy = beside(source);
      const from = unwrap(await sessionAt(source).beginFork(copy.session, undefined));
      unwrap(await withoutAlarm(copy, (session) => session.createFork(creationOf(copy), from, 0)));
      return copy;
    },
    restore: async () => {
      const source = await chatOf(12);
      await summarizeAndArchive(source);
      const copy = beside(source);
      const epoch = unwrap(await sessionAt(source).beginContinuation(copy.session));
      unwrap(await withoutAlarm(copy, (session) => session.create(creationOf(copy), undefined, epoch)));
      return copy;
    },
    list: async () => {
      const ref = await chatOf(1);
      unwrap(await withoutAlarm(ref, (session) => session.update({ metadata: { topic: "tea" } })));
      return ref;
    },
  };

  it.each(Object.keys(UNSETTLED) as (keyof typeof UNSETTLED)[])(
    "is listed for a pending job, and removed from the list when the job is done: %s",
    async (kind) => {
      const ref = await UNSETTLED[kind]();
      const job = await jobOf(ref, kind);
      expect(await bury({ ...job, sends: 1 })).toBe("acked");
      expect(await operations.find(job.jobId)).toMatchObject({ kind, state: "undelivered", session: ref.session });
      expect(await rowOf(ref, kind)).toMatchObject({ failures: 0, state: "pending" });
      expect(await deliver(job)).toBe("acked");
      expect(await sessionAt(ref).jobStanding(job.jobId, job.epoch)).toBe("over");
      expect(await operations.find(job.jobId)).toBeNull();
    },
  );

  it("of an expiry is removed from the list when the session has expired", async () => {
    const ref = await chatOf(1, { settings: { expireAfterIdleSeconds: 3_600, summarizeAfterIdleSeconds: null } });
    await summarizeAll(ref);
    await letPass(ref, 2 * 3_600_000);
    await withoutAlarm(ref, (session) => session.alarm());
    const job = await jobOf(ref, "expire");
    expect(await bury(job)).toBe("acked");
    expect(await operations.find(job.jobId)).toMatchObject({ kind: "expire", state: "undelivered" });
    await until("the session expires", async () => {
      await ring(ref);
      return (await pendingJobs(ref)).length === 0;
    });
    expect(await operations.find(job.jobId)).toBeNull();
  });

  it("of metadata that another request delivers is removed from the list with its job", async () => {
    const ref = await UNSETTLED.list();
    const job = await jobOf(ref, "list");
    expect(await bury({ ...job, sends: 1 })).toBe("acked");
    const { epoch, listing } = unwrap(await withoutAlarm(ref, (session) => session.update({ metadata: {} })));
    expect(await withoutAlarm(ref, (session) => session.confirmListed(epoch, listing.metadataRev))).toBe(false);
    expect(await deliver(job)).toBe("acked");
    expect(await pendingJobs(ref)).toEqual([]);
    expect(await operations.find(job.jobId)).toBeNull();
  });

  it("whose object is unavailable is listed, and delivered again until the object has said what became of the job", async () => {
    const ref = await chatOf(8);
    await scheduleSummary(ref);
    const job = await jobOf(ref, "summarize");
    const away = partsWith(() => ({
      jobStanding: async () => {
        throw new Error("out of reach");
      },
    }));
    expect(await bury(job, away)).toBe("retried");
    expect(await operations.find(job.jobId)).toMatchObject({ state: "undelivered" });
    expect(await deliver(job)).toBe("acked");
    expect(await bury(job)).toBe("acked");
    expect(await operations.find(job.jobId)).toBeNull();
  });

  it("that arrives while the job is being done leaves nothing on the list, whichever is first", async () => {
    const ref = await chatOf(8);
    await scheduleSummary(ref);
    const job = await jobOf(ref, "summarize");
    const racing = pipelineDeps({
      operations: {
        ...operations,
        report: async (failure) => {
          await deliver(job);
          await operations.report(failure);
        },
      },
    });
    expect(await bury(job, racing)).toBe("acked");
    expect(await operations.find(job.jobId)).toBeNull();
  });
});

describe("the list of failures", () => {
  it("does not get a failure that is reported after another delivery did the job", async () => {
    const ref = await chatOf(8);
    await scheduleSummary(ref);
    const job = await jobOf(ref, "summarize");
    const summarizer = {
      summarize: async () => {
        throw new ProviderError("timeout", "test");
      },
    };
    await deliver(job, pipelineDeps({ summarizer }));
    await deliver(job, pipelineDeps({ summarizer }));
    const report = async (failure: Parameters<typeof operations.report>[0]): Promise<void> => {
      await deliver(job);
      await operations.report(failure);
    };
    await deliver(job, pipelineDeps({ summarizer, operations: { ...operations, report } }));
    expect(unwrap(await sessionAt(ref).state()).summary).toMatchObject({ throughSeq: 4 });
    expect(await operations.find(job.jobId)).toBeNull();
  });

  it("loses a failed job that was done by a consumer which never got the answer", async () => {
    const ref = await chatOf(8);
    await scheduleSummary(ref);
    await deliver(await jobOf(ref, "summarize"));
    const job = await jobOf(ref, "archive");
    const away = pipelineDeps(REFUSED);
    for (let failures = 1; failures <= REPORT_AFTER_FAILURES; failures += 1) await deliver(job, away);
    expect(await operations.find(job.jobId)).toMatchObject({ state: "retrying" });
    const deaf = partsWith((of) => ({
      confirmArchived: async (...given) => {
        await sessionAt(of).confirmArchived(...given);
        throw new Error("the answer was lost");
      },
    }));
    expect(await deliver({ ...job, sends: 4 }, deaf)).toBe("retried");
    expect(await deliver({ ...job, sends: 4 })).toBe("acked");
    expect(await operations.find(job.jobId)).toBeNull();
  });

  it("loses a job of which another delivery failed while it was being done", async () => {
    const ref = await chatOf(8);
    await scheduleSummary(ref);
    await deliver(await jobOf(ref, "summarize"));
    const job = await jobOf(ref, "archive");
    const away = pipelineDeps(REFUSED);
    const late = partsWith((of) => ({
      readArchiveDelta: async (...given) => {
        const delta = await sessionAt(of).readArchiveDelta(...given);
        for (let failures = 1; failures <= REPORT_AFTER_FAILURES; failures += 1) await deliver(job, away);
        return delta;
      },
    }));
    expect(await deliver(job, late)).toBe("acked");
    expect(await operations.find(job.jobId)).toBeNull();
  });

  it("loses a job whose failure was reported only after another delivery had done some of it", async () => {
    const ref = await chatOf(8);
    await scheduleSummary(ref);
    await deliver(await jobOf(ref, "summarize"));
    const job = await jobOf(ref, "archive");
    const halfway = partsWith((of) => ({
      confirmArchived: async (...given) => {
        unwrap(await withoutAlarm(of, (session) => session.update({ metadata: { topic: "more" } })));
        return sessionAt(of).confirmArchived(...given);
      },
    }));
    const away = pipelineDeps({
      ...REFUSED,
      operations: {
        ...operations,
        report: async (failure) => {
          await deliver(job, halfway);
          await operations.report(failure);
        },
      },
    });
    for (let failures = 1; failures <= REPORT_AFTER_FAILURES; failures += 1) await deliver(job, away);
    expect(await operations.find(job.jobId)).toMatchObject({ state: "retrying" });
    expect(await deliver(job)).toBe("acked");
    // The metadata did not reach the directory.
    expect(await pendingJobs(ref)).toMatchObject([{ kind: "list" }]);
    expect(await operations.find(job.jobId)).toBeNull();
  });

  it("loses a failed summary that another one from the whole log replaces", async () => {
    const ref = await chatOf(8);
    await scheduleSummary(ref);
    const job = await jobOf(ref, "summarize");
    const refused = pipelineDeps({
      summarizer: {
        summarize: async () => {
          throw new ProviderError("refused", "test");
        },
      },
    });
    for (let failures = 1; failures <= REPORT_AFTER_FAILURES; failures += 1) await deliver(job, refused);
    expect(await operations.find(job.jobId)).toMatchObject({ state: "retrying" });
    unwrap(await withoutAlarm(ref, (session) => session.maintain("rebuild", false)));
    await deliver(await jobOf(ref, "summarize"));
    expect(unwrap(await sessionAt(ref).state()).summary).not.toBeNull();
    expect(await operations.find(job.jobId)).toBeNull();
  });

  it("loses a pending better summary when its session is erased", async () => {
    const ref = await chatOf(8);
    await scheduleSummary(ref);
    const job = await jobOf(ref, "summarize");
    const refused = pipelineDeps({
      summarizer: {
        summarize: async () => {
          throw new ProviderError("refused", "test");
        },
      },
      fallback: { summarize: async (given) => quoting(given) },
    });
    await deliver(job, refused);
    await takeAlarm(ref);
    const upgrade = await jobOf(ref, "summarize");
    expect(await operations.find(upgrade.jobId)).toMatchObject({ reason: "summarizer refused" });
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    await deliver(await jobOf(ref, "erase"));
    expect(await operations.find(upgrade.jobId)).toBeNull();
  });
});

async function summarizeAll(ref: SessionRef): Promise<void> {
  await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 });
}
