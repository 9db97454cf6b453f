// How much of the answers to questions about a conversation its summary still contains, and what that costs. There are two measurements:
// each sitting summarized in one call, next to baselines of the same length; and whole conversations rolled through the service.
//
// Retention is, for each question, the share of the gold answer's distinct stems that occur in the summaries of the sittings with the
// evidence, averaged over the questions. For BEAM only stems count that also occur in the evidence. For a rolled summary, the items that cite
// those sittings are read. Words are separated by white space. Speakers' names count in items and not in the transcript, and captions of
// pictures are not read.
import { performance } from "node:perf_hooks";
import { showTable } from "../../scripts/program/table.ts";
import type { SummarizerUsage } from "../../src/api/summarizer.ts";
import { GENERATION_COLUMNS, type Generation, generationRows, rollThrough } from "./generations.ts";
import { countDuplicates, countSupported, mean, retention, wordCount } from "./memory-facts.ts";
import { type Chat, readChats } from "./questioned-chats.ts";
import type { ServiceAddress } from "./service-calls.ts";
import { stemsOf } from "./stems.ts";
import {
  agentMethod,
  type AgentAddress,
  everything,
  extractiveToTheWord,
  greedy,
  lead,
  type Method,
  sentencesOf,
  textRank,
} from "./summary-methods.ts";
import { addUsage, showUsage } from "./usage.ts";

/** The same length as in the published comparison of baselines. */
export const DEFAULT_PERCENT = 18.5;

const BASELINES: readonly (readonly [string, Method])[] = [
  ["Lead", lead],
  ["TextRank", textRank],
  ["Greedy IDF, messages", greedy((text) => [text])],
  ["Greedy IDF, sentences", greedy(sentencesOf)],
  ["Extractive, to the word", extractiveToTheWord],
];

/** Published for all ten conversations of LoCoMo, by the same measure. They were not measured here. */
const PUBLISHED: readonly (readonly string[])[] = [
  ["LoCoMo, published: a model's prose", "52.6", "", "", "", "", "", ""],
  ["LoCoMo, published: a model's facts", "75.3", "24.3", "", "", "", "", ""],
];

const COLUMNS = [
  "one call a sitting",
  "found %",
  "words %",
  "supported %",
  "said twice %",
  "calls",
  "p50 ms",
  "tokens",
];

export interface SummaryEvaluation {
  readonly file: string;
  /** Words of a summary, as a share of the words of its sitting. */
  readonly percent: number;
  readonly service: ServiceAddress;
  readonly agent: AgentAddress;
  readonly parts: ReadonlySet<"single" | "rolled">;
  readonly print: (line: string) => void;
  readonly onProgress: (text: string) => void;
}

export async function evaluateSummaries(options: SummaryEvaluation): Promise<void> {
  const { file, percent, service, agent, parts, print, onProgress } = options;
  const chats = readChats(file);
  const questions = chats.reduce((sum, chat) => sum + chat.questions.length, 0);
  print(`${chats.length} conversations, ${questions} questions`);
  const single = chats.filter(({ isRolledAlone }) => !isRolledAlone);
  if (parts.has("single") && single.length > 0) {
    const methods = [...BASELINES, ["The service's summarizer", agentMethod(agent)] as const];
    const rows = [];
    for (const [name, method] of methods) {
      onProgress(name);
      rows.push([name, ...(await measureMethod(single, method, percent / 100))]);
    }
    rows.push(["(the whole transcript)", ...(await measureMethod(single, everything, 1))]);
    print("");
    for (const line of showTable(COLUMNS, [...rows, ...PUBLISHED])) print(line);
  }
  if (parts.has("rolled")) {
    const rolled: (readonly Generation[])[] = [];
    for (const chat of chats) {
      onProgress(`${chat.id}, through the service`);
      rolled.push(await rollThrough(service, chat));
    }
    print("");
    print(
      "Rolled through the service with its default settings. Live: the summary as a prompt gets it. Archive: all items of all",
    );
    print(
      "versions. Of both, the items that cite the sittings or parts with the evidence. New: evidence that the last generation covered.",
    );
    for (const line of showTable(GENERATION_COLUMNS, generationRows(rolled))) print(line);
  }
}

/** The cells of a row. */
async function measureMethod(chats: readonly Chat[], method: Method, share: number): Promise<string[]> {
  const found: number[] = [];
  const times: number[] = [];
  const count = { transcript: 0, summary: 0, items: 0, supported: 0, duplicates: 0 };
  let hasItems = false;
  let spent: SummarizerUsage | undefined;
  for (const { sittings, questions } of chats) {
    const stems: Set<string>[] = [];
    for (const turns of sittings) {
      const words = wordCount(turns.map(({ text }) => text));
      const startedAt = performance.now();
      const { texts, items, usage } = await method(turns, Math.floor(words * share));
      times.push(performance.now() - startedAt);
      spent = addUsage(spent, usage);
      stems.push(stemsOf(texts.join("\n")));
      count.transcript += words;
      count.summary += wordCount(texts);
      if (items === null) continue;
      hasItems = true;
      count.items += items.length;
      count.supported += countSupported(items, turns);
      count.duplicates += countDuplicates(items);
    }
    for (const question of questions) {
      const memory = new Set(question.sittings.flatMap((place) => [...(stems[place] ?? [])]));
      found.push(retention(question.stems, memory));
    }
  }
  const percent = (value: number): string => (100 * value).toFixed(1);
  return [
    percent(mean(found)),
    percent(count.summary / count.transcript),
    hasItems ? percent(count.supported / count.items) : "–",
    hasItems ? percent(count.duplicates / count.items) : "–",
    String(times.length),
    (times.toSorted((one, other) => one - other)[Math.floor(times.length / 2)] ?? 0).toFixed(1),
    showUsage(spent),
  ];
}
