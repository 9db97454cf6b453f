import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { runOperation, type RunEnd } from "../../src/maintenance/run-operation.ts";
import { pendingJobs, runInDurableObject, sessionAt, type SessionRef, storedText, unwrap } from "../support/session.ts";
import { listedSession, payloadOf, runDeps, stepsOf } from "../support/worker-operations.ts";

/** A tenant with five sessions: two of its own, two of Ada and one of Bob. */
async function tenantOfFive(): Promise<SessionRef[]> {
  const tenant = `ops-${crypto.randomUUID()}`;
  const named: [string, string][] = [
    ["-", "a"],
    ["-", "b"],
    ["ada", "a"],
    ["ada", "b"],
    ["bob", "a"],
  ];
  return Promise.all(named.map(([owner, session]) => listedSession({ tenant, owner, session })));
}

function tenantOf(refs: readonly SessionRef[]): string {
  const [first] = refs;
  if (first === undefined) throw new Error("no session");
  return first.tenant;
}

/** Which sessions are processed, and how often. */
function watched(parts = runDeps()) {
  const visits: string[] = [];
  const { sessions } = parts;
  return {
    ...parts,
    visits,
    sessions: {
      get: (ref: SessionRef) => {
        visits.push(`${ref.owner}/${ref.session}`);
        return sessions.get(ref);
      },
    },
  };
}

