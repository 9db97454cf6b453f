// The final report of the import.
import { CHECKED_CONTEXT_TOKENS } from "./finish.ts";
import type { Note, Noted, Tally } from "./tally.ts";

export interface Timing {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface Report {
  readonly files: number;
  readonly seconds: number;
  readonly dryRun: boolean;
  /** Null if the import was completed; else the reason why it stopped. */
  readonly stopped: string | null;
  readonly conversations: number;
  readonly messages: {
    readonly read: number;
    readonly acknowledged: number;
    readonly new: number;
    readonly alreadyThere: number;
    readonly repaired: number;
  };
  readonly skipped: Readonly<Record<string, number>>;
  /** What was not imported as it was, by form. */
  readonly noted: readonly Readonly<Noted>[];
  readonly badCount: number;
  readonly bad: readonly Note[];
  readonly warningCount: number;
  readonly warnings: readonly Note[];
  readonly failureCount: number;
  readonly failures: readonly Note[];
  readonly retries: number;
  readonly appends: Timing | null;
  readonly summaries: Timing | null;
  readonly archiving: Timing | null;
  readonly contexts: {
    readonly maxTokens: number;
    readonly checked: number;
    readonly withinBudgetAndWhole: number;
    readonly read: Timing | null;
  } | null;
  readonly withoutSummary: number;
  /** Where to look at the result; null if nothing was sent. */
  readonly look: string | null;
}

/** Percentiles by nearest rank, so that each is a time that was really measured. */
export function timing(samples: readonly number[]): Timing | null {
  if (samples.length === 0) return null;
  const sorted = samples.toSorted((one, other) => one - other);
  const at = (share: number): number => round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0);
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}

export interface Outcome {
  readonly files: number;
  readonly seconds: number;
  readonly dryRun: boolean;
  readonly finish: boolean;
  readonly stopped: string | null;
  /** The address of the service; null in a dry run. */
  readonly url: string | null;
}

export function makeReport(tally: Tally, outcome: Outcome): Report {
  return {
    files: outcome.files,
    seconds: Math.round(outcome.seconds * 10) / 10,
    dryRun: outcome.dryRun,
    stopped: outcome.stopped,
    conversations: tally.conversations,
    messages: {
      read: tally.messagesRead,
      acknowledged: tally.messagesSent,
      new: tally.messagesNew,
      alreadyThere: tally.messagesKnown,
      repaired: tally.messagesRepaired,
    },
    skipped: Object.fromEntries(tally.skipped),
    noted: [...tally.noted.values()],
    badCount: tally.badCount,
    bad: tally.bad,
    warningCount: tally.warningCount,
    warnings: tally.warnings,
    failureCount: tally.failureCount,
    failures: tally.failures,
    retries: tally.retries,
    appends: timing(tally.appendMs),
    summaries: timing(tally.summaryMs),
    archiving: timing(tally.archiveMs),
    contexts: outcome.finish
      ? {
          maxTokens: CHECKED_CONTEXT_TOKENS,
          checked: tally.contextsChecked,
          withinBudgetAndWhole: tally.contextsGood,
          read: timing(tally.contextMs),
        }
      : null,
    withoutSummary: tally.withoutSummary,
    look: outcome.url === null || tally.messagesSent === 0 ? null : lookAt(outcome.url),
  };
}

function lookAt(url: string): string {
  const base = url.replace(/\/+$/, "");
  return `${base}/ in a browser, with the key; or GET ${base}/v1/sessions, the newest conversation first`;
}

const NOTHING_NEW = "none was due: every summary already covers what it should";

export function showReport(report: Report): string {
  const lines: string[] = [];
  const row = (name: string, text: string): void => {
    lines.push(`${name.padEnd(16)}${text}`);
  };
  const { messages, contexts } = report;
  row("conversations", count(report.conversations));
  if (report.dryRun) row("messages", `${count(messages.read)} read and checked; nothing was sent (--dry-run)`);
  else {
    row(
      "messages",
      `${count(messages.acknowledged)} acknowledged: ${count(messages.new)} new, ${count(messages.alreadyThere)} already there`,
    );
  }
  if (messages.repaired > 0) row("repaired", count(messages.repaired));
  const skipped = Object.entries(report.skipped).map(([reason, times]) => `${count(times)} × ${reason}`);
  if (skipped.length > 0) row("skipped", skipped.join(", "));
  for (const { form, count: times, first } of report.noted)
    row("not as it was", `${count(times)} × ${form}; first: ${first}`);
  const left = ["custom instructions", "memory of other chats", "long-term memory", "block of an agent's memory"];
  if (left.some((reason) => (report.skipped[reason] ?? 0) > 0))
    row("", "--instructions pinned takes what was set for all chats along");
  row("bad lines", showCount(report.badCount, "left out and named above"));
  if (report.warningCount > 0) row("warnings", showCount(report.warningCount, "named above"));
  const waits = report.retries > 0 && report.appends !== null ? "; with the time waited for the service" : "";
  row("appends", showTiming(report.appends) + waits);
  if (contexts !== null) {
    row("summaries", report.summaries === null ? NOTHING_NEW : `${showTiming(report.summaries)}; call to readable`);
    row("archiving", report.archiving === null ? NOTHING_NEW : `${showTiming(report.archiving)}; call to archived`);
    if (report.withoutSummary > 0) {
      row("", `too short to need a summary: ${count(report.withoutSummary)}`);
    }
    row(
      "contexts",
      `${count(contexts.withinBudgetAndWhole)} of ${count(contexts.checked)} within ${count(contexts.maxTokens)} tokens with nothing omitted; read ${showTiming(contexts.read)}`,
    );
  }
  if (report.retries > 0) row("retries", count(report.retries));
  row("time", `${report.seconds.toLocaleString("en")} s`);
  row("failures", report.failureCount === 0 ? "none" : `${count(report.failureCount)}, named above`);
  if (report.look !== null) row("look at them", report.look);
  if (report.stopped !== null) lines.push("", report.stopped);
  return lines.join("\n");
}

function showCount(value: number, note: string): string {
  return value === 0 ? "none" : `${count(value)}, ${note}`;
}

function showTiming(value: Timing | null): string {
  return value === null
    ? "none"
    : `p50 ${value.p50Ms} ms, p99 ${value.p99Ms} ms, max ${value.maxMs} ms (${count(value.count)})`;
}

function count(value: number): string {
  return value.toLocaleString("en");
}
