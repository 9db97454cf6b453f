import { describe, expect, it, vi } from "vitest";
import { TENANT_SHARDS } from "../../../src/api/limits.ts";
import type { HeldSummary } from "../../../src/archive/held.ts";
import { compareSummary } from "../../../src/maintenance/compare-archive.ts";
import { eachSession } from "../../../src/maintenance/each-session.ts";
import { enumerateSessions, LISTS_AT_ONCE, MAX_LIST_CALLS } from "../../../src/maintenance/enumerate-sessions.ts";
import { inPasses } from "../../../src/maintenance/in-passes.ts";
import type { MaintenanceDeps, Slice } from "../../../src/maintenance/operation.ts";
import { OPERATIONS } from "../../../src/maintenance/operations.ts";
import { retry } from "../../../src/maintenance/operations/retry.ts";
import { runOperation } from "../../../src/maintenance/run-operation.ts";
import { verifySession } from "../../../src/maintenance/verify-session.ts";
import { verifyUser } from "../../../src/maintenance/verify-user.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { EPOCH, itemOf, NOON } from "./node-session.ts";
import { standIn } from "./stand-in.ts";

// PostgreSQL contains nothing.
vi.mock("../../../src/archive/held.ts", () => ({
  readHeldSession: async () => null,
  readHeldSummary: async () => ({ versions: [], items: [] }),
  readHeldMessages: async () => [],
  listHeldSessions: async () => [],
}));
vi.mock("../../../src/archive/users.ts", () => ({ countUserRows: async () => 0 }));

const log = createLog({ write: () => undefined });
const REQUEST = { op: "verify", dryRun: false, sliceSize: 10 } as const;
const ref = { tenant: "acme", owner: "ada", session: "chat" };

describe("an item in the archive", () => {
  const item = { ...itemOf("1.1"), fromVersion: 1, toVersion: null };
  const version = {
    version: 1,
    throughSeq: 1,
    tokens: 10,
    summarizer: "model",
    degraded: false,
    droppedItems: 0,
    createdAt: NOON,
  };

  it.each([
    ["as it has to be", {}, []],
    ["under another owner", { owner: "bob" }, ["different-archive"]],
    ["under another tenant", { tenant: "other" }, ["different-archive"]],
    ["in other words", { text: "other" }, ["different-archive"]],
    ["with other sources", { sourceSeqs: [2] }, ["stale-source"]],
    ["of another session", { sourceSession: "other" }, ["different-archive"]],
    ["set aside", { setAside: "22P05" }, ["different-archive"]],
  ])("that is there %s is found: %j", (_, change, kinds) => {
    const held = { ...item, ...ref, sourceSession: null, sourceEpoch: null, setAside: null, ...change };
    const archive = standIn<HeldSummary>({ versions: [{ ...version, setAside: null }], items: [held] });
    const page = { versions: [version], items: [item] };
    expect(compareSummary(page, archive, ref).map(({ kind }) => kind)).toEqual(kinds);
  });

  it("that the newest version no longer holds must have left it", () => {
    const page = { versions: [], items: [{ ...item, toVersion: 2 }] };
    const held = { ...item, ...ref, sourceSession: null, sourceEpoch: null, setAside: null };
    expect(compareSummary(page, { versions: [], items: [] }, ref)).toEqual([]);
    expect(compareSummary(page, { versions: [], items: [held] }, ref)).toMatchObject([{ kind: "orphan" }]);
  });
});

describe("an operation on each session", () => {
  it("reports a session that fails twice", async () => {
    let visits = 0;
    const operation = eachSession(async () => {
      visits += 1;
      throw new Error("away");
    });
    const parts = standIn<MaintenanceDeps>({ log });
    const slice = await operation.slice({ ...REQUEST, tenant: "acme", session: "chat" }, null, parts, "run");
    expect(visits).toBe(2);
    expect(slice).toMatchObject({ counts: { failed: 1 }, failed: 1, failures: [{ user: null, session: "chat" }] });
  });

  it("counts a session that succeeds the second time as done", async () => {
    let visits = 0;
    const operation = eachSession(async () => {
      visits += 1;
      if (visits === 1) throw new Error("away");
      return { result: "done" };
    });
    const parts = standIn<MaintenanceDeps>({ log });
    const slice = await operation.slice({ ...REQUEST, tenant: "acme", session: "chat" }, null, parts, "run");
    expect(slice).toMatchObject({ counts: { done: 1 }, failed: 0 });
  });
});

