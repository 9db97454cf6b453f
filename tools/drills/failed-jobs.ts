// The list of failed jobs, as operators use it.
import { type Failure, failureSchema } from "../../src/api/job.ts";
import { pageSchema } from "../../src/api/page.ts";
import { check } from "./fault.ts";
import { send, type Target } from "./requests.ts";

const failurePageSchema = pageSchema(failureSchema);

/** Lists the newest hundred, of one kind or, without a kind, of all. */
export async function readFailures(target: Target, kind?: string): Promise<Failure[]> {
  const filter = kind === undefined ? "" : `&kind=${kind}`;
  const { body } = await send(target, `/v1/admin/jobs?limit=100${filter}`, { asOperator: true });
  return failurePageSchema.parse(body).data;
}

/** @param kind the kind of job that is retried */
export async function retryFailures(target: Target, kind: string): Promise<void> {
  const { status } = await send(target, "/v1/admin/jobs/retry", { method: "POST", body: { kind }, asOperator: true });
  check(status === 200, `the retry of failed jobs was answered with ${status}`);
}

/** @returns the status of the answer */
export async function retryFailure(target: Target, jobId: string): Promise<number> {
  return (await send(target, `/v1/admin/jobs/${jobId}/retry`, { method: "POST", asOperator: true })).status;
}

/** @returns the status of the answer */
export async function dropFailure(target: Target, jobId: string): Promise<number> {
  const path = `/v1/admin/jobs/${jobId}?reason=${encodeURIComponent("planted by a drill")}`;
  return (await send(target, path, { method: "DELETE", asOperator: true })).status;
}
