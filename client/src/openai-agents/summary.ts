import type { ItemKind, SummaryItem } from "../contract.ts";

/** The headings of the kinds of items in the service's prompts, in the same order. */
const HEADINGS: readonly (readonly [ItemKind, string])[] = [
  ["instruction", "Standing wishes"],
  ["fact", "Facts"],
  ["preference", "Preferences"],
  ["decision", "Decisions"],
  ["task", "Tasks"],
  ["question", "Questions"],
  ["event", "Events"],
];

/** A summary in the form of the service's prompts; null if all its items are superseded. */
export function renderSummary(items: readonly SummaryItem[]): string | null {
  const held = items.filter(({ status }) => status !== "superseded");
  if (held.length === 0) return null;
  const lines = HEADINGS.flatMap(([kind, heading]) => {
    const ofKind = held.filter((item) => item.kind === kind);
    return ofKind.length === 0 ? [] : [`${heading}:`, ...ofKind.map(renderItem)];
  });
  return ["<conversation_summary>", ...lines, "</conversation_summary>"].join("\n");
}

/** Characters that a model may read as the start of a tag. */
const ANGLES = /[<＜﹤‹〈⟨❬❮❰⧼〈˂ᐸ]/gu;

/**
 * An item on one line, in which no tag can open or close, so that text of a chat cannot imitate the tags around it.
 */
function renderItem({ text, status }: SummaryItem): string {
  const line = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").trim();
  return `- ${line.replaceAll(ANGLES, "&lt;")}${status === "done" ? " (done)" : ""}`;
}
