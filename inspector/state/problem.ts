import { signal } from "@preact/signals";

/** The last error, in words; empty if there is none. */
export const problem = signal("");
/** How many dialogs are open: an error that occurs meanwhile is shown in them, because nobody can read what is behind. */
export const openDialogs = signal(0);
/** The last success, announced briefly to people who cannot see it. */
export const notice = signal("");

export function showProblem(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  problem.value = error instanceof Error ? error.message : String(error);
}

/** Runs the action of a control, and shows an error if it fails. Returns true if it succeeded. */
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
