/** An error that the person at the keyboard can fix: the message says how, and no stack trace is shown. */
export class StartError extends Error {
  override name = "StartError";
}

export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
