// What a summary still contains after several generations. Each conversation is played to the running service turn by turn, with default
// settings, and after each new summary all questions about the covered messages are asked again.
import { setTimeout as sleep } from "node:timers/promises";
import { pageSchema } from "../../src/api/page.ts";
import { sessionStateSchema } from "../../src/api/session.ts";
import { type Item, type Summary, summarySchema } from "../../src/api/summary.ts";
import { mean, retention, wordCount } from "./memory-facts.ts";
import type { Chat, Question, Span, Turn } from "./questioned-chats.ts";
import { send, type ServiceAddress } from "./service-calls.ts";
import { stemsOf, wordsOf } from "./stems.ts";

/** So few messages a batch that no append crosses two thresholds. */
const TURNS_PER_APPEND = 20;
const POLL_MS = 20;
/** A model may take minutes, and a fallback summary waits for a better one. */
const SETTLE_TIMEOUT_MS = 900_000;

const summaryPageSchema = pageSchema(summarySchema);

/** The results of one conversation after one more summary. */
export interface Generation {
  readonly coveredTurns: number;
  readonly coveredWords: number;
  /** The summary as a prompt gets it, and all items of all versions. */
  readonly liveWords: number;
  readonly archiveWords: number;
  /** Retention of each answer with covered evidence: of evidence that this generation covered, and of evidence that an earlier one covered. */
  readonly live: { readonly fresh: readonly number[]; readonly older: readonly number[] };
  readonly archive: { readonly fresh: readonly number[]; readonly older: readonly number[] };
  /** The same for a baseline: the first words of each user's turn, cut to the size of the live summary. */
  readonly lead: readonly number[];
  /** Items of the live summary, and how many of them cite a user's turn. */
  readonly items: number;
  readonly userItems: number;
}

export async function rollThrough(service: ServiceAddress, chat: Chat): Promise<Generation[]> {
  const path = `/v1/sessions/eval-${crypto.randomUUID()}`;
  const turns = chat.sittings.flat();
  const versions: Summary[] = [];
  for (let from = 0; from < turns.length; from += TURNS_PER_APPEND) {
    const messages = turns.slice(from, from + TURNS_PER_APPEND).flatMap(messageOf);
    if (messages.length > 0) await send(service, "POST", `${path}/messages`, { messages });
    await settle(service, path, versions);
  }
  await send(service, "DELETE", path);
  return versions.map((_, place) => generationOf(chat, turns, versions.slice(0, place + 1)));
}

/** An empty turn is not stored, but the turns after it keep their seqs, because the evidence refers to them. */
function messageOf({ role, speaker, text, at }: Turn) {
  const author = speaker === null ? {} : { author: speaker };
  return [{ role, ...author, content: text === "" ? "…" : text, ...(at === "" ? {} : { occurredAt: at }) }];
}

/** Waits until no summary is pending and no fallback summary waits for a better one. Records the new versions. */
export async function settle(service: ServiceAddress, path: string, versions: Summary[]): Promise<void> {
  const deadline = Date.now() + SETTLE_TIMEOUT_MS;
  for (;;) {
    const state = sessionStateSchema.parse(await send(service, "GET", path));
    const { data } = summaryPageSchema.parse(await send(service, "GET", `${path}/summaries?limit=100`));
    const isSettled = !state.summaryPending && data[0]?.degraded !== true;
    if (isSettled) {
      const known = new Set(versions.map(({ version }) => version));
      versions.push(...data.filter(({ version }) => !known.has(version)).toReversed());
      return;
    }
    if (Date.now() > deadline) {
      throw new Error(`no summary in ${SETTLE_TIMEOUT_MS / 1_000} s: GET /v1/admin/jobs says what fails`);
    }
    await sleep(POLL_MS);
  }
}

