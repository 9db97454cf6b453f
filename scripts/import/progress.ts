// Shows progress: a line that is updated on a terminal; in a log file a line every few seconds if something changed.
import type { Tally } from "./tally.ts";

const TERMINAL_INTERVAL_MS = 100;
const LOG_INTERVAL_MS = 5_000;
const ERASE_LINE = "\r\u001b[2K";

export interface ProgressTarget {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export class Progress {
  readonly #target: ProgressTarget;
  readonly #describe: () => string;
  readonly #timer: NodeJS.Timeout;
  readonly #isTerminal: boolean;
  #shown = "";

  constructor(target: ProgressTarget, describe: () => string) {
    this.#target = target;
    this.#describe = describe;
    this.#isTerminal = target.isTTY === true;
    this.#timer = setInterval(() => this.#draw(), this.#isTerminal ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS);
    this.#timer.unref();
  }

  /** Prints a line above the progress line. */
  say(text: string): void {
    this.#target.write(this.#isTerminal ? `${ERASE_LINE}${text}\n` : `${text}\n`);
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#isTerminal) this.#target.write(ERASE_LINE);
  }

  #draw(): void {
    const line = this.#describe();
    // A wrapped line could not be erased.
    if (this.#isTerminal) this.#target.write(ERASE_LINE + line.slice(0, (this.#target.columns || 80) - 1));
    else if (line !== this.#shown) this.#target.write(`${line}\n`);
    this.#shown = line;
  }
}

export interface ProgressState {
  readonly tally: Tally;
  readonly startedAt: number;
  readonly totalBytes: number;
  readonly dryRun: boolean;
  readonly finishing: number | null;
  readonly now: number;
}

export function describeProgress(state: ProgressState): string {
  const { tally, finishing } = state;
  const seconds = Math.max(0.001, (state.now - state.startedAt) / 1_000);
  const messages = state.dryRun ? tally.messagesRead : tally.messagesSent;
  const parts =
    finishing === null
      ? [
          `${state.totalBytes === 0 ? 100 : Math.floor((tally.bytesRead / state.totalBytes) * 100)} % read`,
          tally.conversationsInAll === null
            ? `${count(tally.conversations)} conversations`
            : `${count(tally.conversations)} of ${count(tally.conversationsInAll)} conversations`,
          `${count(messages)} messages (${count(Math.round(messages / seconds))}/s)`,
        ]
      : [`finished ${count(tally.finished)} of ${count(finishing)} conversations`];
  if (tally.badCount > 0) parts.push(`${count(tally.badCount)} left out`);
  if (tally.failureCount > 0) parts.push(`${count(tally.failureCount)} failed`);
  if (tally.waiting !== null) {
    parts.push(`waiting for the service for ${Math.round(tally.waiting.elapsedMs / 1_000)} s: ${tally.waiting.reason}`);
  }
  return parts.join(" · ");
}

function count(value: number): string {
  return value.toLocaleString("en");
}
