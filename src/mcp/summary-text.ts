/** A summary, as a model reads it over MCP. */

import type { TokenCount } from "../api/message.ts";
import type { Item, Summary } from "../api/summary.ts";
import { newestFirst } from "../prompt/items.ts";
import { linesWithin } from "./budget.ts";
import { fence, itemLine } from "./fenced-text.ts";

export interface ToldSummary {
  readonly memory: string;
  /** How many items did not fit. */
  readonly left: number;
}

/** The items that are not superseded, those with the newest sources first, as many as fit. */
export function tellSummary({ items }: Pick<Summary, "items">, maxTokens: TokenCount): ToldSummary {
  const held = newestFirst<Item>(items.filter(({ status }) => status !== "superseded"));
  const lines = linesWithin(
    held.map((item) => itemLine(item)),
    maxTokens,
  );
  return {
    memory: fence(held.length === 0 ? "(the summary holds nothing)" : lines.join("\n")),
    left: held.length - lines.length,
  };
}
