/**
 * The result of `work`, or that of `onTimeout` (which may throw) where the work takes longer than `ms` milliseconds. The work itself goes on;
 * when it fails after the timeout, nobody hears of it.
 */
export async function withTimeout<T, Late = T>(work: Promise<T>, ms: number, onTimeout: () => Late): Promise<T | Late> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    return await Promise.race([work, timeout.then(onTimeout)]);
  } finally {
    clearTimeout(timer);
  }
}
