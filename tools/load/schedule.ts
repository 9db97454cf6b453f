// When each chat of a load sends something. The schedule is fixed beforehand and does not wait for answers. Latency counts from the intended
// start, so that a service that stalls is charged for every request that it delayed ("coordinated omission").
import { createRandom } from "../../simulation/random.ts";

/** A turn of a chat: the user's message is appended and returns the context; then the model's answer is appended. */
export interface PlannedTurn {
  /** In ms from the start of the load. */
  readonly dueMs: number;
  /** How much later the answer is appended. */
  readonly answerDueMs: number;
  /** Whether the user has opened the chat again, so that the application reads the context first. */
  readonly reopens: boolean;
}

export interface Pace {
  readonly seconds: number;
  /** Seconds between two turns of a chat. */
  readonly gapSeconds: { readonly from: number; readonly to: number };
}

const TURNS_TO_A_REOPENING = 5;
/** How long a model takes to answer, in ms. */
const ANSWER_MS = { from: 500, to: 3_000 } as const;

/**
 * Turns at the pace of a person, until the end. The first turn comes within one gap, so that chats are spread evenly from the start.
 * @param seed the same seed gives the same turns
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

/** All chats are silent, and then all speak at the same moment, repeatedly until the end. */
export function* planBursts(seconds: number, silenceSeconds: number, seed: number): Generator<PlannedTurn> {
  const random = createRandom(seed);
  for (let dueMs = silenceSeconds * 1_000; dueMs < seconds * 1_000; dueMs += silenceSeconds * 1_000) {
    const answerMs = ANSWER_MS.from + random() * (ANSWER_MS.to - ANSWER_MS.from);
    yield { dueMs, answerDueMs: dueMs + answerMs, reopens: false };
  }
}
