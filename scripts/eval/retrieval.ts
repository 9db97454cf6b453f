// Measures which turns a query brings back: `node scripts/eval/retrieval.ts FILE.json` with a LoCoMo file. Recall at k: for each
// question the share of its evidence turns among the first k recalled, averaged. How long it takes: `npm run bench -- --only search`.
import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { SQLOutputValue } from "node:sqlite";
import { SearchIndex } from "../../src/session/search-index.ts";
import type { SearchStorage } from "../../src/session/search-tables.ts";
import { asText, isRecord } from "../import/entry.ts";
import { readLocomo } from "../import/readers/locomo.ts";

export interface Turn {
  readonly role: "user" | "assistant";
  readonly author: string | null;
  readonly content: string;
  readonly occurredAtMs: number | null;
}

export interface Question {
  readonly text: string;
  /** LoCoMo's: 1 several turns, 2 time, 3 world knowledge, 4 one turn, 5 unanswerable. */
  readonly category: number;
  /** Places of the evidence in `turns`, from 1: the seqs they get in an empty session. */
  readonly evidence: readonly number[];
}

export interface Conversation {
  readonly name: string;
  readonly turns: readonly Turn[];
  readonly questions: readonly Question[];
}

/** A loaded conversation: gives the seqs of the best turns, best first. */
export type Ask = (question: string, limit: number) => readonly number[] | Promise<readonly number[]>;

/** One way of recalling, the service's or a baseline's. Each conversation goes into a session of its own. */
export interface Recaller {
  readonly name: string;
  load(conversation: Conversation): Ask | Promise<Ask>;
}

// ---------------------------------------------------------------------------------------------------------------------
// LoCoMo

/** Reads the conversations and their questions; questions whose evidence is missing are left out. */
export function readConversations(file: string): Conversation[] {
  const samples: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (!Array.isArray(samples)) throw new Error(`${file}: not a LoCoMo file, which is an array of samples`);
  return samples.map((sample: unknown, index) => readConversation(sample, file, index));
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

function readQuestion(question: unknown, seqs: ReadonlyMap<string, number>): Question {
  if (!isRecord(question)) return { text: "", category: 0, evidence: [] };
  const named = JSON.stringify(question["evidence"] ?? []).match(/D\d+:\d+/g) ?? [];
  const evidence = new Set(named.map((id) => seqs.get(id)).filter((seq) => seq !== undefined));
  return { text: asText(question["question"]) ?? "", category: Number(question["category"]), evidence: [...evidence] };
}

// ---------------------------------------------------------------------------------------------------------------------
// Recallers that need no service

/** Cloudflare's storage over node:sqlite, as much of it as the index needs. */
export function nodeStorage(database: DatabaseSync): SearchStorage {
  const run = (query: string, bindings: readonly SqlStorageValue[]): Record<string, SQLOutputValue>[] => {
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
      exec<T extends Record<string, SqlStorageValue>>(query: string, ...bindings: SqlStorageValue[]) {
        // As with Cloudflare's cursor, whoever asks says what the rows are.
        const rows = run(query, bindings) as T[];
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
  occurred_at INTEGER, created_at INTEGER NOT NULL, erased_at INTEGER)`;

/** A database with the conversation's messages, seqs from 1. */
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

export function buildIndex(database: DatabaseSync): SearchIndex {
  const index = new SearchIndex(nodeStorage(database));
  while (!index.catchUp().done);
  return index;
}

export const threadkeepOffline: Recaller = {
  name: "threadkeep, node:sqlite",
  load({ turns }) {
    const index = buildIndex(loadMessages(turns));
    return (question, limit) => index.search(question, { limit }).map(({ seq }) => seq);
  },
};

export const newestTurns: Recaller = {
  name: "the last 50 turns",
  load:
    ({ turns }) =>
    (_question, limit) =>
      Array.from({ length: Math.min(50, limit) }, (_, i) => turns.length - i),
};

export const plainBm25: Recaller = {
  name: "FTS5 BM25, text only",
  load({ turns }) {
    const database = new DatabaseSync(":memory:");
    database.exec("CREATE VIRTUAL TABLE turns USING fts5(text)");
    const insert = database.prepare("INSERT INTO turns (text) VALUES (?)");
    for (const turn of turns) insert.run(turn.content);
    const select = database.prepare("SELECT rowid FROM turns WHERE turns MATCH ? ORDER BY rank LIMIT ?");
    return (question, limit) => {
      const words = question.match(/[\p{L}\p{N}]+/gu) ?? [];
      return select.all(words.map((word) => `"${word}"`).join(" OR "), limit).map(({ rowid }) => Number(rowid));
    };
  },
};

// ---------------------------------------------------------------------------------------------------------------------
// Measuring

export interface Answered {
  readonly conversation: number;
  readonly category: number;
  /** Share of the evidence among the first 10 and 20, 0 to 1. */
  readonly at10: number;
  readonly at20: number;
  readonly milliseconds: number;
}

export async function askAll(recaller: Recaller, conversations: readonly Conversation[]): Promise<Answered[]> {
  const answers: Answered[] = [];
  for (const [index, conversation] of conversations.entries()) {
    const ask = await recaller.load(conversation);
    for (const { text, category, evidence } of conversation.questions) {
      const start = performance.now();
      const seqs = await ask(text, 20);
      const milliseconds = performance.now() - start;
      const recall = (k: number): number => {
        const found = new Set(seqs.slice(0, k));
        return evidence.filter((seq) => found.has(seq)).length / evidence.length;
      };
      answers.push({ conversation: index, category, at10: recall(10), at20: recall(20), milliseconds });
    }
  }
  return answers;
}

/** "R@10/R@20" in percent. */
export function recallOf(answers: readonly Answered[]): string {
  const mean = (values: readonly number[]): string =>
    ((100 * values.reduce((sum, value) => sum + value, 0)) / Math.max(1, values.length)).toFixed(1);
  return `${mean(answers.map((answer) => answer.at10))}/${mean(answers.map((answer) => answer.at20))}`;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

/** One row of the table: categories 1 to 4 over all, by conversation, and each category by itself. */
export function recallRow(name: string, answers: readonly Answered[]): Record<string, string> {
  const answerable = answers.filter(({ category }) => category < 5);
  const row: Record<string, string> = { recaller: name, "c1-4": recallOf(answerable) };
  for (const conversation of new Set(answers.map((answer) => answer.conversation))) {
    row[`conv ${conversation + 1}`] = recallOf(answerable.filter((answer) => answer.conversation === conversation));
  }
  for (const category of [1, 2, 3, 4, 5])
    row[`cat ${category}`] = recallOf(answers.filter((answer) => answer.category === category));
  const times = answers.map(({ milliseconds }) => milliseconds);
  row["ms p50/p99"] = `${percentile(times, 0.5).toFixed(1)}/${percentile(times, 0.99).toFixed(1)}`;
  return row;
}

if (import.meta.main) {
  const [file] = process.argv.slice(2);
  if (file === undefined) {
    console.error("Usage: node scripts/eval/retrieval.ts LOCOMO.json");
    process.exit(64);
  }
  const conversations = readConversations(file);
  const rows: Record<string, string>[] = [];
  for (const recaller of [newestTurns, plainBm25, threadkeepOffline]) {
    rows.push(recallRow(recaller.name, await askAll(recaller, conversations)));
  }
  console.table(rows);
}