describe("the sessions of an operation", () => {
  /** The lists of a tenant and two of its users, page by page. */
  const lists = standIn<MaintenanceDeps>({
    directory: {
      list: async (
        _tenant: string,
        owner: string,
        { limit, cursor }: { limit: number; cursor: { session: string } | null },
      ) => {
        const all = ["c", "b", "a"].map((id) => `${owner}${id}`);
        const from = cursor === null ? 0 : all.indexOf(cursor.session) + 1;
        const page = all.slice(from, from + limit);
        const last = page.at(-1);
        const isMore = from + limit < all.length && last !== undefined;
        return {
          data: page.map((id) => ({ id })),
          hasMore: isMore,
          next: isMore ? { createdAt: NOON, session: last } : null,
        };
      },
    },
    owners: {
      list: async (_tenant: string, after: number) =>
        [
          { row: 1, owner: "ada" },
          { row: 2, owner: "bob" },
        ].slice(after, after + 1),
    },
    operations: { listTenantNames: async (_limit: number, after: string) => (after === "" ? ["acme"] : []) },
  });
  async function pagesOf(scope: Parameters<typeof enumerateSessions>[0], limit: number): Promise<string[][]> {
    const pages: string[][] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof enumerateSessions>> = await enumerateSessions(scope, cursor, limit, lists);
      pages.push(page.refs.map(({ session }) => session));
      ({ cursor } = page);
    } while (cursor !== null && pages.length < 20);
    return pages;
  }

  it("come in pages of the requested size, across owners", async () => {
    const all = ["-c", "-b", "-a", "adac", "adab", "adaa", "bobc", "bobb", "boba"];
    for (const limit of [2, 4, 5]) {
      const pages = await pagesOf({}, limit);
      expect(pages.flat()).toEqual(all);
      for (const page of pages) expect(page.length).toBeLessThanOrEqual(limit);
    }
    expect((await pagesOf({ tenant: "acme" }, 100)).flat()).toEqual(all);
  });

  it("of thousands of users come with few calls a page, some lists at once, and each session once", async () => {
    const users = Array.from({ length: 2_000 }, (_, at) => ({
      row: at + 1,
      owner: at < 64 && at % 7 === 0 ? "-" : `user-${at}`,
    }));
    const tenants = Array.from({ length: 30 }, (_, at) => `t${String(at).padStart(2, "0")}`);
    // Most users of one tenant have no session, and some have more than their share of a page.
    const countOf = (owner: string): number => Number(owner.split("-")[1] || 0) % 10 && (owner.endsWith("1") ? 90 : 0);
    let [calls, open, mostOpen] = [0, 0, 0];
    const counted = async <T>(cost: number, answer: T): Promise<T> => {
      calls += cost;
      open += 1;
      mostOpen = Math.max(mostOpen, open);
      await Promise.resolve();
      open -= 1;
      return answer;
    };
    const many = standIn<MaintenanceDeps>({
      directory: {
        list: (
          _: string,
          owner: string,
          { limit, cursor }: { limit: number; cursor: { createdAt: number } | null },
        ) => {
          const [from, all] = [cursor?.createdAt ?? 0, countOf(owner)];
          const to = Math.min(all, from + limit);
          const data = Array.from({ length: to - from }, (__, at) => ({ id: `${owner}:${from + at}` }));
          const next = to < all ? { createdAt: to, session: "" } : null;
          return counted(owner === "-" ? TENANT_SHARDS : 1, { data, hasMore: next !== null, next });
        },
      },
      owners: {
        list: (tenant: string, after: number, limit: number) =>
          counted(1, tenant === "t00" ? users.slice(after, after + limit) : []),
      },
      operations: {
        listTenantNames: (limit: number, after: string) =>
          counted(1, tenants.filter((name) => name > after).slice(0, limit)),
      },
    });
    const [found, costs]: [string[], number[]] = [[], []];
    for (let cursor: string | null = null; ;) {
      calls = 0;
      const page: Awaited<ReturnType<typeof enumerateSessions>> = await enumerateSessions({}, cursor, 500, many);
      found.push(...page.refs.map(({ session }) => session));
      expect(page.refs.length).toBeLessThanOrEqual(500);
      costs.push(calls);
      ({ cursor } = page);
      if (cursor === null) break;
    }
    const expected = users.flatMap(({ owner }) => Array.from({ length: countOf(owner) }, (_, at) => `${owner}:${at}`));
    expect(found).toEqual(expected);
    expect(Math.max(...costs)).toBeLessThan(MAX_LIST_CALLS + TENANT_SHARDS + LISTS_AT_ONCE);
    expect(mostOpen).toBe(LISTS_AT_ONCE);
  });

  it("are only those of the named user, or the one named session", async () => {
    expect((await pagesOf({ tenant: "acme", user: "ada" }, 2)).flat()).toEqual(["adac", "adab", "adaa"]);
    expect(await pagesOf({ tenant: "acme", session: "chat" }, 2)).toEqual([["chat"]]);
  });
});

describe("an operation in passes", () => {
  it("ends with the last pass", async () => {
    const pass = (name: string, steps: number) => ({
      slice: async (_request: object, cursor: string | null): Promise<Slice> => {
        const step = Number(cursor ?? 0) + 1;
        return { cursor: step < steps ? String(step) : null, counts: { [name]: 1 } };
      },
    });
    const operation = inPasses(() => [pass("a", 2), pass("b", 1)]);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const slice: Slice = await operation.slice(REQUEST, cursor, standIn<MaintenanceDeps>({}), "run");
      seen.push(...Object.keys(slice.counts), "|");
      ({ cursor } = slice);
    } while (cursor !== null && seen.length < 20);
    expect(seen.join("")).toBe("a|a|b|");
  });
});

