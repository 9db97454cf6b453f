// Whether memory keeps rising while the same work is repeated, computed from samples of it.

/** The first half does not count: until then code is loaded, and caches grow to their size. */
const SAMPLES_COMPARED = 3;
const MIN_SAMPLES = 4 * SAMPLES_COMPARED;

/**
 * The share by which memory rose in the second half: the mean of the half's last three samples divided by the mean of its first three,
 * minus 1. It shows a leak, and a single outlier does not change it much. Null for fewer than twelve samples, which say nothing.
 */
export function riseOfSecondHalf(samples: readonly number[]): number | null {
  if (samples.length < MIN_SAMPLES) return null;
  const half = samples.slice(Math.floor(samples.length / 2));
  return mean(half.slice(-SAMPLES_COMPARED)) / mean(half.slice(0, SAMPLES_COMPARED)) - 1;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
