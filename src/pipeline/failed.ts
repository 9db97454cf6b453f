import { z } from "zod";
import { jobMessageSchema, userJobMessageSchema } from "../contracts/job.ts";
import type { Verdict } from "./delivery.ts";
import { noteFailedJob, type ReportParts } from "./report.ts";

/**
 * A dead letter: a delivery that no consumer could bring to its object, or could not understand. It is indexed for operators; the
 * object still owes the work and goes on sending it.
 */
export async function recordDeadLetter(body: unknown, attempts: number, parts: ReportParts): Promise<Verdict> {
  const parsed = z.union([jobMessageSchema, userJobMessageSchema]).safeParse(body);
  const now = new Date().toISOString();
  if (!parsed.success) {
    parts.log.error("dead_letter_not_understood", { attempts });
    await parts.operations.report({
      jobId: `unknown-${crypto.randomUUID()}`,
      kind: "unknown",
      tenant: "",
      owner: "",
      session: "",
      reason: "The body of the job was not understood: was it written by a later version?",
      attempts,
      firstFailedAt: now,
      lastFailedAt: now,
    });
    return { verdict: "ack" };
  }
  const job = parsed.data;
  parts.log.error("dead_letter", { kind: job.kind, jobId: job.jobId, attempts });
  await noteFailedJob(parts, {
    jobId: job.jobId,
    kind: job.kind,
    tenant: job.tenant,
    owner: job.owner,
    session: "session" in job ? job.session : "",
    reason: "The queue gave up delivering it: its session object was out of reach.",
    attempts,
    firstFailedAt: now,
    lastFailedAt: now,
  });
  return { verdict: "ack" };
}
