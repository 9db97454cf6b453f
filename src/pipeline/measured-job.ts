import { z } from "zod";
import type { MeasuredJob } from "../telemetry/metrics.ts";
import type { Verdict } from "./delivery.ts";
import type { JobLedger } from "./job-ledger.ts";

/** What a delivery was of, as far as that is known. */
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

/** What any version of a job says of itself. */
export function namesOf(body: unknown): Pick<MeasuredOf, "kind" | "tenant" | "jobId"> {
  return namesSchema.parse(body);
}

/** @param startedAt when the batch came, ms since 1970 */
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
