import type { Context } from "../api/context.ts";
import type { Part, Seq } from "../api/message.ts";

/** Finds out which tool result answers which tool call. */

type CallPart = Extract<Part, { type: "tool-call" }>;
type ResultPart = Extract<Part, { type: "tool-result" }>;
type Said = Pick<Context["messages"][number], "seq" | "role" | "content">;

/** The tool calls of some messages that have a result, and the results that belong to a call. */
export interface CallMatches {
  readonly resultOf: ReadonlyMap<Part, ResultPart>;
  readonly matched: ReadonlySet<Part>;
}

/**
 * A tool call and the number of its step. A step is a group of calls with no result, no user message and no missing
 * `seq` between them; a missing message might have been either.
 */
interface MadeCall {
  readonly call: CallPart;
  readonly step: number;
}

/** A result whose id no call has, and the last step before it; null if a user message came in between. */
interface LooseResult {
  readonly result: ResultPart;
  readonly step: number | null;
}

/**
 * Matches calls and results by id. If several calls of one step have the same id, the name of the tool decides, then
 * their order. A result answers the latest step that has an unanswered call with its id, because some models number
 * their calls from the start in each turn. A result whose id no call has answers a call of the same tool in the step
 * before it.
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

/** Chooses, among the unanswered calls with one id, the call that a result of this tool answers. */
function chooseCall(open: readonly MadeCall[], toolName: string): MadeCall | undefined {
  const lastStep = open.at(-1)?.step;
  const inStep = open.filter(({ step }) => step === lastStep);
  return inStep.find(({ call }) => call.toolName === toolName) ?? inStep[0];
}
