// Which turns a query retrieves, on a file of LoCoMo or BEAM. Recall at k is the share of a question's evidence turns among the first k
// retrieved ones, averaged over the questions. `npm run bench -- --only search` measures how long retrieval takes.
import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { SQLOutputValue } from "node:sqlite";
import { asText, isRecord } from "../../scripts/import/entry.ts";
import { readLocomo } from "../../scripts/import/readers/locomo.ts";
import type { NearTurn } from "../../src/prompt/meaning/closeness.ts";
import type { RankingParameters } from "../../src/prompt/retrieval/parameters.ts";
import { TurnItems } from "../../src/prompt/retrieval/turn-items.ts";
import type { SearchStorage } from "../../src/session/search/tables.ts";
import { SearchIndex } from "../../src/session/search/text-index.ts";
import type { TableSql } from "../../src/session/sqlite/index.ts";
import { distributionOf } from "../bench/statistics.ts";
import { type BeamChat, isBeam, readBeam } from "./beam.ts";
import { rollItems } from "./rolled-items.ts";

export interface Turn {
  readonly role: "user" | "assistant";
  readonly author: string | null;
  readonly content: string;
  readonly occurredAtMs: number | null;
}

interface Question {
  readonly text: string;
  /** LoCoMo: 1 several turns, 2 time, 3 world knowledge, 4 one turn, 5 unanswerable. BEAM: its own types. */
  readonly kind: string;
  /** Whether the question counts in the total. */
  readonly counts: boolean;
  /** Positions of the evidence in `turns`, from 1, which are their seqs in an empty session. */
  readonly evidence: readonly number[];
}

export interface Conversation {
  readonly name: string;
  readonly turns: readonly Turn[];
  readonly questions: readonly Question[];
}

/** Returns the seqs of the best turns of a loaded conversation, best first. */
type Ask = (question: string, limit: number) => readonly number[] | Promise<readonly number[]>;

/** A way of retrieving: the service's, or a baseline. Each conversation goes into a session of its own. */
export interface Recaller {
  readonly name: string;
  load(conversation: Conversation): Ask | Promise<Ask>;
}

// ---------------------------------------------------------------------------------------------------------------------
// Files

