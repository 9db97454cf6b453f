import { introspectWorkflowInstance } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { problemSchema } from "../../src/api/errors.ts";
import { type OperationRun, operationRunSchema } from "../../src/api/operation-run.ts";
import { pageSchema } from "../../src/api/page.ts";
import { chatOf, until } from "../support/session.ts";
import { type JsonAnswer, sendAsAdmin } from "../support/worker-http.ts";
import { listedSession, runDeps } from "../support/worker-operations.ts";

const runPageSchema = pageSchema(operationRunSchema);

function request(method: string, path = "", body?: unknown): Promise<JsonAnswer> {
  return sendAsAdmin(method, `/v1/admin/operations${path}`, body);
}

async function read(id: string): Promise<OperationRun> {
  return operationRunSchema.parse((await request("GET", `/${id}`)).body);
}

async function ended(id: string): Promise<OperationRun> {
  await until(`the run ${id} ends`, async () => (await read(id)).finishedAt !== null);
  return read(id);
}

describe("an operation", () => {
  it("is started over HTTP, once however often it is requested, and reports what it did", async () => {
    const ref = await chatOf(12, { settings: { summarizeAfterTokens: 1_000, keepRecentTokens: 0 } });
    const asked = { id: `summarize-${ref.session}`, op: "summarize", tenant: ref.tenant, session: ref.session };
    expect(await request("POST", "", asked)).toMatchObject({ status: 202, body: { id: asked.id, status: "queued" } });
    expect(await request("POST", "", asked)).toMatchObject({ status: 200, body: { id: asked.id } });
    expect(await ended(asked.id)).toMatchObject({
      status: "complete",
      progress: { done: 1, failed: 0, total: 1 },
      report: { counts: { scheduled: 1 } },
    });
    expect(await request("POST", "", { ...asked, op: "reindex" })).toMatchObject({
      status: 409,
      body: { code: "operation_exists" },
    });
  });

  it("that wrangler starts with an invalid payload ends at once, and its error names each fault", async () => {
    for (const [payload, faults] of [
      [{ op: "erase-user", tenant: "A!", extra: 1 }, ["/tenant must be", "/extra is not a known", "/user is required"]],
      [[], ["the payload must be an object, not an array"]],
      [{ op: "summarize", chain: { run: "x", part: 1 } }, ["/chain/part", "/chain/state"]],
    ] as const) {
      const id = crypto.randomUUID();
      await using instance = await introspectWorkflowInstance(env.OPERATIONS_WORKFLOW, id);
      await env.OPERATIONS_WORKFLOW.create({ id, params: payload });
      await instance.waitForStatus("errored");
      const { message } = await instance.getError();
      for (const fault of faults) expect(message).toContain(fault);
      expect(message).toContain("Nothing was done");
      expect(await request("GET", `/${id}`)).toMatchObject({ status: 404, body: { code: "operation_not_found" } });
    }
  });

  it("repeats a failed step by itself, and then completes", async () => {
    const ref = await chatOf(2);
    const id = crypto.randomUUID();
    await using instance = await introspectWorkflowInstance(env.OPERATIONS_WORKFLOW, id);
    await instance.modify(async (modifier) => {
      await modifier.disableRetryDelays();
      await modifier.mockStepError({ name: "slice 1" }, new Error("the list is out of reach"), 2);
    });
    await env.OPERATIONS_WORKFLOW.create({ id, params: { op: "reindex", tenant: ref.tenant, session: ref.session } });
    await instance.waitForStatus("complete");
    expect(await request("GET", `/${id}`)).toMatchObject({ body: { status: "complete", progress: { done: 1 } } });
  });

  it("whose step keeps failing is reported as failed, with what to do next", async () => {
    const id = crypto.randomUUID();
    await using instance = await introspectWorkflowInstance(env.OPERATIONS_WORKFLOW, id);
    await instance.modify(async (modifier) => {
      await modifier.disableRetryDelays();
      await modifier.mockStepError({ name: "slice 1" }, new Error("the list is out of reach"));
    });
    await env.OPERATIONS_WORKFLOW.create({ id, params: { op: "reindex" } });
    await instance.waitForStatus("errored");
    const { body } = await request("GET", `/${id}`);
    expect(body).toMatchObject({ status: "failed", error: expect.stringContaining("start it again") });
  });

  it("whose instance somebody terminated is reported as cancelled to whoever reads it, with what to do next", async () => {
    const tenant = `ops-${crypto.randomUUID()}`;
    for (const session of ["a", "b", "c"]) await listedSession({ tenant, owner: "ada", session });
    const id = crypto.randomUUID();
    // With one session a step and a pause of a second between steps, it cannot be over by then.
    await request("POST", "", { id, op: "reindex", tenant, sliceSize: 1 });
    await (await env.OPERATIONS_WORKFLOW.get(id)).terminate();
    const { body } = await request("GET", `/${id}`);
    expect(body).toMatchObject({ status: "cancelled", error: expect.stringContaining("start the operation again") });
    expect(body.finishedAt).not.toBeNull();
    expect(await request("GET", `/${id}`)).toEqual({ status: 200, body });
  });

  it("whose instance ended with an unrecorded error is shown as failed in the list", async () => {
    const { operations } = runDeps();
    const id = crypto.randomUUID();
    await using instance = await introspectWorkflowInstance(env.OPERATIONS_WORKFLOW, id);
    await operations.runs.begin(id, { op: "reindex", dryRun: false, sliceSize: 500 }, "running");
    await env.OPERATIONS_WORKFLOW.create({ id, params: { op: "nothing of the kind" } });
    await instance.waitForStatus("errored");
    const { body } = await request("GET", "?limit=1");
    const { data } = runPageSchema.parse(body);
    expect(data).toMatchObject([{ id, status: "failed", error: expect.stringContaining("instance failed") }]);
  });

  it("is refused over HTTP with every fault and its place, and nothing is started", async () => {
    const id = crypto.randomUUID();
    const { status, body } = await request("POST", "", { id, op: "erase-user", session: "a", dryRun: 1, x: null });
    expect(status).toBe(422);
    const { errors } = problemSchema.parse(body);
    expect(errors?.map(({ path }) => path).toSorted()).toEqual(["/dryRun", "/session", "/tenant", "/user", "/x"]);
    expect(await request("GET", `/${id}`)).toMatchObject({ status: 404 });
  });

  it("that Workflows does not accept is recorded, and started when the request is repeated", async () => {
    const { operations } = runDeps();
    const id = crypto.randomUUID();
    // The state after a request that broke off between recording the run and starting it.
    const asked = { op: "reindex", tenant: `ops-${id}` } as const;
    await operations.runs.begin(id, { ...asked, dryRun: false, sliceSize: 500 }, "queued");
    expect(await request("POST", "", { ...asked, id })).toMatchObject({ status: 200 });
    expect(await ended(id)).toMatchObject({ status: "complete" });
  });

  it("is cancelled over HTTP; one that has ended stays as it is", async () => {
    const { operations } = runDeps();
    const id = crypto.randomUUID();
    await operations.runs.begin(id, { op: "reindex", dryRun: false, sliceSize: 500 }, "queued");
    for (let time = 0; time < 2; time += 1) {
      expect(await request("DELETE", `/${id}`)).toMatchObject({ status: 200, body: { status: "cancelled" } });
    }
    expect(await operations.runs.finish(id, "complete", null)).toMatchObject({ status: "cancelled" });
    expect(await request("DELETE", "/nowhere")).toMatchObject({ status: 404, body: { code: "operation_not_found" } });
  });

  it("is listed newest first, page by page", async () => {
    const { operations } = runDeps();
    const ids = Array.from({ length: 3 }, () => crypto.randomUUID());
    for (const id of ids) await operations.runs.begin(id, { op: "retry", dryRun: true, sliceSize: 1 }, "queued");
    const seen: OperationRun[] = [];
    let cursor = "";
    for (let pages = 0; pages < 50 && !ids.every((id) => seen.some((run) => run.id === id)); pages += 1) {
      const page = runPageSchema.parse((await request("GET", `?limit=2${cursor}`)).body);
      seen.push(...page.data);
      cursor = `&cursor=${page.nextCursor}`;
    }
    const times = seen.map(({ createdAt }) => createdAt);
    expect(times).toEqual(times.toSorted().toReversed());
    expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length);
    expect(ids.every((id) => seen.some((run) => run.id === id))).toBe(true);
    expect(await request("GET", "?cursor=bm8")).toMatchObject({ status: 422 });
  });
});
