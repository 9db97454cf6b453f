/**
 * Resolves with the result of `work`, or with that of `onTimeout`, which may throw, if the work takes longer than `ms`
 * milliseconds. The work itself is not cancelled, and a later failure of it is ignored.
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
