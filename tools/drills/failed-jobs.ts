// The list of failed jobs, as operators work on it.
import { type Failure, failureSchema } from "../../src/api/job.ts";
import { pageSchema } from "../../src/api/page.ts";
import { check } from "./fault.ts";
import { send, type Target } from "./requests.ts";

const failurePageSchema = pageSchema(failureSchema);

/** Those of one kind; of all kinds if none is named. The newest hundred. */
export async function readFailures(target: Target, kind?: string): Promise<Failure[]> {
  const filter = kind === undefined ? "" : `&kind=${kind}`;
  const { body } = await send(target, `/v1/admin/jobs?limit=100${filter}`, { asOperator: true });
  return failurePageSchema.parse(body).data;
}

/** @param kind of those that are sent again */
export async function retryFailures(target: Target, kind: string): Promise<void> {
  const { status } = await send(target, "/v1/admin/jobs/retry", { method: "POST", body: { kind }, asOperator: true });
  check(status === 200, `the retry of failed jobs was answered with ${status}`);
}

/** @returns the status that it was answered with */
export async function retryFailure(target: Target, jobId: string): Promise<number> {
  return (await send(target, `/v1/admin/jobs/${jobId}/retry`, { method: "POST", asOperator: true })).status;
}

/** @returns the status that it was answered with */
export async function dropFailure(target: Target, jobId: string): Promise<number> {
  const path = `/v1/admin/jobs/${jobId}?reason=${encodeURIComponent("planted by a drill")}`;
  return (await send(target, path, { method: "DELETE", asOperator: true })).status;
}