/** Reads the conversations and their questions. Questions without evidence are left out. */
export function readConversations(file: string): Conversation[] {
  const text = readFileSync(file, "utf8");
  if (isBeam(text)) return readBeam(file, text).map(conversationOf);
  let samples: unknown = null;
  try {
    samples = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (!Array.isArray(samples)) {
    throw new Error(`${file}: neither a LoCoMo file (a JSON array of samples) nor a BEAM file (one chat a line)`);
  }
  return samples.map((sample: unknown, index) => readConversation(sample, file, index));
}

function conversationOf({ id, messages, questions }: BeamChat): Conversation {
  return {
    name: id,
    turns: messages.map(({ role, content, saidAtMs }) => ({ role, author: null, content, occurredAtMs: saidAtMs })),
    questions: questions
      .filter(({ evidence }) => evidence.length > 0)
      .map(({ type, text, evidence }) => ({ text, kind: type, counts: true, evidence })),
  };
}

function readConversation(sample: unknown, file: string, index: number): Conversation {
  const turns: Turn[] = [];
  const seqs = new Map<string, number>();
  for (const entry of readLocomo(sample, { file, where: `sample ${index + 1}` })) {
    if (entry.kind !== "message") continue;
    const { id, author, content, occurredAt } = entry.turn;
    const at = asText(occurredAt);
    turns.push({
      role: "user",
      author: asText(author) ?? null,
      content: asText(content) ?? "",
      occurredAtMs: at === undefined ? null : Date.parse(at),
    });
    if (id !== undefined) seqs.set(id, turns.length);
  }
  const qa: unknown = isRecord(sample) ? sample["qa"] : undefined;
  const questions = (Array.isArray(qa) ? qa : []).map((question: unknown) => readQuestion(question, seqs));
  return {
    name: `conversation ${index + 1}`,
    turns,
    questions: questions.filter(({ evidence }) => evidence.length > 0),
  };
}

/** LoCoMo's questions of category 5 have no answer. */
const MAX_ANSWERABLE = 4;

function readQuestion(question: unknown, seqs: ReadonlyMap<string, number>): Question {
  if (!isRecord(question)) return { text: "", kind: "", counts: false, evidence: [] };
  const named = JSON.stringify(question["evidence"] ?? []).match(/D\d+:\d+/g) ?? [];
  const evidence = new Set(named.map((id) => seqs.get(id)).filter((seq) => seq !== undefined));
  const category = Number(question["category"]);
  return {
    text: asText(question["question"]) ?? "",
    kind: `category ${category}`,
    counts: category <= MAX_ANSWERABLE,
    evidence: [...evidence],
  };
}

// ---------------------------------------------------------------------------------------------------------------------
// Ways of retrieving that need no service

/** The part of Cloudflare's storage API that the index uses, on node:sqlite. */
export function nodeStorage(database: DatabaseSync): SearchStorage & { readonly sql: TableSql } {
  const run = (
    query: string,
    bindings: readonly (SqlStorageValue | Uint8Array)[],
  ): Record<string, SQLOutputValue>[] => {
    if (bindings.length > 100 || query.length > 100_000) throw new Error("beyond the limits of a Durable Object");
    if (bindings.length === 0 && query.includes(";")) {
      database.exec(query);
      return [];
    }
    const values = bindings.map((value) => (value instanceof ArrayBuffer ? new Uint8Array(value) : value));
    return database.prepare(query).all(...values);
  };
  return {
    sql: {
      exec<T extends Record<string, SqlStorageValue>>(query: string, ...bindings: (SqlStorageValue | Uint8Array)[]) {
        // As with Cloudflare's cursor, the caller says what type the rows have, and a BLOB is an ArrayBuffer.
        const rows = run(query, bindings).map((row) =>
          Object.fromEntries(
            Object.entries(row).map(([name, value]) => [
              name,
              value instanceof Uint8Array ? value.slice().buffer : value,
            ]),
          ),
        ) as T[];
        return { toArray: () => rows };
      },
      get databaseSize() {
        const size = "SELECT page_count * page_size AS size FROM pragma_page_count(), pragma_page_size()";
        return Number(database.prepare(size).get()?.["size"]);
      },
    },
    transactionSync: (closure) => {
      database.exec("SAVEPOINT storage");
      try {
        const result = closure();
        database.exec("RELEASE storage");
        return result;
      } catch (error) {
        database.exec("ROLLBACK TO storage; RELEASE storage");
        throw error;
      }
    },
  };
}

const MESSAGES_TABLE = `CREATE TABLE messages (seq INTEGER PRIMARY KEY, role TEXT NOT NULL, author TEXT, content TEXT,
  held_bytes INTEGER NOT NULL DEFAULT 0, occurred_at INTEGER, created_at INTEGER NOT NULL, erased_at INTEGER)`;

/**
 * A database with the conversation's messages, with seqs from 1.
 * @internal Tests of retrieval search an index in Node with it.
 */
export function loadMessages(turns: Iterable<Turn>, path: string = ":memory:"): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec(`${MESSAGES_TABLE}; BEGIN`);
  const insert = database.prepare(
    "INSERT INTO messages (role, author, content, occurred_at, created_at) VALUES (?, ?, ?, ?, 0)",
  );
  for (const turn of turns) insert.run(turn.role, turn.author, JSON.stringify(turn.content), turn.occurredAtMs);
  database.exec("COMMIT");
  return database;
}

/** @internal Tests of retrieval search an index in Node with it. */
export function buildIndex(database: DatabaseSync): SearchIndex {
  const index = new SearchIndex(nodeStorage(database));
  while (!index.catchUp().done);
  return index;
}

/** Finds the turns of a conversation that are near to a question in meaning. */
export type NearIn = (conversation: Conversation) => Promise<(question: string) => readonly NearTurn[]>;

/** The index and the built-in summarizer by themselves, without a service. Loaded conversations stay loaded. */
export function threadkeepOffline(
  name: string = "threadkeep, node:sqlite",
  ranking?: RankingParameters,
  nearIn?: NearIn,
): Recaller {
  return {
    name,
    async load(conversation) {
      const index = loadedIndexes.get(conversation) ?? buildIndex(loadMessages(conversation.turns));
      loadedIndexes.set(conversation, index);
      const items = loadedItems.get(conversation) ?? new TurnItems(rollItems(conversation.turns));
      loadedItems.set(conversation, items);
      const near = await nearIn?.(conversation);
      const options = { items, ...(ranking === undefined ? {} : { ranking }) };
      return (question, limit) =>
        index.search(question, { limit, ...options, near: near?.(question) ?? [] }).map(({ seq }) => seq);
    },
  };
}

const loadedIndexes = new WeakMap<Conversation, SearchIndex>();
const loadedItems = new WeakMap<Conversation, TurnItems>();

