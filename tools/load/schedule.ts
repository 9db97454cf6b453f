// When each chat of a load says something. The schedule is fixed beforehand and waits for nobody: latency counts from the intended start,
// so that a service that stalls is charged for every request that it held up ("coordinated omission").
import { createRandom } from "../bench/statistics.ts";

/** A turn of a chat: the user says something, and the application asks for the context with it; then the model's answer is appended. */
export interface PlannedTurn {
  /** From the beginning of the load, in ms. */
  readonly dueMs: number;
  /** So much later the answer is there. */
  readonly answerDueMs: number;
  /** The user opens the chat anew, and the application reads the context first. */
  readonly reopens: boolean;
}

export interface Pace {
  readonly seconds: number;
  /** From one turn of a chat to its next, in seconds. */
  readonly gapSeconds: { readonly from: number; readonly to: number };
}

const TURNS_TO_A_REOPENING = 5;
/** What a model takes to answer, in ms. */
const ANSWER_MS = { from: 500, to: 3_000 } as const;

/**
 * Turns as people take them, until the time is over. The first comes within one gap, so that chats are spread evenly from the beginning.
 * @param seed the same gives the same turns
 */
export function* planHumanTurns({ seconds, gapSeconds }: Pace, seed: number): Generator<PlannedTurn> {
  const random = createRandom(seed);
  const between = ({ from, to }: { from: number; to: number }): number => from + random() * (to - from);
  let dueMs = random() * gapSeconds.to * 1_000;
  for (let turn = 1; dueMs < seconds * 1_000; turn += 1) {
    yield {
      dueMs,
      answerDueMs: dueMs + Math.min(between(ANSWER_MS), gapSeconds.from * 500),
      reopens: (turn + seed) % TURNS_TO_A_REOPENING === 0,
    };
    dueMs += between(gapSeconds) * 1_000;
  }
}

/** All chats are silent, and then all speak at the same moment; again and again, until the time is over. */
export function* planBursts(seconds: number, silenceSeconds: number, seed: number): Generator<PlannedTurn> {
  const random = createRandom(seed);
  for (let dueMs = silenceSeconds * 1_000; dueMs < seconds * 1_000; dueMs += silenceSeconds * 1_000) {
    const answerMs = ANSWER_MS.from + random() * (ANSWER_MS.to - ANSWER_MS.from);
    yield { dueMs, answerDueMs: dueMs + answerMs, reopens: false };
  }
}
