/**
 * How much of the answers to questions about a conversation its summary still holds, without a model.
 *
 *   node scripts/eval/summaries.ts <locomo.json> [--percent 18.5]
 *
 * Every session of every conversation is summarized by itself, in one call, into at most that share of its words (words between
 * white space, speakers' names in items counted, names in the transcript not). For each question of the categories 1 (several
 * places) and 4 (one place): the share of the gold answer's distinct stems found in the summaries of the sessions where its
 * evidence stands. The figure is the mean over the questions. Image captions are not read.
 *
 * A stem is a word (letters and digits, lower case, without what follows an apostrophe) that is no stop word, less its English
 * endings by the rules of steps 1 to 4 of Porter's algorithm, in short.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { z } from "zod";
import type { TranscriptMessage } from "../../src/contracts/summarizer.ts";
import { summarizeExtractively } from "../../src/summarizer/extractive.ts";

/** As in the published comparison of baselines that the yardstick cites. */
const DEFAULT_PERCENT = 18.5;
const CATEGORIES = new Set([1, 4]);
/** How far apart two budgets are that are tried for one session. */
const BUDGET_STEP_TOKENS = 2;
/** More tokens a word than any text has, items' overhead included. */
const MAX_TOKENS_PER_WORD = 4;

const STOP = new Set(
  (
    "a about above after again all also am an and any are aren as at be because been before being below between both but by can could " +
    "couldn d did didn do does doesn doing don down during each few for from further had hadn has hasn have haven having he her here hers " +
    "him his how i if in into is isn it its just let ll m me more most my no nor not now of off on once only or other our out over own re s " +
    "same she should so some such t than that the their them then there these they this those through to too under until up us ve very was " +
    "wasn we were weren what when where which while who whom why will with won would yes you your yours"
  ).split(" "),
);

const turnSchema = z.object({ speaker: z.string(), text: z.string() });
const fileSchema = z.array(
  z.object({
    sample_id: z.string(),
    conversation: z.record(z.string(), z.unknown()),
    qa: z.array(
      z.object({
        category: z.number(),
        answer: z.union([z.string(), z.number()]).optional(),
        evidence: z.array(z.string()).default([]),
      }),
    ),
  }),
);

type Turn = z.infer<typeof turnSchema>;
interface Conversation {
  readonly id: string;
  readonly sessions: ReadonlyMap<number, readonly Turn[]>;
  readonly questions: readonly { readonly stems: ReadonlySet<string>; readonly sessions: readonly number[] }[];
}

/** Vowel runs followed by consonants: Porter's measure. */
function measure(word: string): number {
  return word.match(/[aeiouy]+[^aeiouy]+/g)?.length ?? 0;
}

// oxfmt-ignore
const SUFFIXES: readonly (readonly [ending: string, instead: string, least: number])[] = [
  ["ization", "ize", 1], ["ational", "ate", 1], ["iveness", "ive", 1], ["fulness", "ful", 1], ["ousness", "ous", 1],
  ["ation", "ate", 1], ["ement", "", 2], ["ical", "ic", 1], ["ness", "", 1], ["ment", "", 2], ["ance", "", 2], ["ence", "", 2],
  ["able", "", 2], ["ible", "", 2], ["tion", "t", 2], ["sion", "s", 2], ["ful", "", 1], ["ant", "", 2], ["ent", "", 2],
  ["ism", "", 2], ["ous", "", 2], ["ive", "", 2], ["ize", "", 2], ["ate", "", 2], ["al", "", 2], ["er", "", 2], ["ic", "", 2],
];

function stem(word: string): string {
  if (word.length < 3) return word;
  let root = word.replace(/(ss|i)es$/, "$1").replace(/([^s])s$/, "$1");
  const inflected = /^(.*[aeiouy].*?)(?:ed|ing)$/.exec(root)?.[1];
  if (inflected !== undefined) {
    root = inflected.replace(/([^aeioulsz])\1$/, "$1").replace(/(at|bl|iz)$/, "$1e");
  }
  root = root.replace(/(?<=[aeiouy].*)y$/, "i");
  for (let pass = 0; pass < 2; pass += 1) {
    const rule = SUFFIXES.find(([ending]) => root.endsWith(ending));
    if (rule === undefined) break;
    const start = root.slice(0, -rule[0].length);
    if (measure(start) < rule[2]) break;
    root = start + rule[1];
  }
  return root.length > 3 ? root.replace(/e$/, "") : root;
}

