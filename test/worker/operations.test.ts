import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { OperationRun } from "../../src/api/operation-run.ts";
import { runOperation } from "../../src/maintenance/run-operation.ts";
import { Tables } from "../../src/session/sqlite/tables.ts";
import {
  evictDurableObject,
  pendingJobs,
  runInDurableObject,
  sessionAt,
  type SessionRef,
  stubAt,
  turn,
  unwrap,
} from "../support/session.ts";
import { listedSession, payloadOf, runDeps, stepsOf } from "../support/worker-operations.ts";

type TestRunDeps = ReturnType<typeof runDeps>;

const freshTenant = (): string => `ops-${crypto.randomUUID()}`;

async function run(request: Record<string, unknown>, parts = runDeps()): Promise<OperationRun> {
  const id = crypto.randomUUID();
  await runOperation(payloadOf(request), id, stepsOf(), parts);
  const ended = await parts.operations.runs.read(id);
  if (ended === null) throw new Error("the run is not known");
  return ended;
}

const pendingKinds = async (ref: SessionRef): Promise<unknown[]> => (await pendingJobs(ref)).map(({ kind }) => kind);

/** Prevents pending work from being done, so that the test can look at it. */
function withSummarizationPaused(ref: SessionRef): Promise<unknown> {
  return runDeps().tenants.update(ref.tenant, { summarization: "paused" });
}

describe("summarize", () => {
  it("schedules a summary for sessions that are behind by their own settings, and leaves the others alone", async () => {
    const tenant = freshTenant();
    const [lagging, short] = await Promise.all([
      listedSession({ tenant, owner: "ada", session: "lagging" }),
      listedSession({ tenant, owner: "ada", session: "short" }),
    ]);
    await withSummarizationPaused(lagging);
    unwrap(
      await sessionAt(lagging).append({ messages: Array.from({ length: 60 }, (_, at) => turn(at + 10, 80)) }, null),
    );
    // As after a change of settings that it was not told of: enough was said, and nothing is pending.
    await runInDurableObject(stubAt(lagging), (_, state) => {
      new Tables(state.storage.sql).group("jobs").exec("DELETE FROM jobs");
      state.storage.sql.exec(
        "UPDATE session SET settings = ?",
        JSON.stringify({ summarizeAfterTokens: 2_000, keepRecentTokens: 500 }),
      );
    });
    await evictDurableObject(stubAt(lagging));
    expect(await run({ op: "summarize", tenant })).toMatchObject({ report: { counts: { scheduled: 1, nothing: 1 } } });
    expect(await pendingKinds(lagging)).toEqual(["summarize"]);
    expect(await pendingKinds(short)).toEqual([]);
  });
});

describe("expire", () => {
  it("applies the tenant's settings to an idle session, which expires if they say so", async () => {
    const tenant = freshTenant();
    const ref = await listedSession({ tenant, owner: "ada", session: "silent" });
    await runInDurableObject(stubAt(ref), (_, state) => {
      state.storage.sql.exec("UPDATE messages SET created_at = created_at - ? WHERE seq > 0", 3 * 86_400_000);
      state.storage.sql.exec(
        "UPDATE session SET created_at = created_at - ?, began_at = began_at - ?",
        3 * 86_400_000,
        3 * 86_400_000,
      );
    });
    expect(await run({ op: "expire", tenant })).toMatchObject({ report: { counts: { nothing: 1 } } });
    const parts = runDeps();
    await parts.tenants.update(tenant, { settings: { expireAfterIdleSeconds: 86_400 } });
    expect(await run({ op: "expire", tenant, dryRun: true }, parts)).toMatchObject({
      report: { counts: { scheduled: 1 } },
    });
    expect(await pendingKinds(ref)).toEqual([]);
    expect(await run({ op: "expire", tenant }, parts)).toMatchObject({ report: { counts: { scheduled: 1 } } });
    expect(await pendingKinds(ref)).toContain("expire");
  });
});

describe("reindex", () => {
  it("rebuilds the index, with which the same is found; a session that was never searched gets none", async () => {
    const tenant = freshTenant();
    const ref = await listedSession({ tenant, owner: "-", session: "searched" }, 30);
    await listedSession({ tenant, owner: "-", session: "never" });
    const search = async () => unwrap(await sessionAt(ref).search({ query: "invoice 1007", limit: 5 }));
    const before = await search();
    // A lost term, as in a damaged index.
    await runInDurableObject(stubAt(ref), (_, state) => {
      state.storage.sql.exec("UPDATE search_texts SET terms = '' WHERE seq = 7");
      state.storage.sql.exec("INSERT INTO search_index (search_index) VALUES ('delete-all')");
    });
    await evictDurableObject(stubAt(ref));
    expect((await search()).data).not.toEqual(before.data);
    expect(await run({ op: "reindex", tenant })).toMatchObject({
      report: { counts: { reindexed: 1, unindexed: 1 } },
    });
    expect((await search()).data).toEqual(before.data);
  });
});

