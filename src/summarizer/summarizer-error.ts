import type { SummarizerFailure, SummarizerUsage } from "../api/summarizer.ts";

export type SummarizerErrorKind =
  /** No answer came: network, HTTP status of a fault on the other side, protocol. May pass by itself. */
  | "unreachable"
  /** No answer came in time. The call was cancelled. */
  | "timeout"
  /** Asked too often, or over a quota. */
  | "rate_limited"
  /** The other side does not take the request as it is: wrong key, unknown model. Stays so until a setting changes. */
  | "refused"
  /** The answer has not the shape that was asked for. */
  | "invalid_answer"
  /** The tool answered that it failed, without saying how. */
  | "tool_error"
  /** It was not asked, because it failed too often just now. */
  | "circuit_open";

/** What is known of a failure besides its kind. */
export interface SummarizerErrorFacts {
  /** HTTP status. */
  readonly status?: number | undefined;
  /** What was spent before it failed. */
  readonly usage?: SummarizerUsage | undefined;
}

/** Why there is no summary. Its message never holds text of a conversation: errors are logged, and kept with jobs. */
export class SummarizerError extends Error {
  override readonly name = "SummarizerError";
  readonly kind: SummarizerErrorKind;
  readonly detail: string;
  /** The pause that the other side asked for. */
  readonly retryAfterSeconds: number | undefined;
  readonly status: number | undefined;
  readonly usage: SummarizerUsage | undefined;

  constructor(kind: SummarizerErrorKind, detail: string, retryAfterSeconds?: number, facts: SummarizerErrorFacts = {}) {
    super(`${kind}: ${detail}`);
    this.kind = kind;
    this.detail = detail;
    this.retryAfterSeconds = retryAfterSeconds;
    this.status = facts.status;
    this.usage = facts.usage;
  }
}

/** Where a failed tool result of a server that knows no `error` object may say how long to wait. */
export const RETRY_AFTER_META_KEY = "threadkeep/retryAfterSeconds";

const REQUEST_TIMEOUT = 408;
const CONFLICT = 409;
const TOO_EARLY = 425;
const TOO_MANY_REQUESTS = 429;

/** What an HTTP status that is no success means for whoever asked for a summary. */
export function failureKindOf(status: number): "unreachable" | "rate_limited" | "refused" {
  if (status === TOO_MANY_REQUESTS) return "rate_limited";
  if (status >= 500 || [REQUEST_TIMEOUT, CONFLICT, TOO_EARLY].includes(status)) return "unreachable";
  return "refused";
}

/** The same failure, with what it cost. */
export function withUsage(error: SummarizerError, usage: SummarizerUsage | undefined): SummarizerError {
  const { kind, detail, retryAfterSeconds, status } = error;
  return usage === undefined ? error : new SummarizerError(kind, detail, retryAfterSeconds, { status, usage });
}

/** A failure as it travels. */
export function describeFailure(error: SummarizerError): SummarizerFailure {
  const { kind, status, retryAfterSeconds, usage } = error;
  return {
    kind: kind === "circuit_open" ? "unreachable" : kind,
    ...(status === undefined ? {} : { status }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(usage === undefined ? {} : { usage }),
  };
}
