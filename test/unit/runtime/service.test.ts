import { describe, expect, it } from "vitest";
import type { NearItems, QueryMeaning } from "../../../src/api/embedding.ts";
import type { Failure } from "../../../src/api/job.ts";
import { MAX_IMPORT_LINE_BYTES } from "../../../src/api/limits.ts";
import type { Item } from "../../../src/api/summary.ts";
import { DEFAULT_RANKING } from "../../../src/prompt/retrieval/parameters.ts";
import { readAudit } from "../../../src/usecases/audit.ts";
import { dropFailure } from "../../../src/usecases/jobs.ts";
import { decodeLines } from "../../../src/usecases/json-lines.ts";
import { searchMemory } from "../../../src/usecases/memory-search.ts";
import { appendMessages } from "../../../src/usecases/messages.ts";
import { startOperation } from "../../../src/usecases/operation-runs.ts";
import { createReadiness } from "../../../src/usecases/readiness.ts";
import { askOfUser } from "../../../src/usecases/request-context.ts";
import { readStats } from "../../../src/usecases/stats.ts";
import { createTenant } from "../../../src/usecases/tenants.ts";
import { eraseUser, readUserErasure } from "../../../src/usecases/users.ts";
import { itemOf, NOON } from "./node-session.ts";
import { callWith, standIn, thrownBy } from "./stand-in.ts";

const admin = { kind: "admin", id: "admin", scopes: ["admin", "ops"] } as const;
const fault = (code: string) => expect.objectContaining({ fault: expect.objectContaining({ code }) });

describe("the audit", () => {
  const empty = { withDatabase: async () => [] };
  const nothing = { data: [], hasMore: false, nextCursor: null };

  it("of another tenant is read by an operator alone", async () => {
    const ops = callWith(empty, { scopes: ["ops"] });
    expect(await thrownBy(() => readAudit(ops, { limit: 5, tenant: "other" }))).toEqual(fault("forbidden"));
    expect(await readAudit(ops, { limit: 5, tenant: "acme" })).toEqual(nothing);
    expect(await readAudit(ops, { limit: 5 })).toEqual(nothing);
    expect(await readAudit(callWith(empty, admin), { limit: 5, tenant: "other" })).toEqual(nothing);
  });

  it("is not searched for a span without any time in it", async () => {
    const ask = (from: number, to: number) => () =>
      readAudit(callWith(empty, admin), {
        limit: 5,
        from: new Date(from).toISOString(),
        to: new Date(to).toISOString(),
      });
    expect(await thrownBy(ask(NOON, NOON))).toEqual(fault("validation_failed"));
    expect(await thrownBy(ask(NOON + 1, NOON))).toEqual(fault("validation_failed"));
    expect(await thrownBy(ask(NOON, NOON + 1))).toBeNull();
  });
});

describe("the bounds of a user", () => {
  const ticket = { id: "t", epoch: "l", expiresAt: NOON };

  it.each([
    ["a user", { kind: "user", owner: "ada" }, true],
    ["whoever has a ticket for a user's session", { owner: "ada", ticket }, true],
    ["whoever has a ticket for a session of the tenant alone", { owner: "-", ticket }, false],
    ["a user's token without a user", { kind: "user", owner: "-" }, false],
    ["a back end", { owner: "ada" }, false],
  ] as const)("hold for %s, or not", (_, principal, isBound) => {
    expect(askOfUser(callWith({}, principal), undefined) !== undefined).toBe(isBound);
  });
});

describe("a failed job that is dropped", () => {
  const failure: Failure = {
    jobId: "j",
    kind: "archive",
    tenant: "acme",
    owner: "ada",
    session: "chat",
    state: "retrying",
    reason: "away",
    attempts: 3,
    firstError: "first",
    firstFailedAt: new Date(NOON).toISOString(),
    lastError: "last",
    lastFailedAt: new Date(NOON).toISOString(),
  };

  it.each([
    ["retrying", true, "dropped", ["j"]],
    ["retrying", false, "gone", ["j"]],
    // There is no job that a session could give up: the entry goes alone.
    ["unknown", false, "dropped", []],
    ["set-aside", false, "dropped", []],
  ] as const)("and is %s, its session giving it up: %s, is %s", async (state, isPending, outcome, asked) => {
    const [given, settled]: [string[], string[]] = [[], []];
    const parts = {
      operations: {
        find: async () => ({ ...failure, state }),
        settle: async (those: Failure[]) => void settled.push(...those.map(({ jobId }) => jobId)),
      },
      sessions: {
        get: () => ({
          dropJob: async (jobId: string) => {
            given.push(jobId);
            return { ok: true, value: isPending };
          },
        }),
      },
    };
    expect((await dropFailure(callWith(parts, admin), "j", "why")).outcome).toBe(outcome);
    expect([given, settled]).toEqual([asked, ["j"]]);
  });
});

