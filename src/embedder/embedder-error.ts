import type { EmbeddingUsage } from "../api/embedding.ts";

export type EmbedderErrorKind =
  /** No answer came: network, HTTP status of a fault on the other side, something that is no JSON. May pass by itself. */
  | "unreachable"
  /** No answer came in time. The call was cancelled. */
  | "timeout"
  /** Asked too often, or over a quota. */
  | "rate_limited"
  /** The other side does not take the request as it is: wrong key, unknown model, a redirect. Stays so until a setting changes. */
  | "refused"
  /** The answer is not one vector for each text. */
  | "invalid_answer"
  /** It was not asked, because it failed too often just now. */
  | "circuit_open";

export interface EmbedderErrorFacts {
  /** HTTP status. */
  readonly status?: number | undefined;
  /** The pause that the other side asked for. */
  readonly retryAfterSeconds?: number | undefined;
  /** What was spent before it failed. */
  readonly usage?: EmbeddingUsage | undefined;
}

/** Why there are no vectors. Its message never holds what was to be embedded: errors are logged. */
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
