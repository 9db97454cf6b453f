import { z } from "zod";
import { type Failure, jobMessageSchema, userJobMessageSchema } from "../contracts/job.ts";
import type { Verdict } from "./delivery.ts";
import { noteFailedJob, type ReportParts } from "./report.ts";

const NOT_DELIVERED = "The queue gave up delivering it: its session object was out of reach.";
const NOT_UNDERSTOOD = "The body of the job was not understood: was it written by a later version?";

/** What any version of a job says of itself, as far as it can be read. Names of ours are no longer. */
const name = z.string().min(1).max(300).catch("");
const anyJobSchema = z.object({ kind: name, tenant: name, owner: name, session: name, jobId: name });

/**
 * A dead letter: a delivery that no consumer could bring to its object, or could not understand. It is indexed for operators; the
 * object still owes the work and goes on sending it.
 */
export async function recordDeadLetter(body: unknown, attempts: number, parts: ReportParts): Promise<Verdict> {
  const parsed = z.union([jobMessageSchema, userJobMessageSchema]).safeParse(body);
  const now = new Date().toISOString();
  const reason = parsed.success ? NOT_DELIVERED : NOT_UNDERSTOOD;
  const told = { reason, attempts, firstError: reason, firstFailedAt: now, lastError: reason, lastFailedAt: now };
  if (!parsed.success) {
    parts.log.error("dead_letter_not_understood", { attempts });
    await noteFailedJob(parts, { ...(await readAny(body)), ...told, state: "unknown" });
    return { verdict: "ack" };
  }
  const { kind, tenant, owner, jobId, ...rest } = parsed.data;
  parts.log.error("dead_letter", { kind, jobId, attempts });
  const session = "session" in rest ? rest.session : "";
  await noteFailedJob(parts, { jobId, kind, tenant, owner, session, ...told, state: "undelivered" });
  return { verdict: "ack" };
}

/**
 * What a body says that was not understood. It has the same name each time that it comes: whoever owes the work sends it every few
 * minutes, and one job of tomorrow would else crowd out all others.
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
