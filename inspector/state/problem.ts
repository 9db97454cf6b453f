import { signal } from "@preact/signals";

/** What went wrong last, in words; empty: nothing. */
export const problem = signal("");
/** What went well last, told for a moment to those who cannot see it happen. */
export const notice = signal("");

export function showProblem(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  problem.value = error instanceof Error ? error.message : String(error);
}

/** Runs what a control asks for, and shows what goes wrong. True: it went well. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    problem.value = "";
    return true;
  } catch (error) {
    showProblem(error);
    return false;
  }
}
