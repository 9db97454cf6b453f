import type { Outcome } from "../src/api/errors.ts";
import type { Message } from "../src/api/message.ts";
import { type ModelMessage, type ModelSession, refusalOf } from "./model.ts";
import type { SessionInstance } from "./system-types.ts";
import { Violation } from "./violation.ts";

export const EVERYTHING = 100_000;

export function value<T>(outcome: Outcome<T>, what: string): T {
  if (outcome.ok) return outcome.value;
  throw new Violation(3, `${what} answered ${outcome.fault.code}: ${outcome.fault.detail}`);
}

/** Promises 1 and 3: the log is exactly what was acknowledged. */
export async function checkLog(instance: SessionInstance, model: ModelSession | null): Promise<void> {
  const outcome = await instance.messages({ limit: EVERYTHING });
  const difference = logDifference(outcome, model);
  if (difference !== null) throw new Violation(3, difference);
}

/** What is wrong with the log; null if it is what the model says. */
export function logDifference(outcome: Outcome<{ data: Message[] }>, model: ModelSession | null): string | null {
  if (!outcome.ok) {
    if (refusalOf(model) === outcome.fault.code) return null;
    return `the log of ${model?.log.length ?? 0} messages answers ${outcome.fault.code}`;
  }
  if (model === null || model.status !== "active") return `a log answers, and ${refusalOf(model)} was due`;
  const { data } = outcome.value;
  if (data.length !== model.log.length) return `the log has ${data.length} messages, not ${model.log.length}`;
  for (const [index, message] of data.entries()) {
    const expected = model.log[index];
    if (expected === undefined || message.seq !== expected.seq || message.id !== expected.id) {
      return `place ${index + 1} of the log holds ${message.id} at seq ${message.seq}, not ${expected?.id}`;
    }
    const different = messageDifference(message, expected);
    if (different !== null) return different;
  }
  return null;
}

export function messageDifference(message: Message, expected: ModelMessage): string | null {
  const isErased = expected.content === null;
  if ((message.afterSeq ?? message.seq - 1) !== expected.afterSeq) {
    return `seq ${message.seq} follows ${message.afterSeq}, not ${expected.afterSeq}`;
  }
  if ((message.erased === true) !== isErased) return `seq ${message.seq} is ${isErased ? "not " : ""}erased`;
  if ((message.pinned === true) !== expected.isPinned) {
    return `seq ${message.seq} is ${expected.isPinned ? "not " : ""}pinned`;
  }
  if (isErased) return message.content === "" ? null : `seq ${message.seq} is erased and has content`;
  if (JSON.stringify(message.content) !== JSON.stringify(expected.content) || message.role !== expected.role) {
    return `seq ${message.seq} does not say what was appended or edited`;
  }
  if (JSON.stringify(message.metadata) !== JSON.stringify(expected.metadata) || message.author !== expected.author) {
    return `seq ${message.seq} has other metadata or another author`;
  }
  return null;
}
