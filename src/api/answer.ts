import type { PartFault } from "./errors.ts";
import type { Seq } from "./message.ts";

/** What comes of asking a model for the next turn, a line for each piece: words as they come, then where the turn stands, or what went wrong. */
export type AnswerLine =
  | { readonly text: string }
  /** All of it was said, and appended as this message. */
  | { readonly seq: Seq }
  /** Nothing was appended. */
  | { readonly problem: PartFault };
