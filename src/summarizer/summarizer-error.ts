import type { SummarizerFailure, SummarizerUsage } from "../api/summarizer.ts";

export type SummarizerErrorKind =
  /**
   * There was no answer: a network or protocol error, or an HTTP status that reports a fault of the other side. It may
   * be temporary.
   */
  | "unreachable"
  /** There was no answer in time; the call was cancelled. */
  | "timeout"
  /** Too many requests, or a quota is used up. */
  | "rate_limited"
  /** The other side refuses the request: wrong key, unknown model. It lasts until a setting is changed. */
  | "refused"
  /** The answer does not have the required form. */
  | "invalid_answer"
  /** The tool reported a failure without details. */
  | "tool_error"
  /** No call was made, because the last calls failed. */
  | "circuit_open";

/** Facts about a failure besides its kind. */
export interface SummarizerErrorFacts {
  /** HTTP status. */
  readonly status?: number | undefined;
  /** What was spent before it failed. */
  readonly usage?: SummarizerUsage | undefined;
}

/**
 * Why there is no summary. The message never contains text of a conversation, because errors are logged and stored with
 * jobs.
 */
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

/** Where a failed tool result may say how long to wait, for servers that do not know our `error` object. */
export const RETRY_AFTER_META_KEY = "threadkeep/retryAfterSeconds";

const REQUEST_TIMEOUT = 408;
const CONFLICT = 409;
const TOO_EARLY = 425;
const TOO_MANY_REQUESTS = 429;

/** The kind of failure that an HTTP status other than 2xx means. */
export function failureKindOf(status: number): "unreachable" | "rate_limited" | "refused" {
  if (status === TOO_MANY_REQUESTS) return "rate_limited";
  if (status >= 500 || [REQUEST_TIMEOUT, CONFLICT, TOO_EARLY].includes(status)) return "unreachable";
  return "refused";
}

/** The same error with its usage. */
export function withUsage(error: SummarizerError, usage: SummarizerUsage | undefined): SummarizerError {
  const { kind, detail, retryAfterSeconds, status } = error;
  return usage === undefined ? error : new SummarizerError(kind, detail, retryAfterSeconds, { status, usage });
}

/** The error in the form in which it is sent to the caller. */
export function describeFailure(error: SummarizerError): SummarizerFailure {
  const { kind, status, retryAfterSeconds, usage } = error;
  return {
    kind: kind === "circuit_open" ? "unreachable" : kind,
    ...(status === undefined ? {} : { status }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(usage === undefined ? {} : { usage }),
  };
}