describe("a line of a file", () => {
  async function linesOf(...pieces: Uint8Array[]): Promise<number[]> {
    const lengths: number[] = [];
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const piece = pieces.shift();
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
    });
    for await (const line of decodeLines(body)) lengths.push(line.length);
    return lengths;
  }
  const piece = (bytes: number, end = ""): Uint8Array => new TextEncoder().encode("a".repeat(bytes) + end);
  const half = MAX_IMPORT_LINE_BYTES / 2;

  it("is as long as a line of an export can be, and refused at the byte that is more, however it comes", async () => {
    expect(await linesOf(piece(half), piece(half, "\nb"))).toEqual([MAX_IMPORT_LINE_BYTES, 1]);
    expect(await thrownBy(() => linesOf(piece(half), piece(half), piece(1)))).toEqual(fault("body_too_large"));
    expect(await thrownBy(() => linesOf(piece(3, "\n"), piece(2 * half + 1, "\n")))).toEqual(fault("body_too_large"));
  });
});

describe("a memory that the archive finds", () => {
  const item: Item = itemOf("1.1", { text: "Ada likes tea" });
  const found = (held: object | null) => ({
    withDatabase: async () => [{ session: "chat", epoch: "epoch", item, score: 1, madeAt: NOON }],
    sessions: {
      get: () => ({
        summaries: async () =>
          held === null
            ? { ok: false, fault: { code: "session_expired", detail: "" } }
            : { ok: true, value: { data: [{ items: [held] }] } },
      }),
    },
  });

  it.each([
    ["as it was found", item, true],
    ["with another status", { ...item, status: "superseded" }, false],
    ["in other words", { ...item, text: "Ada likes coffee" }, false],
    ["as another kind", { ...item, kind: "task" }, false],
    ["of other messages", { ...item, sourceSeqs: [2] }, false],
    ["of another session", { ...item, sourceSession: "other" }, false],
    ["under another id", { ...item, id: "1.2" }, false],
    ["no more, since it expired", null, true],
  ])("is told if its session holds it %s, or not", async (_, held, isTold) => {
    const { data } = await searchMemory(callWith(found(held)), { query: "tea", status: "any" });
    expect(data.map((hit) => hit.item)).toEqual(isTold ? [item] : []);
  });

  it("is told with the words of now if its session finds it by meaning, and says why meaning was not used", async () => {
    const now = { ...item, text: "Ada likes coffee" };
    const search = async (asked: QueryMeaning, near: NearItems) => {
      // The hits for words, and the newest sessions.
      const archived = [[{ session: "chat", item, score: 5, madeAt: NOON }], ["chat"]];
      const parts = {
        withDatabase: async () => archived.shift(),
        meaningOf: async () => asked,
        sessions: {
          get: () => ({
            nearItems: async () => ({ ok: true, value: near }),
            summaries: async () => ({ ok: true, value: { data: [{ items: [now] }] } }),
          }),
        },
      };
      return searchMemory(callWith(parts), { query: "tea" });
    };
    const vector = { model: "m", vector: new Float32Array([1]) };
    const near = [{ item: now, nearness: 0.5, madeAt: NOON }];
    const { data, retrieval } = await search(vector, { use: "used", items: near });
    expect(data.map((hit) => hit.item.text)).toEqual(["Ada likes coffee"]);
    // Only the meaning counts: the archive found other words.
    expect(data[0]?.score).toBeCloseTo(5 * DEFAULT_RANKING.meaning);
    expect(retrieval).toEqual({ by: "words-and-meaning" });
    const without = async (asked: QueryMeaning, use: NearItems["use"]) =>
      (await search(asked, { use, items: [] })).retrieval?.because;
    expect(await without({ without: "late" }, "used")).toBe("late");
    expect(await without(vector, "none-yet")).toBe("none-yet");
    expect(await without(vector, "other-model")).toBe("other-model");
  });
});

describe("messages under one idempotency key", () => {
  it("have an id each, by their places, and keep their own", async () => {
    const ids: unknown[] = [];
    const parts = {
      sessions: {
        get: () => ({
          append: async ({ messages }: { messages: { id?: string }[] }) => {
            ids.push(...messages.map(({ id }) => id));
            return { ok: true, value: { messages: [] } };
          },
        }),
      },
    };
    const said = { role: "user", content: "hello" } as const;
    await appendMessages(callWith(parts), "s", { messages: [said, { ...said, id: "mine" }, said] }, "key");
    expect(ids).toEqual(["key:0", "mine", "key:2"]);
  });
});

