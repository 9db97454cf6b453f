import type { EmbeddingUsage } from "../api/embedding.ts";

export type EmbedderErrorKind =
  /**
   * There was no answer: a network error, an HTTP status that reports a fault of the other side, or a response that is
   * not JSON. It may be temporary.
   */
  | "unreachable"
  /** There was no answer in time; the call was cancelled. */
  | "timeout"
  /** Too many requests, or a quota is used up. */
  | "rate_limited"
  /** The other side refuses the request: wrong key, unknown model, a redirect. It lasts until a setting is changed. */
  | "refused"
  /** The answer does not have one vector per text. */
  | "invalid_answer"
  /** No call was made, because the last calls failed. */
  | "circuit_open";

export interface EmbedderErrorFacts {
  /** HTTP status. */
  readonly status?: number | undefined;
  /** The pause that the other side asked for. */
  readonly retryAfterSeconds?: number | undefined;
  /** What was spent before it failed. */
  readonly usage?: EmbeddingUsage | undefined;
}

/** Why there are no vectors. The message never contains the texts, because errors are logged. */
export class EmbedderError extends Error {
  override readonly name = "EmbedderError";
  readonly kind: EmbedderErrorKind;
  readonly detail: string;
  readonly status: number | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly usage: EmbeddingUsage | undefined;

  constructor(kind: EmbedderErrorKind, detail: string, facts: EmbedderErrorFacts = {}) {
    super(`${kind}: ${detail}`);
    this.kind = kind;
    this.detail = detail;
    this.status = facts.status;
    this.retryAfterSeconds = facts.retryAfterSeconds;
    this.usage = facts.usage;
  }
}
