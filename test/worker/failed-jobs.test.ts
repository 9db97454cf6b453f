import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { JobRetries } from "../../src/api/failed-job.ts";
import { type Failure, jobKindSchema } from "../../src/api/job.ts";
import type { Page } from "../../src/api/page.ts";
import { createOperationsClient } from "../../src/control/client.ts";
import { createUserClient } from "../../src/directory/user-client.ts";
import {
  chatOf,
  deliver,
  freshRef,
  jobOf,
  pendingJobs,
  pipelineDeps,
  runInDurableObject,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  stubAt,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";
import { appWith } from "../support/worker-app.ts";
import { listeningTrail } from "../support/worker-audit.ts";
import { type JsonAnswer, sendAsAdmin } from "../support/worker-http.ts";

const operations = createOperationsClient(env.OPERATIONS);
const users = createUserClient(env.DIRECTORY);

function asOperator<Body = Record<string, unknown>>(
  method: string,
  path: string,
  body?: unknown,
): Promise<JsonAnswer<Body>> {
  return sendAsAdmin(method, `/v1/admin/jobs${path}`, body);
}

function failureOf(ref: SessionRef, change: Partial<Failure> = {}): Failure {
  return {
    ...ref,
    jobId: crypto.randomUUID(),
    kind: "summarize",
    state: "retrying",
    reason: "summarizer timeout",
    attempts: 3,
    firstError: "summarizer unreachable",
    firstFailedAt: "2026-11-22T10:00:00.000Z",
    lastError: "summarizer timeout",
    lastFailedAt: "2026-11-22T10:01:00.000Z",
    ...change,
  };
}

async function listed(ref: Partial<SessionRef>): Promise<Failure[]> {
  const query = Object.entries(ref).map(([name, value]) => `${name}=${value}`);
  return (await asOperator<Page<Failure>>("GET", `?${query.join("&")}`)).body.data;
}

/** A session whose summary was given up and is on the list. */
async function givenUp(): Promise<{ ref: SessionRef; jobId: string; epoch: string }> {
  const ref = await chatOf(8);
  const { jobId, epoch } = await scheduleSummary(ref);
  for (let failure = 1; failure <= 20; failure += 1) {
    const reason = failure === 1 ? "the first" : "the last";
    const report = await withoutAlarm(ref, (object) => object.noteFailure(jobId, epoch, { reason }));
    expect(report).toMatchObject({ failures: failure, firstError: "the first" });
  }
  await operations.report(failureOf(ref, { jobId, state: "failed", attempts: 20 }));
  return { ref, jobId, epoch };
}

describe("the list of failed jobs", () => {
  it("is filtered by tenant, user, session and kind, and by all of them together", async () => {
    const user = crypto.randomUUID();
    const [one, other] = [freshRef(user), freshRef(user)];
    const first = failureOf(one);
    const second = failureOf(one, { kind: "archive", lastFailedAt: "2026-11-22T10:02:00.000Z" });
    const third = failureOf(other, { tenant: "another", lastFailedAt: "2026-11-22T10:03:00.000Z" });
    for (const failure of [first, second, third]) await operations.report(failure);
    const of = async (query: string): Promise<Failure[]> =>
      (await asOperator<Page<Failure>>("GET", `?user=${user}${query}`)).body.data;
    expect(await of("")).toEqual([third, second, first]);
    expect(await of("&tenant=test")).toEqual([second, first]);
    expect(await of("&kind=summarize")).toEqual([third, first]);
    expect(await of(`&session=${one.session}&kind=summarize&tenant=test`)).toEqual([first]);
    const page = await asOperator<Page<Failure>>("GET", `?user=${user}&limit=2`);
    expect(page.body).toMatchObject({ data: [third, second], hasMore: true });
    expect(await of(`&limit=2&cursor=${page.body.nextCursor}`)).toEqual([first]);
    for (const query of ["kind=No!", "tenant=A", "user=-", "session=..", "cursor=x", "state=failed"]) {
      expect(await asOperator("GET", `?${query}`), query).toMatchObject({
        status: 422,
        body: { code: "validation_failed" },
      });
    }
  });

  it("keeps the first error, however often the job is reported again", async () => {
    const failure = failureOf(freshRef(crypto.randomUUID()));
    await operations.report(failure);
    const later = {
      ...failure,
      state: "undelivered" as const,
      firstError: "later",
      firstFailedAt: "2026-11-22T11:00:00.000Z",
      lastError: "later",
      lastFailedAt: "2026-11-22T11:00:00.000Z",
    };
    await operations.report(later);
    const { firstError, firstFailedAt } = failure;
    expect(await listed({ session: failure.session })).toEqual([{ ...later, firstError, firstFailedAt }]);
  });
});

describe("retrying a failed job", () => {
  it("makes a summary that was given up, and removes it from the list", async () => {
    const { ref, jobId } = await givenUp();
    expect(await sessionAt(ref).state()).toMatchObject({ value: { summaryPending: false } });
    expect(await asOperator("POST", `/${jobId}/retry`)).toEqual({ status: 200, body: { jobId, outcome: "retried" } });
    expect(await listed({ session: ref.session })).toEqual([]);
    await until("the summary lands", async () => unwrap(await sessionAt(ref).state()).summary !== null);
    expect(await asOperator("POST", `/${jobId}/retry`)).toMatchObject({ status: 404, body: { code: "job_not_found" } });
  });

  it("skips pauses, and is reported at once if it fails again", async () => {
    const ref = await chatOf(8);
    const { jobId, epoch } = await scheduleSummary(ref);
    await runInDurableObject(stubAt(ref), (_, { storage }) =>
      storage.sql.exec("UPDATE jobs SET kind = 'archive', failures = 7, next_send_at = ?", Date.now() + 300_000),
    );
    const tried = await withoutAlarm(ref, (object) => object.retryJob(jobId));
    expect(tried).toBe(true);
    const [job] = await pendingJobs(ref);
    expect(job).toMatchObject({ kind: "archive", state: "pending", failures: 2, epoch });
    expect(Number(job?.["next_send_at"])).toBeLessThanOrEqual(Date.now());
  });

  it("removes a job from the list that is not pending any more, and leaves no rows in an object that was never written to", async () => {
    const ref = freshRef();
    const failure = failureOf(ref);
    await operations.report(failure);
    const { jobId } = failure;
    expect(await asOperator("POST", `/${jobId}/retry`)).toEqual({ status: 200, body: { jobId, outcome: "gone" } });
    expect(await listed({ session: ref.session })).toEqual([]);
    const tables = await runInDurableObject(stubAt(ref), (_, { storage }) =>
      storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'").toArray(),
    );
    expect(tables).toEqual([]);
  });

  it("makes the erasure of a user due, and dropping it is refused", async () => {
    const user = { tenant: "test", owner: crypto.randomUUID() };
    // It waits for something, so that only the retry delivers it.
    const jobId = await runInDurableObject(
      env.DIRECTORY.getByName(`test/${user.owner}`),
      async (object, { storage }) => {
        const begun = object.beginErasure(user);
        storage.sql.exec("UPDATE erasure SET row = json_set(row, '$.nextSendAt', ?)", Date.now() + 600_000);
        await storage.deleteAlarm();
        await begun;
        const { row } = storage.sql.exec<{ row: string }>("SELECT row FROM erasure").one();
        return String(JSON.parse(row).jobId);
      },
    );
    await operations.report(failureOf({ ...user, session: "" }, { jobId, kind: "erase-user" }));
    expect(await asOperator("DELETE", `/${jobId}?reason=tidy`)).toMatchObject({
      status: 409,
      body: { code: "job_needed", kind: "erase-user" },
    });
    expect(await asOperator("POST", `/${jobId}/retry`)).toMatchObject({ status: 200, body: { outcome: "retried" } });
    await until("the user is erased", async () => (await users.readErasure(user))?.state === "erased");
  });

  it("works by filter, page by page, and says what stays and why", async () => {
    const user = crypto.randomUUID();
    const gone = Array.from({ length: 4 }, (_, at) =>
      failureOf(freshRef(user), { kind: "archive", lastFailedAt: `2026-11-22T10:0${at}:00.000Z` }),
    );
    const lost = failureOf({ tenant: "test", owner: user, session: "" }, { kind: "archive", state: "unknown" });
    for (const failure of [...gone, lost]) await operations.report(failure);
    const totals = { gone: 0, left: [] as string[], calls: 0 };
    let cursor: string | null = null;
    do {
      const from: object = cursor === null ? {} : { cursor };
      const page: JsonAnswer<JobRetries> = await asOperator("POST", "/retry", {
        user,
        kind: "archive",
        limit: 2,
        ...from,
      });
      const { status, body } = page;
      expect(status).toBe(200);
      expect(body.hasMore).toBe(body.nextCursor !== null);
      totals.gone += body.gone;
      totals.left.push(...body.left.map(({ jobId }) => jobId));
      totals.calls += 1;
      cursor = body.nextCursor;
    } while (cursor !== null);
    expect(totals).toEqual({ gone: 4, left: [lost.jobId], calls: 3 });
    expect(await listed({ session: gone[0]?.session ?? "" })).toEqual([]);
    expect(await operations.find(lost.jobId)).toEqual(lost);
    await operations.clear(lost.jobId);
    for (const body of [{ limit: 101 }, { limit: 0 }, { kinds: "archive" }, { tenant: "" }, []]) {
      expect(await asOperator("POST", "/retry", body)).toMatchObject({ status: 422 });
    }
  });

  it("leaves a job on the list that failed again meanwhile", async () => {
    const failure = failureOf(freshRef());
    await operations.report({ ...failure, lastFailedAt: "2026-11-22T10:02:00.000Z" });
    await operations.settle([failure]);
    expect(await operations.find(failure.jobId)).not.toBeNull();
  });

  it("of a job whose object is unavailable does not hold up the others", async () => {
    const user = crypto.randomUUID();
    const [near, far] = [failureOf(freshRef(user)), failureOf(freshRef(user))];
    for (const failure of [near, far]) await operations.report(failure);
    const away = async (): Promise<never> => {
      throw new Error("out of reach");
    };
    const audit = listeningTrail();
    const app = appWith(
      {
        authenticate: async () => ({ kind: "admin", id: "admin", tenant: "test", owner: "-", scopes: ["admin"] }),
      },
      {
        audit,
        sessions: {
          get: (ref) => (ref.session === far.session ? { ...sessionAt(ref), retryJob: away } : sessionAt(ref)),
        },
      },
    );
    const response = await app.request("http://threadkeep.test/v1/admin/jobs/retry", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user }),
    });
    expect(await response.json()).toMatchObject({ gone: 1, left: [{ jobId: far.jobId }], hasMore: false });
    expect((await listed({ session: far.session })).length + (await listed({ session: near.session })).length).toBe(1);
    expect(audit.recorded).toMatchObject([{ action: "retryFailedJobs", details: { retried: 0 } }]);
  });
});