describe("a run that is asked for again under its id", () => {
  const request = { op: "verify", tenant: "acme", dryRun: true, sliceSize: 10 } as const;
  const parts = {
    operations: { runs: { begin: async () => ({ created: false, run: { id: "a", status: "running", ...request } }) } },
  };

  it.each([
    [{}, true],
    [{ sliceSize: 20 }, true],
    [{ dryRun: false }, false],
    [{ op: "reindex" }, false],
    [{ tenant: "other" }, false],
    [{ user: "ada" }, false],
    [{ session: "chat" }, false],
  ] as const)("with %j is the same, or another", async (change, isSame) => {
    const thrown = await thrownBy(() => startOperation(callWith(parts, admin), { id: "a", ...request, ...change }));
    expect(thrown).toEqual(isSame ? null : fault("operation_exists"));
  });
});

describe("the health that is told", () => {
  it("is looked at anew while it is down, and kept for seconds while it is not", async () => {
    const states = ["down", "up", "down"];
    let looks = 0;
    const check = createReadiness({
      parts: standIn({
        sessions: {
          get: () => ({
            state: async () => {
              const state = states[looks] ?? "down";
              looks += 1;
              if (state === "down") throw new Error("away");
            },
          }),
        },
        operations: { readHealth: async () => ({ failedJobs: 0, tenantsOverBudget: 0, oldestScheduledAt: null }) },
        pingArchive: async () => undefined,
      }),
      queues: {},
      pingSummarizer: async () => undefined,
      isSummarizerResting: () => false,
      isAdmin: async () => false,
      keepAlive: () => undefined,
    });
    const told: string[] = [];
    for (let at = 0; at < 3; at += 1) {
      told.push((await check.answer(new Request("http://a.test/readyz"), null)).components["sessions"]?.status ?? "");
    }
    expect([told, looks]).toEqual([["down", "ok", "ok"], 2]);
  });
});

describe("how things stand", () => {
  it("is told to a tenant's key of the tenant alone", async () => {
    const asked: unknown[] = [];
    const operations = {
      stats: async (tenant: string | null) => {
        asked.push(tenant);
        return { failed: [], oldestFailedAt: null, tenants: 7, runs: [] };
      },
    };
    expect((await readStats(callWith({ operations }, { scopes: ["ops"] }))).tenants).toBeNull();
    expect((await readStats(callWith({ operations }, admin))).tenants).toBe(7);
    expect(asked).toEqual(["acme", null]);
  });
});

describe("a tenant that is created in a jurisdiction", () => {
  const made = { record: { createdAt: null, settings: {} }, created: true };
  const parts = (createdAt: string | null, sessions: number) => ({
    tenants: { readRecord: async () => ({ createdAt, jurisdiction: null }), create: async () => made },
    directory: {
      list: async () => ({ data: Array.from({ length: sessions }, () => ({})), hasMore: false, next: null }),
    },
    operations: { noteTenant: async () => undefined },
  });

  it.each([
    ["is new", parts(null, 0), "other", "eu", true],
    ["has sessions elsewhere", parts(null, 1), "other", "eu", false],
    ["is that of the deployment's keys", parts(null, 0), "acme", "eu", false],
    ["was created before", parts("2026-11-22", 1), "other", "eu", true],
    ["has sessions, and asks for no place", parts(null, 1), "other", null, true],
  ] as const)("and %s is made, or refused", async (_, given, tenant, jurisdiction, isMade) => {
    const thrown = await thrownBy(() => createTenant(callWith(given, admin), { tenant, jurisdiction }));
    expect(thrown).toEqual(isMade ? null : fault("tenant_exists"));
  });
});

describe("a user is erased", () => {
  it.each([
    ["-", "ada", true],
    ["ada", "ada", true],
    ["bob", "ada", false],
  ])("by whoever speaks for %s: %s, or not", async (owner, user, isErased) => {
    const users = { erase: async () => ({ state: "erasing" }), readErasure: async () => ({ state: "erasing" }) };
    const call = callWith({ users }, { owner });
    expect(await thrownBy(() => eraseUser(call, user))).toEqual(isErased ? null : fault("user_not_found"));
    expect(await thrownBy(() => readUserErasure(call, user))).toEqual(isErased ? null : fault("erasure_not_found"));
  });
});
