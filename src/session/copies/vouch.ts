import type { Seq } from "../../api/message.ts";
import { oneLine } from "../../api/text.ts";
import { MAX_CALL_EVIDENCE_CHARACTERS, weigh } from "../summary/index.ts";
import type { Unit } from "../unit.ts";

/** A statement that an import attributes to messages of another session. */
export interface Claim {
  readonly text: string;
  readonly sourceSeqs: readonly Seq[];
}

/**
 * Tells for each claim, in their order, whether the messages of this session support it. If much has to be read, the
 * result is shorter than `claims`: the caller asks again for the rest.
 */
export function vouch(unit: Unit, claims: readonly Claim[]): boolean[] {
  const answers: boolean[] = [];
  let total = 0;
  for (const { text, sourceSeqs } of claims) {
    if (total >= MAX_CALL_EVIDENCE_CHARACTERS) break;
    const isWhole = unit.store.messages.countUnerased(sourceSeqs) === new Set(sourceSeqs).size;
    const { isBorneOut, read } = isWhole ? weigh(unit, oneLine(text), sourceSeqs) : { isBorneOut: false, read: 0 };
    total += read;
    answers.push(isBorneOut);
  }
  return answers;
}