describe("erasing a session", () => {
  it("removes its failed jobs from the list before it confirms that the session is erased", async () => {
    const { ref, jobId } = await givenUp();
    const other = failureOf(freshRef());
    await operations.report(other);
    unwrap(await withoutAlarm(ref, (object) => object.erase()));
    const erasure = await jobOf(ref, "erase");
    expect(await pendingJobs(ref)).toMatchObject([{ kind: "erase", details: { settles: [jobId] } }]);
    const away = async (): Promise<never> => {
      throw new Error("out of reach");
    };
    const withoutList = pipelineDeps({ operations: { ...operations, clear: away } });
    expect(await deliver(erasure, withoutList)).toBe("retried");
    expect(await sessionAt(ref).remains()).toBe("pending");
    expect(await deliver(erasure)).toBe("acked");
    expect(await sessionAt(ref).remains()).toBe("nothing");
    expect(await listed({ session: ref.session })).toEqual([]);
    expect(await operations.find(other.jobId)).not.toBeNull();
  });

  it("does not ask the list if none of its jobs can be on it", async () => {
    const ref = await chatOf(8);
    await scheduleSummary(ref);
    unwrap(await withoutAlarm(ref, (object) => object.erase()));
    const clear = vi.fn<typeof operations.clear>();
    expect(await deliver(await jobOf(ref, "erase"), pipelineDeps({ operations: { ...operations, clear } }))).toBe(
      "acked",
    );
    expect(clear).not.toHaveBeenCalled();
  });
});