function generationOf({ questions }: Chat, turns: readonly Turn[], versions: readonly Summary[]): Generation {
  const newest = versions.at(-1);
  const throughSeq = newest?.throughSeq ?? 0;
  const before = versions.at(-2)?.throughSeq ?? 0;
  const live = (newest?.items ?? []).filter(({ status }) => status !== "superseded");
  const archive = [...new Map(versions.flatMap(({ items }) => items).map((item) => [item.text, item])).values()];
  const asked = questions.filter(({ lastSeq }) => lastSeq <= throughSeq);
  const answered = (items: readonly Item[]) => {
    const told = items.map((item) => ({ item, stems: stemsOf(item.text) }));
    const shareOf = ({ stems, places }: Question): number => {
      const there = told.filter(({ item }) => item.sourceSeqs.some((seq) => isWithin(seq, places)));
      return retention(stems, new Set(there.flatMap((one) => [...one.stems])));
    };
    return {
      fresh: asked.filter(({ lastSeq }) => lastSeq > before).map(shareOf),
      older: asked.filter(({ lastSeq }) => lastSeq <= before).map(shareOf),
    };
  };
  const liveWords = wordCount(live.map(({ text }) => text));
  const leads = leadOf(turns.slice(0, throughSeq), liveWords);
  const isUsers = (seq: number): boolean => turns[seq - 1]?.role === "user";
  return {
    coveredTurns: throughSeq,
    coveredWords: wordCount(turns.slice(0, throughSeq).map(({ text }) => text)),
    liveWords,
    archiveWords: wordCount(archive.map(({ text }) => text)),
    live: answered(live),
    archive: answered(archive),
    lead: asked.map(({ stems, places }) => {
      const there = leads.filter(({ seq }) => isWithin(seq, places));
      return retention(stems, new Set(there.flatMap((one) => [...one.stems])));
    }),
    items: live.length,
    userItems: live.filter(({ sourceSeqs }) => sourceSeqs.some(isUsers)).length,
  };
}

/** The first words of each user's turn, the same number of each, up to this many words together. */
function leadOf(turns: readonly Turn[], maxWords: number): { seq: number; stems: ReadonlySet<string> }[] {
  const said = turns.flatMap(({ role, text }, place) =>
    role === "user" ? [{ seq: place + 1, words: wordsOf(text) }] : [],
  );
  let each = 0;
  const size = (count: number): number => said.reduce((sum, { words }) => sum + Math.min(count, words.length), 0);
  while (size(each + 1) <= maxWords && size(each + 1) > size(each)) each += 1;
  return said.map(({ seq, words }) => ({ seq, stems: stemsOf(words.slice(0, each).join(" ")) }));
}

function isWithin(seq: number, places: readonly Span[]): boolean {
  return places.some(({ fromSeq, throughSeq }) => fromSeq <= seq && seq <= throughSeq);
}

const percent = (share: number): string => (Number.isNaN(share) ? "–" : (100 * share).toFixed(1));

/** One row for each generation, over all conversations that reached it, and one row for the last generation of each conversation. */
export function generationRows(chats: readonly (readonly Generation[])[]): string[][] {
  const longest = Math.max(0, ...chats.map(({ length }) => length));
  const rowsOf: readonly (readonly [string, readonly Generation[]])[] = [
    ...Array.from(
      { length: longest },
      (_, place) => [String(place + 1), chats.flatMap((generations) => generations[place] ?? [])] as const,
    ),
    ["last", chats.flatMap((generations) => generations.at(-1) ?? [])],
  ];
  return rowsOf.map(([name, those]) => {
    const words = those.reduce((sum, { coveredWords }) => sum + coveredWords, 0);
    const all = (pick: (generation: Generation) => Generation["live"]) => {
      const fresh = those.flatMap((generation) => pick(generation).fresh);
      const older = those.flatMap((generation) => pick(generation).older);
      return { fresh: percent(mean(fresh)), older: percent(mean(older)), both: percent(mean([...fresh, ...older])) };
    };
    const live = all((generation) => generation.live);
    const archive = all((generation) => generation.archive);
    return [
      name,
      String(those.length),
      percent(those.reduce((sum, { liveWords }) => sum + liveWords, 0) / words),
      live.both,
      live.fresh,
      live.older,
      percent(those.reduce((sum, { archiveWords }) => sum + archiveWords, 0) / words),
      archive.both,
      archive.older,
      percent(mean(those.flatMap(({ lead }) => lead))),
      percent(
        those.reduce((sum, { userItems }) => sum + userItems, 0) / those.reduce((sum, { items }) => sum + items, 0),
      ),
    ];
  });
}

export const GENERATION_COLUMNS = [
  "generation",
  "chats",
  "live: words %",
  "found %",
  "of new %",
  "of older %",
  "archive: words %",
  "found %",
  "of older %",
  "users' first words: found %",
  "items citing a user %",
];
