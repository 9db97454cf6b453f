import type { ItemKind, SummaryItem } from "../contract.ts";

/** What the service calls the kinds of items in its prompts, in its order. */
const HEADINGS: readonly (readonly [ItemKind, string])[] = [
  ["instruction", "Standing wishes"],
  ["fact", "Facts"],
  ["preference", "Preferences"],
  ["decision", "Decisions"],
  ["task", "Tasks"],
  ["question", "Questions"],
  ["event", "Events"],
];

/** A summary as a prompt of the service has it; null if nothing of it holds. */
export function renderSummary(items: readonly SummaryItem[]): string | null {
  const held = items.filter(({ status }) => status !== "superseded");
  if (held.length === 0) return null;
  const lines = HEADINGS.flatMap(([kind, heading]) => {
    const ofKind = held.filter((item) => item.kind === kind);
    return ofKind.length === 0 ? [] : [`${heading}:`, ...ofKind.map(renderItem)];
  });
  return ["<conversation_summary>", ...lines, "</conversation_summary>"].join("\n");
}

/** What a model may read as the beginning of a tag. */
const ANGLES = /[<＜﹤‹〈⟨❬❮❰⧼〈˂ᐸ]/gu;

/** On one line, in which no tag opens or closes, however it is spelled: what somebody said must not pose as what is around it. */
function renderItem({ text, status }: SummaryItem): string {
  const line = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").trim();
  return `- ${line.replaceAll(ANGLES, "&lt;")}${status === "done" ? " (done)" : ""}`;
}
