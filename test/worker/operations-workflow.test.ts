import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { OperationRun } from "../../src/contracts/operation-run.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";
import { chatOf, until } from "../support/worker-session.ts";

const ORIGIN = "http://threadkeep.test/v1/admin/operations";

async function request(method: string, path = "", body?: unknown): Promise<{ status: number; body: OperationRun }> {
  const response = await exports.default.fetch(
    new Request(ORIGIN + path, {
      method,
      headers: {
        authorization: `Bearer ${TEST_WORKER_BINDINGS.THREADKEEP_ADMIN_KEY}`,
        "content-type": "application/json",
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );
  return { status: response.status, body: await response.json() };
}

async function ended(id: string): Promise<OperationRun> {
  await until(`the run ${id} ends`, async () => (await request("GET", `/${id}`)).body.finishedAt !== null);
  return (await request("GET", `/${id}`)).body;
}

describe("an operation", () => {
  it("is begun over HTTP, once however often it is asked for, and tells what it did", async () => {
    const ref = await chatOf(12, { settings: { summarizeAfterTokens: 1_000, keepRecentTokens: 0 } });
    const asked = { id: `summarize-${ref.session}`, op: "summarize", tenant: ref.tenant, session: ref.session };
    expect(await request("POST", "", asked)).toMatchObject({ status: 202, body: { id: asked.id, status: "queued" } });
    expect(await request("POST", "", asked)).toMatchObject({ status: 200, body: { id: asked.id } });
    expect(await ended(asked.id)).toMatchObject({
      status: "complete",
      progress: { done: 1, failed: 0, total: 1 },
      report: { counts: { owed: 1 } },
    });
    expect(await request("POST", "", { ...asked, op: "reindex" })).toMatchObject({
      status: 409,
      body: { code: "operation_exists" },
    });
  });
});