describe("dropping a failed job", () => {
  it("gives up a summary that continues from the last one, which becomes due again on request", async () => {
    const ref = await chatOf(8);
    const { jobId } = await scheduleSummary(ref);
    await operations.report(failureOf(ref, { jobId }));
    expect(await asOperator("DELETE", `/${jobId}?reason=the%20model%20is%20gone`)).toEqual({
      status: 200,
      body: { jobId, outcome: "dropped" },
    });
    expect(await pendingJobs(ref)).toMatchObject([
      { state: "failed", last_error: "dropped by an operator", lease: null },
    ]);
    expect(await listed({ session: ref.session })).toEqual([]);
    const { job } = unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    expect(job).toMatchObject({ id: jobId, state: "done" });
  });

  it.each(jobKindSchema.options.filter((kind) => kind !== "summarize" && kind !== "embed"))(
    "is refused for the kind %s, and says what to do instead",
    async (kind) => {
      const ref = await chatOf(8);
      const { jobId } = await scheduleSummary(ref);
      await runInDurableObject(stubAt(ref), (_, { storage }) => storage.sql.exec("UPDATE jobs SET kind = ?", kind));
      await operations.report(failureOf(ref, { jobId, kind }));
      const before = await pendingJobs(ref);
      const { status, body } = await asOperator("DELETE", `/${jobId}?reason=tidy`);
      expect({ status, code: body["code"], kind: body["kind"] }).toEqual({ status: 409, code: "job_needed", kind });
      expect(body["detail"]).toMatch(/[Rr]etry/);
      expect(body["detail"]).not.toContain("does not know its kind");
      expect(await pendingJobs(ref)).toEqual(before);
      expect(await listed({ session: ref.session })).toHaveLength(1);
    },
  );

  it.each([
    ["takes something out that was erased", `UPDATE jobs SET details = '{"is":"rebuild","lastKept":0}'`],
    [
      "follows a change under way",
      "INSERT INTO summaries_in_progress (job_id, invalidated_from_seq) SELECT id, 1 FROM jobs",
    ],
    ["takes the place of a fallback summary", `UPDATE jobs SET details = '{"is":"upgrade","lastKept":0}'`],
  ])("is refused for a summary that %s", async (_why, change) => {
    const ref = await chatOf(8);
    const { jobId } = await scheduleSummary(ref);
    await runInDurableObject(stubAt(ref), (_, { storage }) => storage.sql.exec(change));
    await operations.report(failureOf(ref, { jobId }));
    expect(await asOperator("DELETE", `/${jobId}?reason=tidy`)).toMatchObject({
      status: 409,
      body: { code: "job_needed" },
    });
    expect(await pendingJobs(ref)).toMatchObject([{ id: jobId, state: "pending" }]);
  });

  it("removes a job from the list that no consumer understands, and leaves its object as it is", async () => {
    const ref = await chatOf(8);
    const { jobId } = await scheduleSummary(ref);
    await operations.report(failureOf(ref, { jobId, state: "unknown", kind: "of-tomorrow" }));
    expect(await asOperator("DELETE", `/${jobId}?reason=deployed`)).toMatchObject({
      status: 200,
      body: { outcome: "dropped" },
    });
    expect(await pendingJobs(ref)).toMatchObject([{ id: jobId, state: "pending" }]);
    expect(await listed({ session: ref.session })).toEqual([]);
  });

  it("requires a reason on one line", async () => {
    for (const query of ["", "?reason=", `?reason=${"x".repeat(201)}`, "?reason=a&reason=b", "?reason=a&force=1"]) {
      expect(await asOperator("DELETE", `/some-job${query}`), query).toMatchObject({ status: 422 });
    }
    expect(await asOperator("DELETE", "/some-job?reason=tidy")).toMatchObject({
      status: 404,
      body: { code: "job_not_found" },
    });
  });
});