describe("a run", () => {
  it("processes every session of every owner, two in a step, and continues in another instance after two steps", async () => {
    const refs = await tenantOfFive();
    const parts = watched(runDeps({ pacing: { slicesPerInstance: 2, pauseMs: 0 } }));
    const id = crypto.randomUUID();
    const payload = payloadOf({ op: "reindex", tenant: tenantOf(refs), sliceSize: 2 });
    let end: RunEnd = await runOperation(payload, id, stepsOf(), parts);
    expect(end.status).toBe("continued");
    for (let part = 2; end.status === "continued"; part += 1) {
      const [next] = parts.begun.splice(0);
      if (next === undefined) throw new Error("no instance goes on");
      expect(next[0]).toBe(`${id}-part-${part}`);
      end = await runOperation(payloadOf(next[1]), next[0], stepsOf(), parts);
    }
    expect(parts.visits.toSorted()).toEqual(refs.map(({ owner, session }) => `${owner}/${session}`).toSorted());
    expect(await parts.operations.runs.read(id)).toMatchObject({
      status: "complete",
      progress: { done: 5, failed: 0 },
      report: { counts: { unindexed: 5 } },
    });
  });

  it("processes only the sessions of the named user, or the one named session", async () => {
    const refs = await tenantOfFive();
    const tenant = tenantOf(refs);
    for (const [scope, visits] of [
      [{ user: "ada" }, ["ada/a", "ada/b"]],
      [{ session: "b" }, ["-/b"]],
      [{ user: "bob", session: "a" }, ["bob/a"]],
      [{ user: "nobody" }, []],
    ] as const) {
      const parts = watched();
      await runOperation(payloadOf({ op: "reindex", tenant, ...scope }), crypto.randomUUID(), stepsOf(), parts);
      expect(parts.visits.toSorted()).toEqual(visits);
    }
  });

  it("processes tenants that nobody created", async () => {
    const refs = await tenantOfFive();
    const names = await runDeps().operations.listTenantNames(10_000, "");
    expect(names).toContain(tenantOf(refs));
    expect(names).toEqual([...new Set(names)].toSorted());
  });

  it("repeats a failed step, and counts nothing twice", async () => {
    const refs = await tenantOfFive();
    const parts = watched();
    let refusals = 2;
    const list: typeof parts.directory.list = async (...asked) => {
      const page = await parts.directory.list(...asked);
      if (asked[1] === "bob" && refusals > 0) {
        refusals -= 1;
        throw new Error("the list is out of reach");
      }
      return page;
    };
    const failing = { ...parts, directory: { ...parts.directory, list } };
    const id = crypto.randomUUID();
    const steps = stepsOf();
    const payload = payloadOf({ op: "reindex", tenant: tenantOf(refs) });
    await runOperation(payload, id, steps, failing);
    expect(steps.tries["slice 1"]).toBe(3);
    expect(await parts.operations.runs.read(id)).toMatchObject({ status: "complete", progress: { done: 5 } });
  });

  it("continues where it was when its isolate ended: completed steps are not repeated", async () => {
    const refs = await tenantOfFive();
    const remembered = new Map<string, unknown>();
    const id = crypto.randomUUID();
    const payload = payloadOf({ op: "reindex", tenant: tenantOf(refs), sliceSize: 2 });
    const ending = stepsOf(remembered);
    const crash = { ...ending, sleep: (name: string) => Promise.reject(new Error(`ended in ${name}`)) };
    // The state after an isolate's end: neither a later step nor that of the failure was made.
    const none: typeof ending.do = (name, config, body) =>
      name === "fail" ? Promise.reject(new Error("ended")) : ending.do(name, config, body);
    await expect(runOperation(payload, id, { ...crash, do: none }, runDeps())).rejects.toThrow("ended");
    const parts = watched();
    await runOperation(payload, id, stepsOf(remembered), parts);
    expect(parts.visits).toHaveLength(3);
    expect(await parts.operations.runs.read(id)).toMatchObject({ status: "complete", progress: { done: 5 } });
  });

  it("that starts again from its beginning schedules no second summary", async () => {
    const refs = await tenantOfFive();
    const [ref] = refs;
    if (ref === undefined) throw new Error("no session");
    unwrap(await sessionAt(ref).update({ settings: { summarizeAfterTokens: 500, keepRecentTokens: 0 } }));
    unwrap(
      await sessionAt(ref).append(
        { messages: [1, 2, 3, 4, 5, 6].map((at) => ({ role: "user", content: `Turn ${at}.` })) },
        null,
      ),
    );
    const request = { op: "rebuild", tenant: ref.tenant, session: ref.session };
    for (let time = 0; time < 2; time += 1) {
      await runOperation(payloadOf(request), crypto.randomUUID(), stepsOf(), runDeps());
    }
    expect((await pendingJobs(ref)).filter(({ kind }) => kind === "summarize").length).toBeLessThan(2);
  });

  it("reports in a dry run what it would do, and changes neither the session nor its alarm", async () => {
    const tenant = `ops-${crypto.randomUUID()}`;
    const ref = await listedSession({ tenant, owner: "ada", session: "a" }, 12);
    const alarm = () =>
      runInDurableObject(env.CHAT_SESSION.getByName(`${tenant}/ada/a`), (_, state) => state.storage.getAlarm());
    const before = [await storedText(ref), await alarm()];
    for (const op of ["summarize", "rebuild", "expire", "reindex", "erase-user", "export-user", "retry"]) {
      const id = crypto.randomUUID();
      const reach = op === "retry" ? {} : { user: "ada" };
      const parts = runDeps();
      await runOperation(payloadOf({ op, tenant, ...reach, dryRun: true }), id, stepsOf(), parts);
      expect(await parts.operations.runs.read(id), op).toMatchObject({ status: "complete", dryRun: true });
      expect([await storedText(ref), await alarm()], op).toEqual(before);
    }
    expect(await runDeps().users.readErasure({ tenant, owner: "ada" })).toBeNull();
  });

  it("that is cancelled starts no further step", async () => {
    const refs = await tenantOfFive();
    const parts = watched();
    const id = crypto.randomUUID();
    const steps = stepsOf();
    const sleep = async (): Promise<void> => {
      await parts.operations.runs.finish(id, "cancelled", null);
    };
    const payload = payloadOf({ op: "reindex", tenant: tenantOf(refs), sliceSize: 2 });
    expect(await runOperation(payload, id, { ...steps, sleep }, parts)).toMatchObject({ status: "cancelled" });
    expect(parts.visits).toHaveLength(2);
    expect(await parts.operations.runs.read(id)).toMatchObject({ status: "cancelled", progress: { done: 2 } });
  });

  it("counts an unavailable session as failed, names it, and continues with the others", async () => {
    const refs = await tenantOfFive();
    const parts = runDeps();
    const get: typeof parts.sessions.get = (ref) => {
      if (ref.owner === "bob") throw Object.assign(new Error("overloaded"), { overloaded: true });
      return parts.sessions.get(ref);
    };
    const id = crypto.randomUUID();
    const tenant = tenantOf(refs);
    await runOperation(payloadOf({ op: "reindex", tenant }), id, stepsOf(), { ...parts, sessions: { get } });
    expect(await parts.operations.runs.read(id)).toMatchObject({
      status: "complete",
      progress: { done: 5, failed: 1 },
      report: {
        counts: { unindexed: 4, failed: 1 },
        failures: [{ tenant, user: "bob", session: "a", reason: "unavailable" }],
      },
    });
  });

  it("that cannot continue says so, and what to do next", async () => {
    const tenant = `ops-${crypto.randomUUID()}`;
    const parts = runDeps();
    const list = (): Promise<never> => Promise.reject(new Error("the list is gone"));
    const id = crypto.randomUUID();
    const broken = { ...parts, directory: { ...parts.directory, list } };
    await expect(runOperation(payloadOf({ op: "reindex", tenant }), id, stepsOf(), broken)).rejects.toThrow("gone");
    const run = await parts.operations.runs.read(id);
    expect(run).toMatchObject({ status: "failed", progress: { done: 0 } });
    expect(run?.error).toContain("start it again");
  });
});
