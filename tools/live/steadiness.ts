// Whether memory rises while the same goes on and on, told from samples of it.

/** Before the middle what is loaded once is loaded, and what grows to its size has grown. */
const SAMPLES_COMPARED = 3;
const MIN_SAMPLES = 4 * SAMPLES_COMPARED;

/**
 * By what share memory rose in the second half: the mean of its last three samples over that of its first three, less 1. A leak
 * shows in it, and one sample that is off does not. Null of fewer than twelve samples, which tell nothing.
 */
export function riseOfSecondHalf(samples: readonly number[]): number | null {
  if (samples.length < MIN_SAMPLES) return null;
  const half = samples.slice(Math.floor(samples.length / 2));
  return mean(half.slice(-SAMPLES_COMPARED)) / mean(half.slice(0, SAMPLES_COMPARED)) - 1;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
