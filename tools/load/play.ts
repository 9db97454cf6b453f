// Plays the load: each chat takes its turns when they are due, and never sends before the last answer came.
import { setTimeout as sleep } from "node:timers/promises";
import type { Chat } from "./chat.ts";
import type { Recorder } from "./recorder.ts";
import type { PlannedTurn } from "./schedule.ts";

export interface PlayParts {
  readonly chats: readonly Chat[];
  readonly turnsOf: (chat: Chat) => Iterable<PlannedTurn>;
  readonly recorder: Recorder;
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
  /** In which row of the table a request counts, by the moment it was due. */
  readonly labelOf?: (operation: string, dueMs: number) => string;
}

export const OPERATIONS = {
  turn: "append with context",
  answer: "append of the answer",
  context: "context",
} as const;

const PROGRESS_MS = 1_000;

/** @param startedAt the start of the schedule, on the clock of `performance.now()` */
export async function playChats(parts: PlayParts, startedAt: number): Promise<void> {
  const { chats, turnsOf, recorder, seconds, signal, onProgress, labelOf = (operation) => operation } = parts;
  let turns = 0;
  const time = (operation: string, dueMs: number, send: () => Promise<unknown>): Promise<void> =>
    recorder.time(labelOf(operation, dueMs), startedAt + dueMs, send);
  const untilDue = async (dueMs: number): Promise<void> => {
    const waitMs = startedAt + dueMs - performance.now();
    if (waitMs <= 0) return;
    await sleep(waitMs, undefined, { signal });
    recorder.late(performance.now() - startedAt - dueMs);
  };
  const play = async (chat: Chat): Promise<void> => {
    for (const { dueMs, answerDueMs, reopens } of turnsOf(chat)) {
      await untilDue(dueMs);
      if (reopens) await time(OPERATIONS.context, dueMs, () => chat.context());
      // Reading the context first delayed the turn, and the person experiences both.
      await time(OPERATIONS.turn, reopens ? performance.now() - startedAt : dueMs, () => chat.append(true));
      await untilDue(answerDueMs);
      await time(OPERATIONS.answer, answerDueMs, () => chat.append(false));
      turns += 1;
      signal.throwIfAborted();
    }
  };
  const timer = setInterval(() => {
    const passed = Math.min(seconds, Math.round((performance.now() - startedAt) / 1_000));
    onProgress(`load: ${passed} of ${seconds} s, ${turns.toLocaleString("en")} turns taken`);
  }, PROGRESS_MS);
  try {
    // If one of thousands of chats fails, the others must not keep running unseen.
    const ends = await Promise.allSettled(chats.map(play));
    const failure = ends.find((end) => end.status === "rejected");
    if (failure !== undefined) throw failure.reason;
  } finally {
    clearInterval(timer);
  }
}
