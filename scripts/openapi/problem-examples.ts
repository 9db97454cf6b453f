import { type Fault, PROBLEMS, type ProblemCode, problemSchema } from "../../src/api/errors.ts";
import { problemOf } from "../../src/api/problem.ts";
import type { ProblemExample } from "./document-types.ts";

/** What to do next, for each code. The detail of a real answer is more specific. */
const PROBLEM_ADVICE: Readonly<Record<ProblemCode, string>> = {
  malformed_json: "Fix the JSON at the given position and send it again.",
  validation_failed: "Fix the faults that errors lists, and send the request again. Nothing was changed.",
  unsupported_media_type: "Send JSON in UTF-8, with Content-Type: application/json.",
  unauthenticated: "Send Authorization: Bearer KEY with a key that is valid.",
  forbidden: "Use a key with the scope that the operation needs.",
  role_not_allowed:
    "Let your back end write what errors lists, with its key, or ask the operator to permit it to users (usersMay.write of the tenant). Nothing was changed.",
  setting_not_allowed:
    "Leave out what errors lists, or let your back end set it with its key. The operator can permit it to users (usersMay.set of the tenant). Nothing was changed.",
  route_not_found: "See /docs for the existing routes.",
  wrong_host: "Use one of the host names in the detail.",
  wrong_origin: "Call it from your back end, or ask the operator to add the origin to THREADKEEP_CORS_ORIGINS.",
  method_not_allowed: "Use one of the methods in the Allow header.",
  session_not_found: "Check the id and the user it belongs to, or append to create the session.",
  message_not_found: "Check the message's id; list the messages to see which exist.",
  summary_not_found: "List the summaries to see which versions exist.",
  tenant_not_found: "Create the tenant first, or list the tenants to see which exist.",
  tenant_exists: "Use the tenant as it is, or create one with another name.",
  key_not_found: "List the tenant's keys to see their ids.",
  key_not_live: "Create a new key.",
  key_rotated: "Use its successor, whose id is rotatedTo, or rotate that key.",
  too_many_keys: "Revoke the keys that nobody uses any more.",
  user_not_found: "Name the user that you act for, or use a key of the tenant.",
  user_erased: "Use another user id, or wait until returnsAt.",
  erasure_not_found:
    "Request an erasure with DELETE /v1/users/{userId}. The record of an erasure is deleted four days after its completion.",
  job_not_found: "List the jobs. A job that succeeded, or was retried or dropped, is no longer listed.",
  job_needed: "Do what the detail says. The job is required, so it cannot be dropped.",
  job_not_retryable: "Deploy the version that created it, or drop it from the list.",
  operation_not_found: "List the operations; only the newest thousand are kept.",
  import_not_found:
    "The import was given up, or the session came from another one. Start the import again, with a session id that is not in use.",
  import_gap:
    "These lines follow line 4000, but only the lines up to 3000 were received. Send the lines in between first.",
  operation_exists: "Choose another id, or leave it out.",
  message_erased: "Append a new message instead; an erased message cannot be changed.",
  message_conflict: "A message with this id and other content exists. Give the new message an id of its own.",
  summary_version_mismatch: "Compare the newest version with yours, and send its number as expectedVersion.",
  summary_not_restorable: "Wait until the session's summaryPending is false, and list its summaries again.",
  head_seq_mismatch: "Read the session, decide again, and send its current headSeq.",
  message_too_large: "Store large content elsewhere and append a reference to it.",
  body_too_large: "Send the messages in several smaller requests.",
  too_many_sessions:
    "Erase sessions that are not needed, continue an existing one, or ask the operator for more (limits.userSessions of the tenant).",
  session_exists: "Choose another id, or erase the session that has it.",
  session_not_ready: "Try again after Retry-After seconds. The session's status shows when it is complete.",
  session_expired: "Create a new session with continueFrom, or erase this one to use its id again.",
  upgrade_required: "Open a WebSocket, or send Accept: text/event-stream.",
  frame_too_large: "Send the messages in several smaller frames.",
  too_many_frames: "Wait for the answers, and acknowledge many events at a time.",
  too_many_sockets: "Close sockets that are not needed, or try again after Retry-After seconds.",
  session_full: "Continue in a new session.",
  model_not_configured: "No model is configured. Set THREADKEEP_MODEL, as described in docs/deploy.md.",
  rate_limited: "Wait Retry-After seconds, and send fewer requests. Nothing was done.",
  quota_exceeded:
    "Continue after Retry-After seconds, when the day (UTC) has ended, or ask the operator to raise the limit.",
  unavailable: "Send the same request again after Retry-After seconds.",
  internal: "Send the same request again; if it fails again, report the requestId.",
};

/** One example for each code. */
export function problemExamples(): Record<string, ProblemExample> {
  return Object.fromEntries(problemSchema.shape.code.options.map((code) => [code, exampleOf(code)]));
}

function exampleOf(code: ProblemCode): ProblemExample {
  const fault: Fault = { code, detail: PROBLEM_ADVICE[code] };
  const errors = [{ path: "/messages/3/role", detail: 'must be one of "user", "assistant", "tool"' }];
  const value = problemOf(code === "validation_failed" ? { ...fault, errors } : fault, "b3f1c6de-58f3-4f0e");
  return { summary: PROBLEMS[code].title, value };
}
