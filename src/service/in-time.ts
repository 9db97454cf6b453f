/**
 * What was asked of a part that may be away: null if it fails or takes too long.
 * @param ms milliseconds that it is waited for
 */
export async function inTime<T>(asked: Promise<T>, ms: number): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([asked.catch(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}