describe("a retry of failed jobs", () => {
  it.each([
    [{ tenant: "acme" }, undefined],
    [{ tenant: "acme", session: "chat" }, "-"],
    [{ tenant: "acme", user: "ada", session: "chat" }, "ada"],
    [{ tenant: "acme", user: "ada" }, "ada"],
  ])("of %j is for the owner %s", async (scope, owner) => {
    const asked: (string | undefined)[] = [];
    const list = async (_limit: number, _after: null, { user }: { user?: string }) => {
      asked.push(user);
      return [];
    };
    await retry.slice(
      { ...REQUEST, op: "retry", ...scope },
      null,
      standIn<MaintenanceDeps>({ operations: { list } }),
      "run",
    );
    expect(asked).toEqual([owner]);
  });
});

describe("a run", () => {
  async function run(slices: readonly Partial<Slice>[], pacing: { slicesPerInstance: number; pauseMs: number }) {
    const left = [...slices];
    const sleeps: number[] = [];
    const started: string[] = [];
    vi.spyOn(OPERATIONS.verify, "slice").mockImplementation(async () => ({
      cursor: null,
      counts: {},
      ...left.shift(),
    }));
    const runs = {
      begin: async () => ({ run: { status: "running" }, created: false }),
      read: async () => null,
      progress: async () => "running",
      finish: async () => ({ status: "complete" }),
    };
    const parts = standIn<Parameters<typeof runOperation>[3]>({
      operations: { runs },
      startRun: async (id: string) => void started.push(id),
      log,
      pacing,
    });
    const steps = standIn<Parameters<typeof runOperation>[2]>({
      do: (_name: string, _config: object, body: () => Promise<unknown>) => body(),
      sleep: async (_name: string, ms: number) => void sleeps.push(ms),
    });
    const { status } = await runOperation(REQUEST, "run", steps, parts);
    return { status, sleeps, started, taken: slices.length - left.length };
  }
  const more = { cursor: "more" };

  it("pauses between its steps, and longer if a step asks for it", async () => {
    const slices = [more, { ...more, waitSeconds: 5 }, { ...more, waitSeconds: 0.5 }, {}];
    expect(await run(slices, { slicesPerInstance: 10, pauseMs: 1_000 })).toMatchObject({
      status: "complete",
      sleeps: [1_000, 5_000, 1_000],
    });
  });

  it("continues in another instance after the maximum number of steps", async () => {
    const pacing = { slicesPerInstance: 2, pauseMs: 1 };
    expect(await run([more, more, more, {}], pacing)).toMatchObject({ status: "continued", taken: 2 });
    expect(await run([more, {}], pacing)).toMatchObject({ status: "complete", taken: 2, started: [] });
  });
});

describe("a session that is verified", () => {
  const whole = {
    state: "expired",
    epoch: EPOCH,
    rev: 1,
    archivedRev: 1,
    isArchivePending: false,
    erasedEpochs: [],
    headSeq: 1,
    metadata: {},
    newest: null,
    messageSeq: 0,
    flaws: [],
  };

  it.each([
    ["is as it was", {}, "flawed"],
    ["was written to", { rev: 2 }, "unsettled"],
    ["was archived", { archivedRev: 2 }, "unsettled"],
    ["has a pending archive job", { isArchivePending: true }, "unsettled"],
    ["is of another epoch", { epoch: "later" }, "unsettled"],
    ["was erased", { state: "erased" }, "unsettled"],
  ])("and afterwards %s is %s, if the archive lacks it", async (_, change, result) => {
    const reports = [whole, { ...whole, ...change }];
    const parts = standIn<Parameters<typeof verifySession>[2]>({
      sessions: { get: () => ({ checkIntegrity: async () => reports.shift() }) },
    });
    expect((await verifySession(ref, standIn({}), parts)).result).toBe(result);
  });
});

describe("a user who was erased", () => {
  it.each([
    [{}, null],
    [{ hasAuditKey: true }, "left of the user: 1 key of the audit"],
    [{ entries: 2 }, "left of the user: 2 entries in the list of sessions"],
    [{ hasAuditKey: true, erasure: "erasing" }, null],
  ])("with %j is reported as left: %s", async (change, detail) => {
    const parts = standIn<Parameters<typeof verifyUser>[2]>({
      users: { standing: async () => ({ erasure: "erased", entries: 0, hasAuditKey: false, ...change }) },
      operations: { countOfUser: async () => 0 },
    });
    const found = await verifyUser({ tenant: "acme", owner: "ada" }, standIn({}), parts);
    expect(found.map((finding) => finding.detail)).toEqual(detail === null ? [] : [detail]);
  });
});
