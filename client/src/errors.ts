/** The error codes of the service and those of the client. Codes are stable; texts may change. */
export type ServiceCode =
  | "malformed_json"
  | "validation_failed"
  | "unsupported_media_type"
  | "unauthenticated"
  | "forbidden"
  | "role_not_allowed"
  | "setting_not_allowed"
  | "route_not_found"
  | "wrong_host"
  | "wrong_origin"
  | "method_not_allowed"
  | "session_not_found"
  | "message_not_found"
  | "summary_not_found"
  | "summary_version_mismatch"
  | "summary_not_restorable"
  | "tenant_not_found"
  | "tenant_exists"
  | "key_not_found"
  | "key_not_live"
  | "key_rotated"
  | "too_many_keys"
  | "user_not_found"
  | "user_erased"
  | "erasure_not_found"
  | "job_not_found"
  | "job_needed"
  | "job_not_retryable"
  | "operation_not_found"
  | "import_not_found"
  | "import_gap"
  | "operation_exists"
  | "message_erased"
  | "message_conflict"
  | "head_seq_mismatch"
  | "message_too_large"
  | "body_too_large"
  | "too_many_sessions"
  | "session_exists"
  | "session_not_ready"
  | "session_expired"
  | "upgrade_required"
  | "frame_too_large"
  | "too_many_frames"
  | "too_many_sockets"
  | "session_full"
  | "quota_exceeded"
  | "model_not_configured"
  | "rate_limited"
  | "unavailable"
  | "internal";

/**
 * - `network_error`: no complete answer arrived; the cause says why
 * - `deadline_exceeded`: `timeoutMs` passed before there was an answer; the cause is the error of the last try
 * - `unexpected_answer`: the answer is not from Threadkeep, or is truncated
 * - `invalid_argument`: refused by the client before anything was sent
 */
export type ClientCode = "network_error" | "deadline_exceeded" | "unexpected_answer" | "invalid_argument";

/** A newer service may have further codes. */
export type ErrorCode = ServiceCode | ClientCode | (string & {});

export interface FieldFault {
  /** A JSON Pointer into the body, or the name of a parameter. */
  path: string;
  detail: string;
}

export interface ErrorFields {
  code: ErrorCode;
  detail: string;
  status?: number;
  requestId?: string | null;
  errors?: readonly FieldFault[];
  facts?: Readonly<Record<string, unknown>>;
  cause?: unknown;
}

/** Every failure of a call except an abort, which rejects with the signal's reason. */
export class ThreadkeepError extends Error {
  override readonly name = "ThreadkeepError";
  readonly code: ErrorCode;
  /** What is wrong, and what to do next. */
  readonly detail: string;
  /** The HTTP status; 0 if there was no answer. */
  readonly status: number;
  /** Identifies the request in the log of the service. */
  readonly requestId: string | null;
  /** The faults of a refused request, each with its place. */
  readonly errors: readonly FieldFault[];
  /** Further values from the service, such as the session's current `headSeq`. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** How many times the request was sent. If an answer was lost, an earlier try may have succeeded. */
  tries = 0;

  constructor({ code, detail, status = 0, requestId = null, errors = [], facts = {}, cause }: ErrorFields) {
    super(`${code}: ${detail}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.detail = detail;
    this.status = status;
    this.requestId = requestId;
    this.errors = errors;
    this.facts = facts;
  }
}

export function invalidArgument(detail: string): ThreadkeepError {
  return new ThreadkeepError({ code: "invalid_argument", detail });
}

/**
 * The error for an answer that is not ok. An answer that is no problem document, for example from a proxy, becomes
 * `unexpected_answer`.
 */
export function errorOf(status: number, text: string): ThreadkeepError {
  const problem = parseObject(text);
  if (problem === null || typeof problem["code"] !== "string") {
    return new ThreadkeepError({
      code: "unexpected_answer",
      detail: `The answer with status ${status} is not from Threadkeep. Check the url, and whether a proxy answered.`,
      status,
    });
  }
  const { code, detail, requestId, errors, type: _type, title, status: _status, ...facts } = problem;
  return new ThreadkeepError({
    code: String(code),
    detail: String(detail ?? title ?? code),
    status,
    requestId: typeof requestId === "string" ? requestId : null,
    errors: Array.isArray(errors) ? errors : [],
    facts,
  });
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}
