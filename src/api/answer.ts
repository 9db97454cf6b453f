import type { PartFault } from "./errors.ts";
import type { Seq } from "./message.ts";

/**
 * One line of the streamed answer of a model: first lines with text as it arrives, then one line with the seq of the
 * stored message, or with the problem.
 */
export type AnswerLine =
  | { readonly text: string }
  /** The answer is complete and was appended as this message. */
  | { readonly seq: Seq }
  /** The answer failed. Nothing was appended. */
  | { readonly problem: PartFault };