function stemsOf(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+(?:['’]\p{L}+)?/gu) ?? [];
  const bare = words.map((word) => word.replace(/['’].*$/u, ""));
  return new Set(bare.filter((word) => !STOP.has(word)).map(stem));
}

function wordsOf(text: string): string[] {
  return text.match(/\S+/g) ?? [];
}

function readConversations(path: string): Conversation[] {
  const file = fileSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  return file.map(({ sample_id, conversation, qa }) => {
    const sessions = new Map<number, Turn[]>();
    for (const [key, value] of Object.entries(conversation)) {
      const turns = /^session_\d+$/.test(key) ? z.array(turnSchema).safeParse(value) : null;
      if (turns?.success === true && turns.data.length > 0) sessions.set(Number(key.slice(8)), turns.data);
    }
    const questions = qa
      .filter(({ category, answer }) => CATEGORIES.has(category) && answer !== undefined)
      .map(({ answer, evidence }) => {
        const places = evidence.flatMap((place) => [...place.matchAll(/D(\d+):/g)].map((match) => Number(match[1])));
        return { stems: stemsOf(String(answer)), sessions: [...new Set(places)].filter((at) => sessions.has(at)) };
      })
      .filter(({ stems, sessions: places }) => stems.size > 0 && places.length > 0);
    return { id: sample_id, sessions, questions };
  });
}

type Method = (turns: readonly Turn[], maxWords: number) => string;

/** The beginning, and nothing else. */
const lead: Method = (turns, maxWords) =>
  wordsOf(turns.map(({ text }) => text).join("\n"))
    .slice(0, maxWords)
    .join(" ");

/** Whole units, the one with the most rare uncovered stems per word first. */
function greedy(unitsOf: (text: string) => string[]): Method {
  return (turns, maxWords) => {
    const units = turns
      .flatMap(({ text }) => unitsOf(text))
      .map((text) => ({ text, stems: stemsOf(text), words: wordsOf(text).length }));
    const counts = new Map<string, number>();
    for (const { stems } of units) for (const key of stems) counts.set(key, (counts.get(key) ?? 0) + 1);
    const covered = new Set<string>();
    const chosen: string[] = [];
    let left = maxWords;
    for (;;) {
      const ratio = (unit: (typeof units)[number]): number => {
        if (unit.words === 0 || unit.words > left) return 0;
        let gain = 0;
        for (const key of unit.stems) {
          if (!covered.has(key)) gain += Math.log(1 + units.length / (counts.get(key) ?? 1));
        }
        return gain / unit.words;
      };
      const best = units.reduce<{ unit: (typeof units)[number] | null; ratio: number }>(
        (so, unit) => (ratio(unit) > so.ratio ? { unit, ratio: ratio(unit) } : so),
        { unit: null, ratio: 0 },
      );
      if (best.unit === null) return chosen.join("\n");
      left -= best.unit.words;
      for (const key of best.unit.stems) covered.add(key);
      chosen.push(best.unit.text);
    }
  };
}

const segmenter = new Intl.Segmenter("en", { granularity: "sentence" });

/** One call, with the largest budget in tokens whose items keep to the words. */
const extractive: Method = (turns, maxWords) => {
  const messages = turns.map(({ speaker, text }, index): TranscriptMessage => ({
    seq: index + 1,
    role: "user",
    author: speaker,
    at: "",
    text,
  }));
  for (let maxTokens = maxWords * MAX_TOKENS_PER_WORD; maxTokens > 0; maxTokens -= BUDGET_STEP_TOKENS) {
    const items = summarizeExtractively({ previous: [], messages, maxTokens });
    const text = items.map((item) => item.text).join("\n");
    if (wordsOf(text).length <= maxWords) return text;
  }
  return "";
};

const METHODS: readonly (readonly [string, Method])[] = [
  ["Lead", lead],
  ["Greedy IDF, messages", greedy((text) => [text])],
  ["Greedy IDF, sentences", greedy((text) => [...segmenter.segment(text)].map(({ segment }) => segment.trim()))],
  ["Extractive summarizer", extractive],
  ["(the whole transcript)", (turns) => turns.map(({ text }) => text).join("\n")],
];

function measureMethod(conversations: readonly Conversation[], method: Method, share: number) {
  let transcriptWords = 0;
  let summaryWords = 0;
  const means = conversations.map(({ sessions, questions }) => {
    const memory = new Map<number, Set<string>>();
    for (const [at, turns] of sessions) {
      const words = turns.reduce((sum, { text }) => sum + wordsOf(text).length, 0);
      const text = method(turns, Math.floor(words * share));
      transcriptWords += words;
      summaryWords += wordsOf(text).length;
      memory.set(at, stemsOf(text));
    }
    const shares = questions.map(
      ({ stems, sessions: places }) =>
        [...stems].filter((key) => places.some((at) => memory.get(at)?.has(key))).length / stems.size,
    );
    return { sum: shares.reduce((a, b) => a + b, 0), count: shares.length };
  });
  const sum = means.reduce((a, b) => a + b.sum, 0);
  const count = means.reduce((a, b) => a + b.count, 0);
  return {
    found: sum / count,
    words: summaryWords / transcriptWords,
    each: means.map((mean) => mean.sum / Math.max(1, mean.count)),
  };
}

const { positionals, values } = parseArgs({ allowPositionals: true, options: { percent: { type: "string" } } });
const [path] = positionals;
if (path === undefined) {
  console.error("Usage: node scripts/eval/summaries.ts <locomo.json> [--percent 18.5]");
  process.exit(2);
}
const share = Number(values.percent ?? DEFAULT_PERCENT) / 100;
const conversations = readConversations(path);
const percent = (value: number): string => (100 * value).toFixed(1).padStart(6);
console.log(
  `${conversations.length} conversations, ${conversations.reduce((sum, { questions }) => sum + questions.length, 0)} questions`,
);
console.log(`${"method".padEnd(24)} found %  words %  by conversation`);
for (const [name, method] of METHODS) {
  const { found, words, each } = measureMethod(conversations, method, share);
  console.log(`${name.padEnd(24)}  ${percent(found)}   ${percent(words)}  ${each.map(percent).join(" ")}`);
}
