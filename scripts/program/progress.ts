// Shows progress: a line that is updated on a terminal; in a log file a line every few seconds if something changed.

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
