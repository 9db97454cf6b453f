import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { COMPONENTS, type Readiness, readinessSchema } from "../../src/api/health.ts";
import { createOperationsClient } from "../../src/control/client.ts";
import { createLateWorkClient, type LateWork } from "../../src/control/late-work-client.ts";
import { createLog } from "../../src/telemetry/log.ts";
import {
  chatOf,
  freshRef,
  pendingJobs,
  runDurableObjectAlarm,
  runInDurableObject,
  scheduleSummary,
  sessionAt,
  stubAt,
  until,
  unwrap,
} from "../support/session.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";

const operations = createOperationsClient(env.OPERATIONS);
const operationsObject = () => env.OPERATIONS.getByName("operations");
const read = async (key?: string): Promise<Readiness> => {
  const headers: Record<string, string> = key === undefined ? {} : { Authorization: `Bearer ${key}` };
  const response = await exports.default.fetch(new Request("https://threadkeep.example/readyz", { headers }));
  const readiness = readinessSchema.parse(await response.json());
  expect(response.status).toBe(readiness.status === "down" ? 503 : 200);
  return readiness;
};

describe("GET /readyz", () => {
  it("checks every part of the running service", async () => {
    // On a busy machine a part may be too slow once.
    await until("all parts are well", async () => {
      const { components } = await read(TEST_WORKER_BINDINGS.THREADKEEP_ADMIN_KEY);
      expect(Object.keys(components)).toEqual([...COMPONENTS]);
      const { sessions, operations: registry, postgres, summarizer, queues } = components;
      if ([sessions, registry, postgres, summarizer].some((part) => part?.status !== "ok")) return false;
      expect(queues?.measures).toEqual({ messages: expect.any(Number), oldestSeconds: expect.any(Number) });
      return true;
    });
  });

  it.each([
    ["no key", undefined],
    ["a tenant's key", TEST_WORKER_BINDINGS.THREADKEEP_API_KEY],
    ["a key that nobody knows", "tk_nobody_knows_this_key_at_all"],
  ])("shows whoever has %s only the status of each part", async (_, key) => {
    const { components } = await read(key);
    expect(Object.keys(components)).toEqual([...COMPONENTS]);
    for (const part of Object.values(components)) expect(Object.keys(part)).toEqual(["status"]);
  });
});

