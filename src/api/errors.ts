import { z } from "zod";
import { MAX_REPORTED_FAULTS } from "./limits.ts";
import type { Quota } from "./quota.ts";

/** Each error code with its HTTP status and title (RFC 9457). Codes are stable; titles may change. */
export const PROBLEMS = {
  malformed_json: { status: 400, title: "The body is not valid JSON" },
  validation_failed: { status: 422, title: "The request is not valid" },
  unsupported_media_type: { status: 415, title: "The body must be JSON" },
  unauthenticated: { status: 401, title: "An API key is required" },
  forbidden: { status: 403, title: "This key may not do that" },
  role_not_allowed: { status: 403, title: "Users may not write this content" },
  setting_not_allowed: { status: 403, title: "Users may only tighten these settings" },
  route_not_found: { status: 404, title: "There is no such route" },
  wrong_host: { status: 421, title: "The service does not accept this host name" },
  wrong_origin: { status: 403, title: "Pages of this origin may not call the service" },
  method_not_allowed: { status: 405, title: "The route does not offer this method" },
  session_not_found: { status: 404, title: "There is no such session" },
  message_not_found: { status: 404, title: "There is no such message" },
  summary_not_found: { status: 404, title: "There is no such summary" },
  summary_version_mismatch: { status: 409, title: "There is a newer version of the summary" },
  summary_not_restorable: { status: 409, title: "This version of the summary cannot be restored" },
  tenant_not_found: { status: 404, title: "There is no such tenant" },
  tenant_exists: { status: 409, title: "A tenant with this name exists already" },
  key_not_found: { status: 404, title: "There is no such key" },
  key_not_live: { status: 409, title: "The key is not valid any more" },
  key_rotated: { status: 409, title: "The key was rotated already" },
  too_many_keys: { status: 409, title: "The tenant has the maximum number of keys" },
  user_not_found: { status: 404, title: "There is no such user" },
  user_erased: { status: 410, title: "The user was erased" },
  erasure_not_found: { status: 404, title: "No erasure of this user is known" },
  job_not_found: { status: 404, title: "There is no such job" },
  job_needed: { status: 409, title: "The job cannot be dropped" },
  job_not_retryable: { status: 409, title: "The job cannot be retried" },
  operation_not_found: { status: 404, title: "There is no such operation run" },
  import_not_found: { status: 404, title: "There is no such import" },
  import_gap: { status: 409, title: "Lines before these are missing" },
  operation_exists: { status: 409, title: "The id belongs to another operation" },
  message_erased: { status: 409, title: "The message was erased" },
  message_conflict: { status: 409, title: "The message id exists with other content" },
  head_seq_mismatch: { status: 409, title: "The session has newer messages" },
  message_too_large: { status: 413, title: "A message is too large" },
  body_too_large: { status: 413, title: "The body is too large" },
  too_many_sessions: { status: 403, title: "The user has the maximum number of sessions" },
  session_exists: { status: 409, title: "A session with this id exists already" },
  session_not_ready: { status: 409, title: "The session is not complete yet" },
  session_expired: { status: 410, title: "The session has expired" },
  upgrade_required: { status: 426, title: "The live feed needs a WebSocket or an event stream" },
  frame_too_large: { status: 413, title: "A frame is too large" },
  too_many_frames: { status: 429, title: "Frames arrive too fast" },
  too_many_sockets: { status: 429, title: "The session has the maximum number of connections" },
  session_full: { status: 422, title: "The session is full" },
  model_not_configured: { status: 501, title: "No model is configured" },
  rate_limited: { status: 429, title: "There are too many requests" },
  quota_exceeded: { status: 429, title: "The daily quota is used up" },
  unavailable: { status: 503, title: "A component of the service cannot be reached" },
  internal: { status: 500, title: "Internal error" },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/**
 * One fault of a request: its place, as a JSON Pointer into the body or the name of a parameter, and what is wrong
 * there.
 */
const fieldFaultSchema = z.object({
  path: z.string(),
  detail: z.string(),
});
export type FieldFault = z.infer<typeof fieldFaultSchema>;

/**
 * An error as plain data. It travels between Durable Objects as a value, because RPC loses the class of a thrown error.
 */
export interface Fault {
  readonly code: ProblemCode;
  /** What is wrong, and what to do next. Never contains text of a message. */
  readonly detail: string;
  readonly errors?: readonly FieldFault[];
  readonly retryAfterSeconds?: number;
  /** The quota that was reached, if it is counted exactly. */
  readonly quota?: Quota;
  /** Values that a client can use, such as the current `headSeq`. They become members of the problem document. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
}

/**
 * The result of an RPC call to a Durable Object: a value, or a fault, which the HTTP, RPC or MCP surface turns into a
 * problem document.
 */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: Fault };

/**
 * A fault as an exception. It is thrown within one isolate and turned into an `Outcome` before it crosses an RPC
 * boundary.
 */
export class ThreadkeepError extends Error {
  override readonly name = "ThreadkeepError";
  readonly fault: Fault;

  constructor(fault: Fault, options?: { readonly cause: unknown }) {
    super(`${fault.code}: ${fault.detail}`, options);
    const { errors = [] } = fault;
    // Cut here, so that no surface can return a longer list.
    this.fault =
      errors.length <= MAX_REPORTED_FAULTS ? fault : { ...fault, errors: errors.slice(0, MAX_REPORTED_FAULTS) };
  }
}

/** Returns the value. @throws {ThreadkeepError} if the outcome is a fault */
export function unwrap<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new ThreadkeepError(outcome.fault);
}

/** What went wrong with one part of an answer, when the rest of it could be given. */
export const partFaultSchema = z
  .object({
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string().describe("What is wrong, and what to do next"),
  })
  .meta({ id: "PartFault" });
export type PartFault = z.infer<typeof partFaultSchema>;

/** A problem document as clients read it (`application/problem+json`). */
export const problemSchema = z
  .object({
    type: z.string().describe("A URI reference that identifies the kind of problem"),
    title: z.string(),
    status: z.number().int(),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string().describe("What is wrong, and what to do next"),
    requestId: z.string(),
    errors: z.array(fieldFaultSchema).optional(),
  })
  .loose()
  .meta({ id: "Problem" });
export type Problem = z.infer<typeof problemSchema>;
