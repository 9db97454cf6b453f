import { z } from "zod";
import type { MeasuredJob } from "../telemetry/metrics.ts";
import type { Verdict } from "./delivery.ts";
import type { JobLedger } from "./job-ledger.ts";

/** The job that a queue message contained, as far as it could be read. */
export interface MeasuredOf {
  readonly kind: string;
  readonly tenant: string;
  readonly jobId: string;
  readonly trace?: string | undefined;
  readonly isUnknown?: boolean;
  readonly isDead?: boolean;
}

const name = z.string().max(100).catch("");
const namesSchema = z.object({ kind: name, tenant: name, jobId: name }).catch({ kind: "", tenant: "", jobId: "" });

/** Reads the fields that a job of any version has; empty where a field is missing. */
export function namesOf(body: unknown): Pick<MeasuredOf, "kind" | "tenant" | "jobId"> {
  return namesSchema.parse(body);
}

/**
 * Makes the metric of one delivery.
 * @param startedAt when the batch was received, ms since 1970
 */
export function measuredJob(
  { attempts, timestamp }: Pick<Message, "attempts" | "timestamp">,
  verdict: Verdict,
  { kind, tenant, jobId, isUnknown = false, isDead = false }: MeasuredOf,
  ledger: JobLedger,
  startedAt: number,
): MeasuredJob {
  const settled = isDead ? "dead" : (ledger.failureOf(jobId) ?? "ok");
  return {
    kind: kind === "" ? "unknown" : kind,
    tenant,
    result: isUnknown ? "unknown" : verdict.verdict === "retry" ? "retried" : settled,
    durationMs: Date.now() - startedAt,
    attempts,
    waitedMs: Math.max(0, startedAt - timestamp.getTime()),
    spent: ledger.spentOn(jobId),
  };
}
