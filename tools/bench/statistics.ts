// Percentiles, ratios and shuffles, as pure functions.

export interface Distribution {
  readonly count: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Percentiles by nearest rank: always a time that was measured, never an interpolation. Null without samples. */
export function distributionOf(samplesMs: readonly number[]): Distribution | null {
  if (samplesMs.length === 0) return null;
  const sorted = samplesMs.toSorted((one, other) => one - other);
  const at = (share: number): number => roundMs(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0);
  return { count: sorted.length, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), maxMs: at(1) };
}

/** Rounds to microseconds, below which a program's clock says nothing. */
function roundMs(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

/** Rounded to two decimal places; null if there is nothing to divide by. */
export function ratioOf(value: number | undefined, base: number | undefined): number | null {
  if (value === undefined || base === undefined || base <= 0) return null;
  return Math.round((value / base) * 100) / 100;
}

/** Shuffles so that every order is equally likely (Fisher-Yates). */
export function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const left = [...items];
  const shuffled: T[] = [];
  while (left.length > 0) shuffled.push(...left.splice(Math.floor(random() * left.length), 1));
  return shuffled;
}
