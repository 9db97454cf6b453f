import { describe, expect, it } from "vitest";
import { ApiProblem, type Api } from "../../scripts/api.ts";
import { finishSessions } from "../../scripts/import/finish.ts";
import { Tally } from "../../scripts/import/tally.ts";
import type { Context } from "../../src/api/context.ts";
import type { SessionState } from "../../src/api/session.ts";

interface Faults {
  /** Polls until the summary exists, and until it is archived. */
  summaryAfter?: number;
  archivedAfter?: number;
  headSeq?: number;
  omitted?: Context["omitted"];
  used?: number;
  job?: null;
  refuse?: boolean;
}

/** A service with the faults that the test sets for each session. */
function fakeApi(faults: Record<string, Faults>): { api: Api; polls: Map<string, number> } {
  const polls = new Map<string, number>();
  const unused = (): Promise<never> => Promise.reject(new Error("not called here"));
  const api: Api = {
    url: "",
    ready: unused,
    createSession: unused,
    beginSession: unused,
    switchBranch: unused,
    append: unused,
    messages: unused,
    contextText: unused,
    async summarize(id) {
      if (faults[id]?.refuse === true) throw new ApiProblem(422, "validation_failed", "refused");
      if (faults[id]?.job === null) return { job: null, summary: null };
      const job = { id: "j", kind: "summarize", state: "pending", throughSeq: 8, attempts: 0, createdAt: "" } as const;
      return { job, summary: null };
    },
    async session(id): Promise<SessionState> {
      const poll = (polls.get(id) ?? 0) + 1;
      polls.set(id, poll);
      const { summaryAfter = 1, archivedAfter = 1, headSeq = 10, job } = faults[id] ?? {};
      const hasSummary = poll >= summaryAfter && job !== null;
      return {
        id,
        createdAt: "",
        headSeq,
        lastSeq: headSeq,
        messageTokens: 1,
        messageBytes: 1,
        summary: hasSummary ? { version: 1, throughSeq: 8, tokens: 1, items: 1, createdAt: "" } : null,
        summaryPending: false,
        archived: poll >= archivedAfter,
        status: "active",
        origin: null,
        expiresAt: null,
        metadata: {},
        settings: {},
      };
    },
    async context(id, maxTokens): Promise<Context> {
      const { omitted = [], used = 10 } = faults[id] ?? {};
      return {
        sessionId: id,
        headSeq: 0,
        atSeq: 0,
        summary: null,
        messages: [],
        omitted,
        retrieved: [],
        tokens: { budget: maxTokens, used, summary: 0, messages: 0, retrieved: 0 },
        summaryPending: false,
      };
    },
  };
  return { api, polls };
}

async function finish(faults: Record<string, Faults>, patienceMs = 5_000): Promise<Tally> {
  const tally = new Tally(() => {});
  const sessions = Object.keys(faults).map((session) => ({ session, headSeq: 10, refused: false }));
  await finishSessions(fakeApi(faults).api, tally, sessions, { keepRecentTokens: 1_500, concurrency: 2, patienceMs });
  return tally;
}

describe("finishing a session", () => {
  it("waits for the summary and for the archive, and measures both", async () => {
    const tally = await finish({ a: { summaryAfter: 2, archivedAfter: 4 }, b: {} });
    expect(tally).toMatchObject({ failureCount: 0, finished: 2, contextsChecked: 2, contextsGood: 2 });
    expect(tally.summaryMs).toHaveLength(2);
    expect(tally.archiveMs).toHaveLength(2);
    expect(Math.max(...tally.archiveMs)).toBeGreaterThan(Math.max(...tally.summaryMs));
  });

  it("measures nothing if no summary was due", async () => {
    const tally = await finish({ a: { job: null } });
    expect(tally).toMatchObject({ failureCount: 0, withoutSummary: 1, summaryMs: [], archiveMs: [] });
  });

  it("fails if the summary is not made in time", async () => {
    const tally = await finish({ a: { summaryAfter: Infinity } }, 50);
    expect(tally.failures).toEqual([{ place: "session a", reason: expect.stringContaining("has no summary") }]);
  });

  it("waits once and not once for each session if the archive is down", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `s${index}`);
    const startedAt = performance.now();
    const tally = await finish(Object.fromEntries(names.map((name) => [name, { archivedAfter: Infinity }])), 200);
    expect(tally.failureCount).toBe(20);
    expect(tally.failures[0]?.reason).toContain("is not archived");
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });

  it("fails if messages are missing, or if the context is incomplete", async () => {
    const tally = await finish({
      lost: { headSeq: 9 },
      gap: { omitted: [{ fromSeq: 1, throughSeq: 3, reason: "budget" }] },
      large: { used: 4_001 },
      refused: { refuse: true },
    });
    expect(tally.failures.map(({ place, reason }) => `${place}: ${reason}`).toSorted()).toEqual([
      "session gap: its context leaves out 3 messages",
      "session large: its context takes 4001 tokens of 4000",
      "session lost: holds 9 messages, but 10 were acknowledged",
      "session refused: refused",
    ]);
    expect(tally.contextsGood).toBe(1);
  });

  it("skips sessions that got nothing in this run", async () => {
    const { api, polls } = fakeApi({});
    await finishSessions(api, new Tally(() => {}), [{ session: "a", headSeq: 0, refused: true }], {
      keepRecentTokens: 0,
      concurrency: 1,
      patienceMs: 1,
    });
    expect(polls.size).toBe(0);
  });
});
