// The items of a conversation's last summary. The conversation is rolled through the built-in summarizer with default settings, as the
// service does it, but in this process.
import { resolveSettings } from "../../src/api/session.ts";
import type { TranscriptMessage } from "../../src/api/summarizer.ts";
import type { Item } from "../../src/api/summary.ts";
import { chooseCut, type CutMessage, isSummaryDue } from "../../src/prompt/cut.ts";
import { contentTokens, messageCost } from "../../src/prompt/message-text.ts";
import { summarizeExtractively } from "../../src/summarizer/extractive.ts";
import type { Turn } from "./retrieval.ts";

export function rollItems(turns: readonly Turn[]): Item[] {
  const { summarizeAfterTokens, keepRecentTokens, summaryMaxTokens } = resolveSettings({});
  const messages = turns.map(({ content, author }, at): CutMessage => ({
    seq: at + 1,
    content,
    cost: messageCost({ tokens: contentTokens(content), author: author ?? undefined }),
  }));
  let items: Item[] = [];
  let throughSeq = 0;
  let version = 0;
  let waiting = 0;
  for (const { seq, cost } of messages) {
    waiting += cost;
    if (!isSummaryDue(waiting, { summarizeAfterTokens })) continue;
    const target = chooseCut(messages.slice(throughSeq, seq).toReversed(), keepRecentTokens);
    if (target <= throughSeq) continue;
    version += 1;
    const given = turns.slice(throughSeq, target).map((turn, at) => transcriptOf(turn, throughSeq + at + 1));
    items = summarizeExtractively({ previous: items, messages: given, maxTokens: summaryMaxTokens }).map(
      ({ id, ...item }, place) => ({ id: id ?? `${version}.${place + 1}`, ...item }),
    );
    throughSeq = target;
    waiting = messages.slice(target, seq).reduce((sum, message) => sum + message.cost, 0);
  }
  return items;
}

function transcriptOf({ role, author, content, occurredAtMs }: Turn, seq: number): TranscriptMessage {
  return {
    seq,
    role,
    ...(author === null ? {} : { author }),
    at: occurredAtMs === null ? "" : new Date(occurredAtMs).toISOString(),
    text: content,
  };
}
