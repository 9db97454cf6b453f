import { z } from "zod";
import {
  type Failure,
  type JobMessage,
  jobMessageSchema,
  type UserJobMessage,
  userJobMessageSchema,
} from "../api/job.ts";
import type { JobStanding } from "../lib/retry-policy.ts";
import { errorFields } from "../telemetry/redact.ts";
import { ACK, retryLater, type Verdict } from "./delivery.ts";
import { noteFailedJob, type ReportDeps } from "./report.ts";

const NOT_DELIVERED = "The queue gave up delivering it: its session object was out of reach.";
const NOT_UNDERSTOOD = "The body of the job was not understood: was it written by a later version?";

/** The fields that a job of any version has. A name longer than any of ours counts as missing. */
const name = z.string().min(1).max(300).catch("");
const anyJobSchema = z.object({ kind: name, tenant: name, owner: name, session: name, jobId: name });

/**
 * Handles a dead letter: a queue message that no consumer could bring to its session, or could parse. It is listed for
 * operators. The session still has the job pending and keeps sending it. Jobs that are over, or that a consumer is
 * working on, are not listed.
 */
export async function recordDeadLetter(body: unknown, attempts: number, parts: ReportDeps): Promise<Verdict> {
  const parsed = z.union([jobMessageSchema, userJobMessageSchema]).safeParse(body);
  const now = new Date().toISOString();
  const reason = parsed.success ? NOT_DELIVERED : NOT_UNDERSTOOD;
  const told = { reason, attempts, firstError: reason, firstFailedAt: now, lastError: reason, lastFailedAt: now };
  if (!parsed.success) {
    parts.log.error("dead_letter_not_understood", { attempts });
    await noteFailedJob(parts, { ...(await readAny(body)), ...told, state: "unknown" });
    return ACK;
  }
  const job = parsed.data;
  const { kind, tenant, owner, jobId } = job;
  const standing = await standingOf(job, parts);
  if (standing !== null && standing !== "pending") {
    parts.log.info("dead_letter_settled", { kind, jobId, standing });
    // It may have been listed while its session was out of reach.
    if (standing === "over") await parts.operations.clear(jobId);
    return ACK;
  }
  parts.log.error("dead_letter", { kind, jobId, attempts });
  const session = "session" in job ? job.session : "";
  await noteFailedJob(parts, { jobId, kind, tenant, owner, session, ...told, state: "undelivered" });
  return settleLetter(job, standing, attempts, parts);
}

type AnyJob = JobMessage | UserJobMessage;

/** Null if the object that has the job pending is out of reach, which may be why the delivery failed. */
async function standingOf(job: AnyJob, parts: ReportDeps): Promise<JobStanding | null> {
  try {
    if (job.kind !== "erase-user") return await parts.sessions.get(job).jobStanding(job.jobId, job.epoch);
    const erasure = await parts.users.readErasure(job);
    return erasure?.state === "erasing" ? "pending" : "over";
  } catch (error) {
    parts.log.warn("dead_letter_unanswered", { kind: job.kind, jobId: job.jobId, ...errorFields(error) });
    return null;
  }
}

/**
 * Tells the session that its job is on the list, so that the entry is removed when the job is done. If the session is
 * out of reach, the dead letter is retried.
 */
async function settleLetter(
  job: AnyJob,
  standing: JobStanding | null,
  attempts: number,
  parts: ReportDeps,
): Promise<Verdict> {
  if (standing === null) return retryLater(attempts);
  // A user's erasure removes its own entry when it ends.
  if (job.kind === "erase-user") {
    if ((await standingOf(job, parts)) === "over") await parts.operations.clear(job.jobId);
    return ACK;
  }
  const isNoted = await parts.sessions.get(job).noteUndelivered(job.jobId, job.epoch, NOT_DELIVERED);
  if (!isNoted) await parts.operations.clear(job.jobId);
  return ACK;
}

/**
 * Reads the names in a body that could not be parsed. A body without them gets an id made from its hash: it keeps the
 * same id each time it is sent (every few minutes), and so one job of a later version makes one entry instead of
 * crowding out the others.
 */
async function readAny(body: unknown): Promise<Pick<Failure, "jobId" | "kind" | "tenant" | "owner" | "session">> {
  const read = anyJobSchema.safeParse(body).data ?? NOTHING_READ;
  const isWhole = read.jobId !== "" && read.tenant !== "" && read.owner !== "";
  if (isWhole) return { ...read, kind: read.kind === "" ? "unknown" : read.kind };
  const bytes = new TextEncoder().encode(JSON.stringify(body) ?? "undefined");
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).slice(0, 16);
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { ...NOTHING_READ, kind: "unknown", jobId: `unknown-${hex}` };
}

const NOTHING_READ = { kind: "", tenant: "", owner: "", session: "", jobId: "" };
