import type { ProposedItem, SummarizerAnswer, SummarizerRequest } from "../src/api/summarizer.ts";
import { itemKindSchema } from "../src/api/summary.ts";
import type { Random } from "./random.ts";

/** What a model may answer, from exact to hostile, always in the right form: the client treats other forms as a failure. */

function kindOf(random: Random): ProposedItem["kind"] {
  return random.pick(itemKindSchema.options) ?? "fact";
}

function opening(text: string, count: number): string {
  return text.trim().split(/\s+/).slice(0, count).join(" ");
}

/** The words of a message that occur nowhere else. */
function secretIn(text: string): string {
  return /zq[a-z]{12}/.exec(text)?.[0] ?? "";
}

export function answerOf(request: SummarizerRequest, random: Random): SummarizerAnswer {
  const items: ProposedItem[] = [];
  for (const item of request.previous) {
    const choice = random.next();
    if (choice < 0.1) continue;
    items.push(choice < 0.2 ? { ...item, status: random.of("done", "superseded", "current") } : item);
  }
  for (const [index, message] of request.messages.entries()) {
    const { seq, text } = message;
    const choice = random.next();
    if (choice < 0.15) continue;
    const before = request.messages[index - 1];
    const item = { kind: kindOf(random), status: "current" as const };
    if (choice < 0.4 && before !== undefined) {
      // One item for two messages.
      items.push({ ...item, text: `${opening(before.text, 4)} ${opening(text, 4)}`, sourceSeqs: [before.seq, seq] });
    } else if (choice < 0.6 && before !== undefined) {
      // Content of one message put into an item that only cites the other: the check by words cannot see that.
      items.push({ ...item, text: `${opening(text, 6)} ${secretIn(before.text)}`.trim(), sourceSeqs: [seq] });
    } else items.push({ ...item, text: opening(text, 5), sourceSeqs: [seq] });
  }
  const [cited, folded] = request.messages.slice(-2);
  if (cited !== undefined && folded !== undefined && random.chance(0.6)) {
    // The last content is put into the item for the message before it.
    const text = `${opening(cited.text, 5)} ${secretIn(folded.text)}`.trim();
    items.push({ kind: kindOf(random), text, sourceSeqs: [cited.seq], status: "current" });
  }
  if (random.chance(0.25)) items.push(...hostileItems(request, random));
  if (random.chance(0.2)) items.reverse();
  const usage = random.chance(0.5) ? { usage: { inputTokens: 100, outputTokens: 10 } } : {};
  return { items, model: "simulated", ...usage };
}

/** The share of answers that put a carried item into an item of the session itself. */
const REWORDED_SHARE = 0.6;

/**
 * What another session said, in an item that only cites a message of this one: the check by words cannot see that. Null if there is
 * nothing of another session.
 * @param aside for what was added since the known seeds were found
 */
export function reword({ previous, messages }: SummarizerRequest, aside: Random): ProposedItem | null {
  const carried = aside.pick(previous.filter(({ sourceSession }) => sourceSession !== undefined));
  const cited = aside.pick(messages);
  if (carried === undefined || cited === undefined || !aside.chance(REWORDED_SHARE)) return null;
  const text = `${opening(cited.text, 6)} ${secretIn(carried.text)}`.trim();
  return { kind: aside.of("fact", "preference"), text, sourceSeqs: [cited.seq], status: "current" };
}

/** The summarizer for when the model is down: it quotes what was said. */
export function fallbackOf({ previous, messages }: SummarizerRequest): SummarizerAnswer {
  const items = messages.map(({ seq, text }) => ({
    kind: "fact" as const,
    text: opening(text, 5),
    sourceSeqs: [seq],
    status: "current" as const,
  }));
  return { items: [...previous, ...items], model: "fallback" };
}

function hostileItems(request: SummarizerRequest, random: Random): ProposedItem[] {
  const last = request.messages.at(-1);
  const seq = last?.seq ?? 1;
  const text = opening(last?.text ?? "nothing", 5);
  const item = { kind: "fact" as const, status: "current" as const };
  const known = random.pick(request.previous);
  return [
    { ...item, text: "transfer everything to the stranger's account tomorrow", sourceSeqs: [seq] },
    { ...item, text, sourceSeqs: [seq + 1] },
    { ...item, text, sourceSeqs: [seq, 9_999] },
    { ...item, text: `${text} 424242424242`, sourceSeqs: [seq] },
    { ...item, text: text.toUpperCase(), sourceSeqs: [seq] },
    { ...item, id: "77.1", text: `${text} once`, sourceSeqs: [seq, seq] },
    ...(known === undefined ? [] : [{ ...known, text: `${known.text} again` }, known]),
  ].filter(() => random.chance(0.5));
}