describe("retry", () => {
  /** Jobs that no session knows, as after a restore. */
  async function reportJobs(tenant: string, jobs: readonly { owner: string; kind: string }[]): Promise<TestRunDeps> {
    const parts = runDeps();
    const at = new Date().toISOString();
    for (const { owner, kind } of jobs) {
      await parts.operations.report({
        jobId: `${owner} ${kind} of ${tenant}`,
        kind,
        tenant,
        owner,
        session: "a",
        state: "retrying",
        reason: "test",
        attempts: 3,
        firstError: "test",
        firstFailedAt: at,
        lastError: "test",
        lastFailedAt: at,
      });
    }
    return parts;
  }

  /** Stand-ins for the sessions of the jobs. */
  function answering(parts: TestRunDeps, answer: (jobId: string) => Promise<boolean>): TestRunDeps {
    return { ...parts, sessions: { get: (ref) => ({ ...sessionAt(ref), retryJob: answer }) } };
  }

  it("sends again what the filter selects, and nothing else", async () => {
    const tenant = freshTenant();
    const parts = await reportJobs(tenant, [
      { owner: "ada", kind: "summarize" },
      { owner: "ada", kind: "archive" },
      { owner: "bob", kind: "summarize" },
    ]);
    const retried: string[] = [];
    const listening = answering(parts, async (jobId) => {
      retried.push(jobId.replace(` of ${tenant}`, ""));
      return true;
    });
    expect(await run({ op: "retry", tenant, dryRun: true }, listening)).toMatchObject({ progress: { done: 3 } });
    expect(retried).toEqual([]);
    await run({ op: "retry", tenant, user: "ada", kind: "summarize" }, listening);
    expect(retried.splice(0)).toEqual(["ada summarize"]);
    await run({ op: "retry", tenant, sliceSize: 1 }, listening);
    expect(retried.toSorted()).toEqual(["ada archive", "bob summarize"]);
    expect(await parts.operations.list(10, null, { tenant })).toEqual([]);
  });

  it("says which job could not be sent, and continues with the others", async () => {
    const tenant = freshTenant();
    const parts = await reportJobs(tenant, [
      { owner: "ada", kind: "fork" },
      { owner: "bob", kind: "fork" },
    ]);
    const listening = answering(parts, async (jobId) => {
      if (jobId.startsWith("ada")) throw Object.assign(new Error("restarting"), { retryable: true });
      return true;
    });
    expect(await run({ op: "retry", tenant }, listening)).toMatchObject({
      progress: { done: 2, failed: 1 },
      report: {
        counts: { failed: 1, retried: 1 },
        failures: [{ tenant, user: "ada", session: "a", reason: "unavailable" }],
      },
    });
    expect(await parts.operations.list(10, null, { tenant })).toMatchObject([{ owner: "ada" }]);
  });
});

describe("export-user", () => {
  it("counts what exists and says where to fetch it", async () => {
    const tenant = freshTenant();
    for (const session of ["a", "b"]) await listedSession({ tenant, owner: "ada", session });
    const ended = await run({ op: "export-user", tenant, user: "ada" });
    expect(ended.report.counts).toEqual({ whole: 2 });
    expect(ended.report.notes.join("\n")).toContain("GET /v1/users/{userId}");
  });
});

