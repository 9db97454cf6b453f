export type SummarizerErrorKind =
  /** No answer came: network, HTTP status, protocol. */
  | "unreachable"
  /** No answer came in time. The call was cancelled. */
  | "timeout"
  /** The tool answered that it failed. */
  | "tool_error"
  /** The answer has not the shape that was asked for. */
  | "invalid_answer";

/** Why there is no summary. Its message never holds text of a conversation: errors are logged, and kept with jobs. */
export class SummarizerError extends Error {
  override readonly name = "SummarizerError";
  readonly kind: SummarizerErrorKind;
  /** The pause that the other side asked for. */
  readonly retryAfterSeconds: number | undefined;

  constructor(kind: SummarizerErrorKind, detail: string, retryAfterSeconds?: number) {
    super(`${kind}: ${detail}`);
    this.kind = kind;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Where a failed tool result says how long to wait: MCP has no field of its own for it. */
export const RETRY_AFTER_META_KEY = "threadkeep/retryAfterSeconds";