export const newestTurns: Recaller = {
  name: "the last 50 turns",
  load:
    ({ turns }) =>
    (_question, limit) =>
      Array.from({ length: Math.min(50, limit) }, (_, i) => turns.length - i),
};

export const plainBm25: Recaller = bm25Of("FTS5 BM25, text only", () => true);

/** In chats with long answers, BM25 over the user's turns alone is the baseline to beat. */
export const usersBm25: Recaller = bm25Of("FTS5 BM25, users' turns", ({ role }) => role === "user");

function bm25Of(name: string, isIndexed: (turn: Turn) => boolean): Recaller {
  return { name, load: (conversation) => loadBm25(conversation, isIndexed) };
}

function loadBm25({ turns }: Conversation, isIndexed: (turn: Turn) => boolean): Ask {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE VIRTUAL TABLE turns USING fts5(text)");
  const insert = database.prepare("INSERT INTO turns (rowid, text) VALUES (?, ?)");
  for (const [place, turn] of turns.entries()) if (isIndexed(turn)) insert.run(place + 1, turn.content);
  const select = database.prepare("SELECT rowid FROM turns WHERE turns MATCH ? ORDER BY rank LIMIT ?");
  return (question, limit) => {
    const words = question.match(/[\p{L}\p{N}]+/gu) ?? [];
    return select.all(words.map((word) => `"${word}"`).join(" OR "), limit).map(({ rowid }) => Number(rowid));
  };
}

// ---------------------------------------------------------------------------------------------------------------------
// Measuring

export interface Answered {
  readonly conversation: string;
  readonly kind: string;
  readonly counts: boolean;
  /** Recall at each of `DEPTHS`: the share of the evidence among the first turns, 0 to 1. */
  readonly recalled: readonly number[];
  readonly milliseconds: number;
}

const DEPTHS = [5, 10, 20] as const;

export async function askAll(recaller: Recaller, conversations: readonly Conversation[]): Promise<Answered[]> {
  const answers: Answered[] = [];
  for (const conversation of conversations) {
    const ask = await recaller.load(conversation);
    for (const { text, kind, counts, evidence } of conversation.questions) {
      const start = performance.now();
      const seqs = await ask(text, Math.max(...DEPTHS));
      const milliseconds = performance.now() - start;
      const recall = (k: number): number => {
        const found = new Set(seqs.slice(0, k));
        return evidence.filter((seq) => found.has(seq)).length / evidence.length;
      };
      answers.push({ conversation: conversation.name, kind, counts, recalled: DEPTHS.map(recall), milliseconds });
    }
  }
  return answers;
}

/** "R@5/10/20" in percent. */
export function recallOf(answers: readonly Answered[]): string {
  const meanAt = (_depth: number, at: number): string => {
    const sum = answers.reduce((total, { recalled }) => total + (recalled[at] ?? 0), 0);
    return ((100 * sum) / Math.max(1, answers.length)).toFixed(1);
  };
  return DEPTHS.map(meanAt).join("/");
}

/** Prints the results: over all questions that count, by kind of question, and by conversation. */
export function recallTable(recallers: readonly { readonly name: string; readonly answers: readonly Answered[] }[]): {
  columns: string[];
  rows: string[][];
} {
  const [first] = recallers;
  const asked = first?.answers ?? [];
  const kinds = [...new Set(asked.map(({ kind }) => kind))].toSorted();
  const parts: readonly (readonly [string, (answer: Answered) => boolean])[] = [
    ["all", ({ counts }) => counts],
    ...kinds.map((kind) => [kind, (answer: Answered) => answer.kind === kind] as const),
    ...[...new Set(asked.map(({ conversation }) => conversation))].map(
      (name) => [name, ({ conversation, counts }: Answered) => counts && conversation === name] as const,
    ),
  ];
  const times = recallers.map(({ answers }) => distributionOf(answers.map(({ milliseconds }) => milliseconds)));
  return {
    columns: ["", "questions", ...recallers.map(({ name }) => name)],
    rows: [
      ...parts.map(([name, belongs]) => [
        name,
        String(asked.filter(belongs).length),
        ...recallers.map(({ answers }) => recallOf(answers.filter(belongs))),
      ]),
      ["ms, p50", "", ...times.map((ms) => (ms?.p50Ms ?? 0).toFixed(1))],
      ["ms, p99", "", ...times.map((ms) => (ms?.p99Ms ?? 0).toFixed(1))],
    ],
  };
}
