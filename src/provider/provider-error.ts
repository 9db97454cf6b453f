import type { SummarizerUsage } from "../api/summarizer.ts";

export type ProviderErrorKind =
  /**
   * There was no answer: a network or protocol error, an HTTP status that reports a fault of the other side, or a
   * response that is not JSON. It may be temporary.
   */
  | "unreachable"
  /** There was no answer in time; the call was cancelled. */
  | "timeout"
  /** Too many requests, or a quota is used up. */
  | "rate_limited"
  /** The other side refuses the request: wrong key, unknown model, a redirect. It lasts until a setting is changed. */
  | "refused"
  /** The answer does not have the required form. */
  | "invalid_answer"
  /** An MCP tool reported a failure without details. */
  | "tool_error"
  /** No call was made, because the last calls failed. */
  | "circuit_open";

interface ProviderErrorFacts {
  /** HTTP status. */
  readonly status?: number | undefined;
  /** The pause that the other side asked for. */
  readonly retryAfterSeconds?: number | undefined;
  /** What was spent before it failed. Embeddings have no output tokens. */
  readonly usage?: SummarizerUsage | undefined;
}

/**
 * Why the provider of a model gave no summary, answer or vectors. The message never contains text of a conversation,
 * because errors are logged and stored with jobs.
 */
export class ProviderError extends Error {
  override readonly name = "ProviderError";
  readonly kind: ProviderErrorKind;
  readonly detail: string;
  readonly status: number | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly usage: SummarizerUsage | undefined;

  constructor(kind: ProviderErrorKind, detail: string, facts: ProviderErrorFacts = {}) {
    super(`${kind}: ${detail}`);
    this.kind = kind;
    this.detail = detail;
    this.status = facts.status;
    this.retryAfterSeconds = facts.retryAfterSeconds;
    this.usage = facts.usage;
  }

  /** The same error with what was spent before it, if that is known. */
  withUsage(usage: SummarizerUsage | undefined): ProviderError {
    if (usage === undefined) return this;
    const { status, retryAfterSeconds } = this;
    return new ProviderError(this.kind, this.detail, { status, retryAfterSeconds, usage });
  }
}

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