describe("erase-user", () => {
  it("starts the erasure, waits for its end, and is audited like a request", async () => {
    const user = { tenant: freshTenant(), owner: "ada" };
    const parts = runDeps();
    const looks = [5, 2, 0];
    const erasure = { userId: "ada", sessions: 5, startedAt: new Date().toISOString() };
    const users: typeof parts.users = {
      ...parts.users,
      erase: async () => ({ ...erasure, state: "erasing", erased: 0 }),
      readErasure: async () => {
        const left = looks.shift() ?? 0;
        return { ...erasure, state: left === 0 ? "erased" : "erasing", erased: 5 - left };
      },
    };
    const ended = await run({ op: "erase-user", tenant: user.tenant, user: user.owner }, { ...parts, users });
    expect(ended).toMatchObject({
      status: "complete",
      progress: { total: 5, done: 5 },
      report: { counts: { erased: 5 } },
    });
    expect(looks).toEqual([]);
    expect(parts.audit).toMatchObject({
      recorded: [
        { action: "startOperation", ...user, actor: { kind: "admin", id: "operations" } },
        { action: "eraseUser", ...user, actor: { kind: "admin", id: "operations" } },
      ],
    });
  });

  it("is not shown with the user's name once the user is erased, and neither are the user's sessions in other reports", async () => {
    const { operations } = runDeps();
    const tenant = freshTenant();
    const [about, other] = [crypto.randomUUID(), crypto.randomUUID()];
    const owner = `ada-${crypto.randomUUID()}`;
    const asked = { tenant, dryRun: false, sliceSize: 500 } as const;
    await operations.runs.begin(about, { ...asked, op: "erase-user", user: owner }, "running");
    await operations.runs.begin(other, { ...asked, op: "reindex" }, "running");
    const named = [owner, "bob"].map((user) => ({ tenant, user, session: "a", reason: "unavailable" }));
    const progress = { done: 2, failed: 2, total: null };
    await operations.runs.progress(other, {
      progress,
      report: { counts: {}, failures: named, findings: named, notes: [] },
    });
    await operations.clearUser({ tenant, owner });
    expect(await operations.runs.read(about)).not.toHaveProperty("user");
    expect(await operations.runs.read(other)).toMatchObject({
      report: { failures: [{ user: "bob" }], findings: [{ user: "bob" }] },
    });
    const stored = await runInDurableObject(env.OPERATIONS.getByName("operations"), (_, state) =>
      JSON.stringify(state.storage.sql.exec("SELECT * FROM operation_runs").toArray()),
    );
    expect(stored).not.toContain(owner);
  });
});

describe("the list of owners", () => {
  it("has each user once, and none who was erased", async () => {
    const tenant = freshTenant();
    const { owners } = runDeps();
    for (const session of ["a", "b"]) await listedSession({ tenant, owner: "yuri", session });
    await listedSession({ tenant, owner: "bob", session: "a" });
    const names = async (): Promise<string[]> =>
      (await owners.list(tenant, 0, 500)).map(({ owner }) => owner).toSorted();
    expect(await names()).toEqual(["bob", "yuri"]);
    await runInDurableObject(env.DIRECTORY.getByName(`${tenant}/yuri`), async (directory, state) => {
      await directory.beginErasure({ tenant, owner: "yuri" });
      const { row } = state.storage.sql.exec<{ row: string }>("SELECT row FROM erasure").one();
      const { jobId } = JSON.parse(row);
      await state.storage.deleteAlarm();
      await directory.concludeErasure(jobId, { archive: 0, failedJobs: 0 });
      await state.storage.deleteAlarm();
    });
    expect(await names()).toEqual(["bob"]);
    const stored = await runInDurableObject(env.OWNERS.getByName(tenant), (_, state) =>
      JSON.stringify(state.storage.sql.exec("SELECT * FROM owners").toArray()),
    );
    // A name that random hexadecimal digits cannot form.
    expect(stored).not.toContain("yuri");
  });

  it("is complete after a second registration if the first one, which created the table, was rolled back", async () => {
    const tenant = freshTenant();
    await runInDurableObject(env.OWNERS.getByName(tenant), async (list, { storage }) => {
      const transactionSync = storage.transactionSync.bind(storage);
      const failing = vi.spyOn(storage, "transactionSync").mockImplementationOnce((body) =>
        transactionSync(() => {
          body();
          throw new Error("the disk is full");
        }),
      );
      await expect(list.note(tenant, "ada", "first")).rejects.toThrow("the disk is full");
      failing.mockRestore();
      expect(await list.list(0, 10)).toEqual([]);
      await list.note(tenant, "ada", "second");
      expect(await list.list(0, 10)).toMatchObject([{ owner: "ada" }]);
    });
  });

  it("that refuses a user is asked again later, until it accepts", async () => {
    const tenant = freshTenant();
    const { directory, owners } = runDeps();
    const list = env.OWNERS.getByName(tenant);
    // A table that accepts no owner, whether the object stays in memory or not.
    await runInDurableObject(list, (_, state) => void state.storage.sql.exec("CREATE TABLE owners (one INTEGER)"));
    await evictDurableObject(list);
    await directory.register({ tenant, owner: "ada", session: "a" }, Date.now(), {});
    const stub = env.DIRECTORY.getByName(`${tenant}/ada`);
    await runInDurableObject(stub, async (one, state) => {
      await one.alarm();
      expect(state.storage.sql.exec("SELECT noted_at FROM owner_note").one()).toEqual({ noted_at: null });
      expect(await state.storage.getAlarm()).toBeGreaterThan(Date.now());
    });
    await runInDurableObject(list, (_, state) => void state.storage.sql.exec("DROP TABLE owners"));
    await evictDurableObject(list);
    await runInDurableObject(stub, (one) => one.alarm());
    expect(await owners.list(tenant, 0, 10)).toMatchObject([{ owner: "ada" }]);
  });
});
