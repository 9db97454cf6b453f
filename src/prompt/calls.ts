import type { Context } from "../api/context.ts";
import type { Part, Seq } from "../api/message.ts";

/** Which result answers which call. */

type CallPart = Extract<Part, { type: "tool-call" }>;
type ResultPart = Extract<Part, { type: "tool-result" }>;
type Said = Pick<Context["messages"][number], "seq" | "role" | "content">;

/** The calls that are answered in some messages, each with the result that answers it. */
export interface CallMatches {
  readonly resultOf: ReadonlyMap<Part, ResultPart>;
  readonly matched: ReadonlySet<Part>;
}

/**
 * A call, and the step that it belongs to: calls that are made with no result and no user's word between them, and no message that is
 * not here, since that may have been either.
 */
interface MadeCall {
  readonly call: CallPart;
  readonly step: number;
}

/** A result that no call has the id of, and the step that it came right after; null where a user spoke in between. */
interface LooseResult {
  readonly result: ResultPart;
  readonly step: number | null;
}

/**
 * By id; where calls of one step share an id, by name, and then in order. A result answers the last step that has an open call of its id,
 * because some models count their calls anew in each turn. A result whose id nobody gave answers a call of its name in the step before it.
 */
export function matchCalls(messages: readonly Said[]): CallMatches {
  const resultOf = new Map<Part, ResultPart>();
  const matched = new Set<Part>();
  const match = (call: CallPart, result: ResultPart): void => {
    resultOf.set(call, result);
    matched.add(result);
  };
  const open = new Map<string, MadeCall[]>();
  const made: MadeCall[] = [];
  const loose: LooseResult[] = [];
  let step = 0;
  let isStepOver = false;
  let lastStep: number | null = null;
  let lastSeq: Seq = 0;
  for (const { seq, role, content } of messages) {
    if (seq > lastSeq + 1) isStepOver = true;
    lastSeq = seq;
    if (role === "system" || role === "developer") continue;
    if (role === "user" && (typeof content === "string" || content.some(({ type }) => type !== "tool-result"))) {
      isStepOver = true;
      lastStep = null;
    }
    if (typeof content === "string") continue;
    for (const part of content) {
      if (part.type === "tool-call" && role === "assistant") {
        if (isStepOver) step += 1;
        isStepOver = false;
        lastStep = step;
        const call = { call: part, step };
        made.push(call);
        const ofId = open.get(part.toolCallId);
        if (ofId === undefined) open.set(part.toolCallId, [call]);
        else ofId.push(call);
      } else if (part.type === "tool-result") {
        isStepOver = true;
        const ofId = open.get(part.toolCallId) ?? [];
        const answered = chooseCall(ofId, part.toolName);
        if (answered === undefined) {
          loose.push({ result: part, step: lastStep });
          continue;
        }
        ofId.splice(ofId.indexOf(answered), 1);
        match(answered.call, part);
      }
    }
  }
  for (const { result, step: after } of loose) {
    const answered = made.find(
      (one) => one.step === after && !resultOf.has(one.call) && one.call.toolName === result.toolName,
    );
    if (answered !== undefined) match(answered.call, result);
  }
  return { resultOf, matched };
}

/** Of the open calls of an id, the one that a result of some name answers. */
function chooseCall(open: readonly MadeCall[], toolName: string): MadeCall | undefined {
  const lastStep = open.at(-1)?.step;
  const inStep = open.filter(({ step }) => step === lastStep);
  return inStep.find(({ call }) => call.toolName === toolName) ?? inStep[0];
}
