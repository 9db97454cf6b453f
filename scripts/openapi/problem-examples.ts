import { type Fault, PROBLEMS, type ProblemCode, problemSchema } from "../../src/api/errors.ts";
import { problemOf } from "../../src/api/problem.ts";
import type { ProblemExample } from "./document-types.ts";

/** What each code says to do next; the words of a real answer are closer to the case. */
const PROBLEM_ADVICE: Readonly<Record<ProblemCode, string>> = {
  malformed_json: "Mend the JSON at the position given and send it again.",
  validation_failed: "Mend what errors lists, each by its path, and send it again. Nothing was changed.",
  unsupported_media_type: "Send JSON in UTF-8, with Content-Type: application/json.",
  unauthenticated: "Send Authorization: Bearer KEY with a key that is valid.",
  forbidden: "Use a key with the scope that the operation needs.",
  role_not_allowed:
    "Let your back end write what errors lists, with its key, or ask the operator to open it to users (usersMay.write of the tenant). Nothing was changed.",
  setting_not_allowed:
    "Leave out what errors lists, or let your back end set it with its key; the operator can open it to users (usersMay.set of the tenant). Nothing was changed.",
  route_not_found: "Look the path up at /docs.",
  wrong_host: "Use one of the names that the detail lists.",
  wrong_origin: "Call it from your back end, or ask the operator to list the origin in THREADKEEP_CORS_ORIGINS.",
  method_not_allowed: "Use one of the methods that the Allow header names.",
  session_not_found: "Check the id and the user it belongs to, or append to create the session.",
  message_not_found: "Check the message's id; list the messages to see which there are.",
  summary_not_found: "List the summaries to see which versions there are.",
  tenant_not_found: "Create the tenant first, or list the tenants to see which there are.",
  tenant_exists: "Use the tenant as it is, or create one of another name.",
  key_not_found: "List the tenant's keys to see their ids.",
  key_not_live: "Create a new key.",
  key_rotated: "Use the successor that rotatedTo names, or rotate that one.",
  too_many_keys: "Revoke the keys that nobody uses any more.",
  user_not_found: "Name the user that you speak for, or use a key of the tenant.",
  user_erased: "Use another user id, or wait until returnsAt.",
  erasure_not_found: "Ask for it with DELETE /v1/users/{userId}; one that is over is forgotten after four days.",
  job_not_found: "List the jobs; a job that went well, or was retried or dropped, is listed no more.",
  job_needed: "Do what the detail says: dropped, the job would leave undone what the service promises.",
  job_not_retryable: "Deploy the version that wrote it, or drop it from the list.",
  operation_not_found: "List the operations; the newest thousand are remembered.",
  import_not_found:
    "The import was given up, or the session came from another one. Start the import again, with a session id that is not in use.",
  import_gap: "These lines come after line 4000, and the file is in through line 3000. Send those between first.",
  operation_exists: "Choose another id, or leave it out.",
  message_erased: "Append a new message instead; the tombstone stays.",
  message_conflict: "The id has other content. Give the new message an id of its own.",
  summary_version_mismatch: "Compare the newest version with yours, and send its number as expectedVersion.",
  summary_not_restorable: "Wait until the session's summaryPending is false, and list its summaries again.",
  head_seq_mismatch: "Read the session, decide anew, and send the headSeq that it has now.",
  message_too_large: "Keep large content elsewhere and append a reference to it.",
  body_too_large: "Send the messages in several smaller requests.",
  too_many_sessions:
    "Erase sessions that are not needed, go on in one that is there, or ask the operator for more (limits.userSessions of the tenant).",
  session_exists: "Choose another id, or erase the session that has it.",
  session_not_ready: "Ask again after Retry-After seconds; reading the session tells when it is whole.",
  session_expired: "Create a new session with continueFrom, or erase this one to use its id anew.",
  upgrade_required: "Open a WebSocket, or send Accept: text/event-stream.",
  frame_too_large: "Send the messages in several smaller frames.",
  too_many_frames: "Wait for the answers, and acknowledge many events at a time.",
  too_many_sockets: "Close sockets that are not needed, or try again after Retry-After seconds.",
  session_full: "Go on in a new session.",
  model_not_configured: "No model is set that could answer: set THREADKEEP_MODEL, as docs/deploy.md has it.",
  rate_limited: "Wait Retry-After seconds, and send fewer requests at a time. Nothing was done.",
  quota_exceeded: "Go on after Retry-After seconds, when the day (UTC) is over, or ask the operator for more.",
  unavailable: "Send the same request again after Retry-After seconds.",
  internal: "Send the same request again; if it fails again, report the requestId.",
};

/** One of each code. */
export function problemExamples(): Record<string, ProblemExample> {
  return Object.fromEntries(problemSchema.shape.code.options.map((code) => [code, exampleOf(code)]));
}

function exampleOf(code: ProblemCode): ProblemExample {
  const fault: Fault = { code, detail: PROBLEM_ADVICE[code] };
  const errors = [{ path: "/messages/3/role", detail: 'must be one of "user", "assistant", "tool"' }];
  const value = problemOf(code === "validation_failed" ? { ...fault, errors } : fault, "b3f1c6de-58f3-4f0e");
  return { summary: PROBLEMS[code].title, value };
}
