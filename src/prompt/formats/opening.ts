import type { Turn } from "./turns.ts";

/** The beginning of a prompt. */
export interface Opening {
  /** The rendered summary; null if there is none. */
  readonly summary: string | null;
  /** The role of the message that contains it. */
  readonly summaryRole: "user" | "system";
}

/** The turns, preceded by the summary as a turn of its own. */
export function openedTurns(turns: readonly Turn[], { summary, summaryRole }: Opening): Turn[] {
  if (summary === null) return [...turns];
  const said = { seq: 0, author: undefined } as const;
  const opening: Turn =
    summaryRole === "system"
      ? { role: "system", ...said, text: summary }
      : { role: "user", ...said, parts: [{ type: "text", text: summary }] };
  return [opening, ...turns];
}