describe("work that is late", () => {
  const known = (jobId: string): Promise<boolean> =>
    runInDurableObject(
      operationsObject(),
      (_, state) => state.storage.sql.exec("SELECT 1 FROM late_work WHERE job_id = ?", jobId).toArray().length > 0,
    );

  it("is reported when its session sends it for the third time, and is settled when it is done", async () => {
    const ref = await chatOf(10);
    const { jobId } = await scheduleSummary(ref);
    // The consumer that had the lease is gone for good, and no pending job of another test is older.
    const longAgo = Date.now() - 1_000_000_000;
    const sendAgain = async (leaseUntil: number): Promise<void> => {
      await runInDurableObject(stubAt(ref), async (_, state) => {
        state.storage.sql.exec(
          "UPDATE jobs SET sends = 2, next_send_at = 0, created_at = ?, lease = 'lost', lease_until = ? WHERE id = ?",
          longAgo,
          leaseUntil,
          jobId,
        );
        await state.storage.setAlarm(Date.now() + 3_600_000);
      });
      await runDurableObjectAlarm(stubAt(ref));
    };
    await sendAgain(Date.now() + 3_600_000);
    expect(await known(jobId)).toBe(true);
    expect((await operations.readHealth()).oldestScheduledAt).toBe(longAgo);

    await sendAgain(0);
    await until("it is late no more", async () => !(await known(jobId)));
    expect((await pendingJobs(ref)).some((job) => job["id"] === jobId)).toBe(false);
    expect(unwrap(await sessionAt(ref).state()).summary).toMatchObject({ version: 1 });
  });

  it("includes the erasure of a user that was sent repeatedly without success, until it is done", async () => {
    const user = { tenant: "test", owner: crypto.randomUUID() };
    const directory = env.DIRECTORY.getByName(`test/${user.owner}`);
    // A creation grant delays the erasure for a moment.
    unwrap(await directory.register({ ...user, session: "chat" }, Date.now(), {}));
    await directory.beginErasure(user);
    await until("its session is wiped", () =>
      runInDurableObject(
        directory,
        (_, { storage }) => storage.sql.exec("SELECT 1 FROM sessions WHERE erasing = 1").toArray().length > 0,
      ),
    );
    const longAgo = Date.now() - 3_600_000;
    const sendAgain = (unanswered: number): Promise<string> =>
      runInDurableObject(directory, async (object, { storage }) => {
        const change = `json_set(row, '$.startedAt', ${longAgo}, '$.nextSendAt', 0, '$.unanswered', ${unanswered})`;
        storage.sql.exec(`UPDATE erasure SET row = ${change}`);
        await object.alarm();
        return String(JSON.parse(storage.sql.exec<{ row: string }>("SELECT row FROM erasure").one().row).jobId);
      });
    expect(await known(await sendAgain(1))).toBe(false);
    const jobId = await sendAgain(2);
    expect(await known(jobId)).toBe(true);
    await runInDurableObject(directory, (_, { storage }) => storage.sql.exec("UPDATE sessions SET granted_at = 0"));
    await sendAgain(2);
    await until("it is late no more", async () => !(await known(jobId)));
    expect(await directory.readErasure()).toMatchObject({ state: "erased" });
  });

  it("is as old as the oldest known job", async () => {
    const now = Date.now();
    const [old, older] = [crypto.randomUUID(), crypto.randomUUID()];
    await operationsObject().noteLate({ jobId: old, kind: "archive", scheduledAt: now - 500_000 });
    await operationsObject().noteLate({ jobId: older, kind: "archive", scheduledAt: now - 900_000_000_000 });
    expect((await operations.readHealth()).oldestScheduledAt).toBe(now - 900_000_000_000);
    await operations.settleLate(older);
    expect((await operations.readHealth()).oldestScheduledAt).toBeLessThanOrEqual(now - 500_000);
    await operations.clear(old);
    expect(await known(old)).toBe(false);
  });

  it("is forgotten when its session stops reporting it", async () => {
    const jobId = crypto.randomUUID();
    const scheduledAt = Date.now() - 800_000_000_000;
    await operationsObject().noteLate({ jobId, kind: "archive", scheduledAt });
    await runInDurableObject(operationsObject(), (_, state) => {
      state.storage.sql.exec("UPDATE late_work SET noted_at = noted_at - 900000 WHERE job_id = ?", jobId);
    });
    expect((await operations.readHealth()).oldestScheduledAt).not.toBe(scheduledAt);
    await operationsObject().noteLate({ jobId: freshRef().session, kind: "archive", scheduledAt: Date.now() });
    expect(await known(jobId)).toBe(false);
  });

  it("is reported once in ten seconds by an isolate, unless it is older than everything reported before", async () => {
    const told: LateWork[] = [];
    const namespace = { getByName: () => ({ noteLate: async (work: LateWork) => void told.push(work) }) };
    const clock = { now: 0 };
    const client = createLateWorkClient(createLog({ write: () => undefined }), () => clock.now);
    const isTold = async (jobId: string, scheduledAt: number): Promise<boolean> => {
      const before = told.length;
      await client.note(namespace, { jobId, kind: "summarize", scheduledAt });
      return told.length > before;
    };
    expect(await isTold("first", 100)).toBe(true);
    expect(await isTold("younger", 200)).toBe(false);
    expect(await isTold("older", 50)).toBe(true);
    clock.now = 10_000;
    expect(await isTold("younger", 200)).toBe(true);
    expect(told.map(({ jobId }) => jobId)).toEqual(["first", "older", "younger"]);
  });

  it("continues even if it cannot be reported", async () => {
    const lines: string[] = [];
    const client = createLateWorkClient(createLog({ write: (_, line) => lines.push(line) }));
    const away = { getByName: () => ({ noteLate: () => Promise.reject(new Error("away")) }) };
    await client.note(away, { jobId: "late", kind: "summarize", scheduledAt: 0 });
    await client.note(away, null);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("operations_unreachable");
  });
});
