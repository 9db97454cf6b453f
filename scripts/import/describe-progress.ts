// The progress of an import in a line.
import type { Tally } from "./tally.ts";

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
