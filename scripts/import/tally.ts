// Counts what happens, for the report and the progress line.
import { showPlace } from "./entry.ts";
import type { Place } from "./entry.ts";

/** Notes beyond this are only counted, so that an invalid file does not flood the terminal. */
const MAX_NAMED_NOTES = 200;

export interface Note {
  readonly place: string;
  readonly reason: string;
}

/** A form of content that was not imported as it was. */
export interface Noted {
  readonly form: string;
  count: number;
  /** Position of the first one. */
  readonly first: string;
}

export class Tally {
  conversations = 0;
  /** Total number of conversations; null if counting would require reading everything twice. */
  conversationsInAll: number | null = null;
  messagesRead = 0;
  messagesSent = 0;
  messagesNew = 0;
  messagesKnown = 0;
  messagesRepaired = 0;
  retries = 0;
  finished = 0;
  bytesRead = 0;
  badCount = 0;
  warningCount = 0;
  failureCount = 0;
  readonly bad: Note[] = [];
  readonly warnings: Note[] = [];
  readonly failures: Note[] = [];
  readonly skipped = new Map<string, number>();
  readonly noted = new Map<string, Noted>();
  readonly appendMs: number[] = [];
  readonly summaryMs: number[] = [];
  readonly archiveMs: number[] = [];
  readonly contextMs: number[] = [];
  contextsChecked = 0;
  contextsGood = 0;
  withoutSummary = 0;
  /** While the service does not answer: for how long, and why. */
  waiting: { readonly reason: string; readonly elapsedMs: number } | null = null;
  readonly #say: (text: string) => void;

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  noteBad(place: Place, reason: string): void {
    this.badCount += 1;
    this.#note(this.bad, this.badCount, "left out", showPlace(place), reason);
  }

  noteWarning(place: Place, reason: string): void {
    this.warningCount += 1;
    this.#note(this.warnings, this.warningCount, "warning", showPlace(place), reason);
  }

  noteFailure(place: string, reason: string): void {
    this.failureCount += 1;
    this.#note(this.failures, this.failureCount, "FAILED", place, reason);
  }

  noteSkipped(reason: string): void {
    this.skipped.set(reason, (this.skipped.get(reason) ?? 0) + 1);
  }

  noteForm(place: Place, form: string): void {
    const noted = this.noted.get(form);
    if (noted === undefined) this.noted.set(form, { form, count: 1, first: showPlace(place) });
    else noted.count += 1;
  }

  #note(list: Note[], count: number, label: string, place: string, reason: string): void {
    if (count <= MAX_NAMED_NOTES) {
      list.push({ place, reason });
      this.#say(`${label}: ${place}: ${reason}`);
    } else if (count === MAX_NAMED_NOTES + 1) {
      this.#say(`${label}: more than ${MAX_NAMED_NOTES} of these; from here on they are only counted`);
    }
  }
}
