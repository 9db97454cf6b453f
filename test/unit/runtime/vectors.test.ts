import { readFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { Disk, ObjectStorage } from "../../../simulation/object-storage.ts";
import { Random } from "../../../simulation/random.ts";
import type { NearItemsRequest, QueryMeaning } from "../../../src/api/embedding.ts";
import { storeVector, unitVector } from "../../../src/prompt/meaning/vector.ts";
import { saveCopyPage, scheduleCopy, readCopyPage } from "../../../src/session/copies/fork.ts";
import { editMessage } from "../../../src/session/erase/edit.ts";
import { eraseMessage, eraseSession } from "../../../src/session/erase/erase.ts";
import { dropJob, retryJob } from "../../../src/session/outbox/failed-jobs.ts";
import { noteFailure, takeDueJobs } from "../../../src/session/outbox/jobs.ts";
import { nearItems, nearTurns } from "../../../src/session/search/meaning.ts";
import { retrieveForContext, searchMessages } from "../../../src/session/search/retrieve.ts";
import { VectorStore } from "../../../src/session/search/vector-store.ts";
import {
  beginEmbedding,
  callOffEmbedding,
  type EmbeddingStep,
  needsNewVectors,
  scheduleEmbedding,
  saveVectors,
} from "../../../src/session/summary/embed.ts";
import { bringBack } from "../../../src/session/summary/run.ts";
import { makeTemporaryDirectory, removeDirectory } from "../../support/temporary-directory.ts";
import { EPOCH, NodeSession, NOON } from "./node-session.ts";

const MODEL = "test/words";
const DIMENSIONS = 96;

/** A vector of a text's words: texts that share words are near each other. "sea" and "ocean" mean the same. */
function embed(text: string): Float32Array {
  const sum = new Float32Array(DIMENSIONS);
  for (const word of text.toLowerCase().match(/[a-z0-9]+/g) ?? []) {
    const seed = [...word.replace("ocean", "sea")].reduce((hash, c) => Math.imul(hash, 31) + c.charCodeAt(0), 7);
    const random = new Random(seed);
    for (let at = 0; at < DIMENSIONS; at += 1) sum[at]! += random.next() - 0.5;
  }
  return sum;
}

type Call = Extract<EmbeddingStep, { next: "call" }>;

function begin(session: NodeSession, model: string | null = MODEL, now = NOON): EmbeddingStep {
  const job = session.job("embed") ?? scheduleEmbedding(session.unit(now), false);
  return beginEmbedding(session.unit(now), job.id, model);
}

function expectCall(step: EmbeddingStep): Call {
  if (step.next !== "call") throw new Error(`expected a call, and not ${step.next}`);
  return step;
}

function save(session: NodeSession, { lease, texts }: Call, model = MODEL): EmbeddingStep {
  const vectors = texts.map(({ key, text }) => ({ key, vector: embed(text) }));
  const jobId = session.job("embed")?.id ?? "";
  return saveVectors(session.unit(), jobId, lease, model, vectors);
}

/** Does all pending work like a consumer. @returns the texts of each call */
function embedAll(session: NodeSession, model = MODEL): string[][] {
  const calls: string[][] = [];
  let step = begin(session, model);
  for (; step.next === "call"; step = save(session, step, model)) calls.push(step.texts.map(({ text }) => text));
  expect(step.next).toBe("done");
  return calls;
}

function asking(text: string, model = MODEL): QueryMeaning {
  return { model, vector: embed(text) };
}

function near(session: NodeSession, text: string, model = MODEL) {
  const { store } = session;
  const branch = store.messages.tip()?.branch ?? store.branches.active(0);
  const { use, near: turns } = nearTurns(session.unit(), asking(text, model), branch);
  return { use, seqs: turns.toSorted((a, b) => b.nearness - a.nearness).map(({ seq }) => seq) };
}

const VECTOR_TABLES = "SELECT name FROM sqlite_master WHERE name LIKE 'vector%'";
const tablesOf = ({ sql }: NodeSession): number => sql.exec(VECTOR_TABLES).toArray().length;

function chat(): NodeSession {
  const session = new NodeSession();
  session.append([
    "we sailed over the sea",
    { role: "assistant", content: "The sea is large." },
    "my cat sleeps",
    { role: "assistant", content: "Cats do." },
    "the invoice is due on Friday",
  ]);
  session.summarize(1, 4, [
    { text: "The user sailed", sourceSeqs: [1] },
    { text: "The user has a cat", sourceSeqs: [3] },
  ]);
  return session;
}

/** The owner of the vector of an item, by its block and its index there. */
function ofItem(block: number, index: number): number {
  return -(block * 256 + index);
}

describe("the texts that are given to a model", () => {
  it("are users' messages and the items of the newest version, without answers", () => {
    const session = chat();
    expect(embedAll(session)).toEqual([
      [
        "we sailed over the sea",
        "my cat sleeps",
        "the invoice is due on Friday",
        "The user sailed",
        "The user has a cat",
      ],
    ]);
    expect(session.job("embed")).toBeUndefined();
    expect([...session.store.vectors.owners()].toSorted((a, b) => a - b)).toEqual([
      ofItem(1, 1),
      ofItem(1, 0),
      1,
      3,
      5,
    ]);
  });

  it("say who wrote them, where that is known", () => {
    const session = new NodeSession();
    session.append([{ role: "user", author: "Ada", content: "the sea" }, "the harbour"]);
    expect(embedAll(session)).toEqual([["Ada: the sea", "the harbour"]]);
  });

  it("are given once, and later only the new ones", () => {
    const session = chat();
    embedAll(session);
    expect(embedAll(session)).toEqual([]);
    session.append(["a new sail", { role: "assistant", content: "Which?" }]);
    session.summarize(2, 7, [{ text: "The user buys a sail", sourceSeqs: [6] }]);
    expect(embedAll(session)).toEqual([["a new sail", "The user buys a sail"]]);
  });

  it("come in calls of 64 texts, and of fewer if they are long", () => {
    const session = new NodeSession();
    session.say(150);
    expect(embedAll(session).map(({ length }) => length)).toEqual([64, 64, 22]);
    const long = new NodeSession();
    long.append(Array.from({ length: 50 }, (_, at) => `turn ${at} ${"word ".repeat(2_000)}`));
    const calls = embedAll(long);
    expect(calls.map(({ length }) => length)).toEqual([32, 18]);
    expect(Math.max(...calls.flat().map(({ length }) => length))).toBe(4_000);
  });

  it("include no message without text", () => {
    const session = new NodeSession();
    session.append([" ", { role: "user", content: [{ type: "data-form", data: {} }] }, "words"]);
    expect(embedAll(session)).toEqual([["words"]]);
  });

  it("are given again if no vector came, or one for another text", () => {
    const session = chat();
    const step = expectCall(begin(session));
    const jobId = session.job("embed")?.id ?? "";
    const [first, second] = step.texts;
    const saved = [
      { key: second!.key, vector: embed(second!.text) },
      { key: first!.key.replace(/\.\w/, ".x"), vector: embed("something else") },
      { key: "m2.0000", vector: embed("an answer") },
      { key: "nonsense", vector: embed("nonsense") },
    ];
    const next = saveVectors(session.unit(), jobId, step.lease, MODEL, saved);
    expect(expectCall(next).texts[0]?.text).toBe("we sailed over the sea");
    expect(expectCall(next).texts).toHaveLength(4);
    expect([...session.store.vectors.owners()]).toEqual([3]);
  });
});

describe("the vector of a text that changed meanwhile", () => {
  const changes: Record<string, (session: NodeSession) => void> = {
    "was edited": (session) => void editMessage(session.unit(), "seq-1", { content: "we flew" }),
    "was erased": (session) => void eraseMessage(session.unit(), "seq-1"),
  };

  it.each(Object.entries(changes))("is dropped: it %s", (_what, change) => {
    const session = chat();
    const step = expectCall(begin(session));
    change(session);
    const next = save(session, step);
    const owners = session.store.vectors.owners();
    expect(owners.has(1)).toBe(false);
    // The item that cited it was deleted with it.
    expect(owners.has(ofItem(1, 0))).toBe(false);
    expect(owners.has(3)).toBe(true);
    const again = next.next === "call" ? next.texts.map(({ text }) => text) : [];
    expect(again).toEqual(_what === "was edited" ? ["we flew"] : []);
  });

  it("is dropped if its lease is lost, or if its session was erased", () => {
    const session = chat();
    const step = expectCall(begin(session));
    expect(save(session, { ...step, lease: "another" })).toEqual({ next: "wait" });
    expect(tablesOf(session)).toBe(0);
    eraseSession(session.unit());
    expect(save(session, step)).toEqual({ next: "done", hasFailed: false });
    expect(tablesOf(session)).toBe(0);
  });
});

describe("a vector is deleted", () => {
  it("when its message is edited, and made again with the next summary", () => {
    const session = chat();
    embedAll(session);
    editMessage(session.unit(), "seq-3", { metadata: { rated: 1 } });
    expect(session.store.vectors.owners().has(3)).toBe(true);
    editMessage(session.unit(), "seq-3", { content: "my dog sleeps" });
    expect(session.store.vectors.owners().has(3)).toBe(false);
    expect(near(session, "cat").seqs).not.toContain(3);
    expect(embedAll(session)).toEqual([["my dog sleeps"]]);
  });

  it("when its message is erased, with the vectors of items that cite it", () => {
    const session = chat();
    embedAll(session);
    eraseMessage(session.unit(), "seq-1");
    expect([...session.store.vectors.owners()].toSorted((a, b) => a - b)).toEqual([ofItem(1, 1), 3, 5]);
  });

  it("when very many messages are erased at once", () => {
    const session = chat();
    embedAll(session);
    session.store.countChange(session.store.messageEraser.eraseThrough(3, NOON));
    expect(tablesOf(session)).toBe(0);
    expect(embedAll(session).flat()).not.toContain("we sailed over the sea");
  });

  it("when its session is erased or expires", () => {
    for (const end of [
      (session: NodeSession) => void eraseSession(session.unit()),
      (session: NodeSession) => session.store.expire(NOON),
    ]) {
      const session = chat();
      embedAll(session);
      expect(tablesOf(session)).toBe(3);
      end(session);
      expect(tablesOf(session)).toBe(0);
    }
  });

  it("when its version is deleted, or a later version drops its item", () => {
    const session = chat();
    embedAll(session);
    session.store.summaries.deleteVersionsAfter(0);
    expect([...session.store.vectors.owners()].toSorted((a, b) => a - b)).toEqual([1, 3, 5]);
    session.summarize(2, 4, [{ text: "A first item", sourceSeqs: [1] }]);
    embedAll(session);
    expect(session.store.vectors.owners().has(ofItem(2, 0))).toBe(true);
    session.summarize(3, 4, [{ text: "A second item", sourceSeqs: [1] }], {}, ["2.1"]);
    embedAll(session);
    expect([...session.store.vectors.owners()].filter((owner) => owner < 0)).toEqual([ofItem(3, 0)]);
  });
});

describe("the pages of the database", () => {
  it("keep nothing of a deleted vector, nor of vectors of another model", () => {
    const directory = makeTemporaryDirectory();
    try {
      const file = path.join(directory, "session.sqlite");
      const database = new DatabaseSync(file);
      database.exec("PRAGMA page_size = 4096; PRAGMA auto_vacuum = FULL; PRAGMA journal_mode = WAL");
      const disk = new Disk();
      disk.database = database;
      const storage = new ObjectStorage(disk);
      const sql: object = storage.sql;
      const store = new VectorStore(sql as SqlStorage);
      const owners = Array.from({ length: 600 }, (_, at) => at + 1);
      const vectorOf = (seq: number): Float32Array => embed(`message ${seq}`);
      const put = (model: string, seqs: readonly number[]): void =>
        storage.transactionSync(() =>
          store.put(
            model,
            seqs.map((seq) => ({ owner: { of: "message", seq }, vector: vectorOf(seq) })),
          ),
        );
      for (let from = 0; from < owners.length; from += 40) put(MODEL, owners.slice(from, from + 40));
      const erased = owners.filter((seq) => seq % 7 === 3);
      const heldIn = (seqs: readonly number[]): number[] => {
        database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
        const pages = readFileSync(file);
        return seqs.filter((seq) =>
          pages.includes(Buffer.from(storeVector(unitVector(vectorOf(seq))).subarray(0, 24))),
        );
      };
      expect(heldIn(owners)).toEqual(owners);
      for (const seq of erased) storage.transactionSync(() => store.forgetMessages([seq]));
      expect(heldIn(erased)).toEqual([]);
      expect(heldIn(owners)).toHaveLength(owners.length - erased.length);
      put("test/other", [700]);
      expect(heldIn([...owners, 700])).toEqual([700]);
      database.close();
    } finally {
      removeDirectory(directory);
    }
  });
});

describe("a free slot", () => {
  it("is used by the next vector, and no row is added", () => {
    const session = new NodeSession();
    session.say(40);
    embedAll(session);
    const rows = (): number[] =>
      ["vector_codes", "vector_blocks"].map(
        (table) => session.sql.exec(`SELECT row FROM ${table} WHERE row > 0`).toArray().length,
      );
    expect(rows()).toEqual([1, 5]);
    for (let seq = 1; seq <= 20; seq += 1) {
      eraseMessage(session.unit(), `seq-${seq}`);
    }
    session.append(Array.from({ length: 20 }, (_, at) => `another ${at}`));
    embedAll(session);
    expect(rows()).toEqual([1, 5]);
    expect(near(session, "another 7").seqs[0]).toBe(48);
  });
});

describe("a search by meaning", () => {
  it("finds a turn without a shared word", () => {
    const session = chat();
    const find = (query: string, asked?: QueryMeaning) =>
      searchMessages(session.unit(), { query }, asked).data.map(({ message }) => message.seq);
    expect(find("ocean")).toEqual([]);
    expect(near(session, "ocean")).toEqual({ use: "none-yet", seqs: [] });
    embedAll(session);
    expect(near(session, "ocean").seqs[0]).toBe(1);
    const { data, retrieval } = searchMessages(session.unit(), { query: "ocean" }, asking("ocean"));
    expect(retrieval).toEqual({ by: "words-and-meaning" });
    expect(data[0]?.message.seq).toBe(1);
    expect(data[0]?.why).toBe("near in meaning");
    expect(find("ocean", { without: "late" })).toEqual([]);
  });

  it("finds a turn that an item cites, if the item is nearer than the turn's own words", () => {
    const session = new NodeSession();
    session.append(["I start at nine at Northwind", "and my cat sleeps"]);
    session.summarize(1, 2, [{ text: "The employer of the user", sourceSeqs: [1] }]);
    embedAll(session);
    expect(near(session, "employer").seqs[0]).toBe(1);
  });

  it("finds the items that are nearest to a query, of the kinds that are wanted, as they are now", () => {
    const session = new NodeSession();
    session.append(["I start at nine at Northwind", "and my cat sleeps", "I like the sea"]);
    const query = { model: MODEL, vector: embed("employer") };
    const find = (more: Partial<NearItemsRequest> = {}) => {
      const { use, items } = nearItems(session.unit(), { query, limit: 2, ...more });
      return { use, texts: items.map(({ item }) => item.text) };
    };
    expect(find()).toEqual({ use: "none-yet", texts: [] });
    session.summarize(1, 3, [
      { text: "A cat sleeps", sourceSeqs: [2] },
      { text: "The employer of the user", sourceSeqs: [1] },
      { text: "The user likes the sea", sourceSeqs: [3] },
    ]);
    embedAll(session);
    expect(find()).toMatchObject({ use: "used", texts: { length: 2, 0: "The employer of the user" } });
    expect(find({ limit: 9 }).texts).toHaveLength(3);
    expect(find({ kinds: ["task"] })).toEqual({ use: "used", texts: [] });
    expect(find({ statuses: ["superseded"] })).toEqual({ use: "used", texts: [] });
    expect(find({ query: { ...query, model: "test/other" } })).toEqual({ use: "other-model", texts: [] });
    const [nearest] = nearItems(session.unit(), { query, limit: 1 }).items;
    expect(nearest?.nearness).toBeGreaterThan(0.2);
    expect(nearest?.madeAt).toBe(session.store.summaries.newest()?.createdAt);
    eraseMessage(session.unit(), "seq-1");
    expect(find().texts).not.toContain("The employer of the user");
  });

  it("says why meaning was not used", () => {
    const session = chat();
    const { store } = session;
    const use = (asked?: QueryMeaning) =>
      retrieveForContext(session.unit(), "sea", store.branches.through(5), asked).meaning;
    expect([use(), use({ without: "off" }), use({ without: "unavailable" }), use(asking("sea"))]).toEqual([
      undefined,
      "off",
      "unavailable",
      "none-yet",
    ]);
    embedAll(session);
    expect([use(asking("sea")), use(asking("sea", "test/other"))]).toEqual(["used", "other-model"]);
    expect(use({ model: MODEL, vector: new Float32Array(8).fill(1) })).toBe("other-model");
  });

  it("finds only turns of the branch, up to its head", () => {
    const session = new NodeSession();
    session.append(["the sea", "the harbour"]);
    session.append([{ role: "user", content: "the ocean liner", afterSeq: 1 }]);
    embedAll(session);
    expect(near(session, "ocean").seqs.toSorted()).toEqual([1, 3]);
    const { store } = session;
    const at = (seq: number) =>
      nearTurns(session.unit(), asking("sea"), store.branches.through(seq)).near.map((turn) => turn.seq);
    expect(at(2).toSorted()).toEqual([1, 2]);
    expect(at(1)).toEqual([1]);
  });

  it("uses the items of the version that the branch shows", () => {
    const session = chat();
    embedAll(session);
    const [newest] = session.store.summaries.backward(10, 1);
    bringBack(session.unit(), newest!, null);
    expect(session.store.summaries.placedItems(2)).toEqual([]);
    expect(near(session, "sailed").seqs).toContain(1);
    embedAll(session);
    expect([...session.store.vectors.owners()].every((owner) => owner > 0)).toBe(true);
  });
});

describe("another model", () => {
  it("makes all vectors again, and replaces the old ones with its first", () => {
    const session = chat();
    embedAll(session);
    const step = expectCall(begin(session, "test/other"));
    expect(step.texts).toHaveLength(5);
    expect(near(session, "sea").use).toBe("used");
    save(session, step, "test/other");
    expect(near(session, "sea").use).toBe("other-model");
    expect(near(session, "sea", "test/other").use).toBe("used");
  });

  it("is noticed by the first query that is its vector, and the job is scheduled once", () => {
    const session = chat();
    const isNeeded = (asked?: QueryMeaning) => needsNewVectors(session.unit(), asked);
    expect(isNeeded(asking("sea", "test/other"))).toBe(false);
    embedAll(session);
    expect([isNeeded(), isNeeded({ without: "late" }), isNeeded(asking("sea"))]).toEqual([false, false, false]);
    expect(isNeeded(asking("sea", "test/other"))).toBe(true);
    scheduleEmbedding(session.unit(), false);
    expect(isNeeded(asking("sea", "test/other"))).toBe(false);
  });

  it("includes another length under the same name: all are made again", () => {
    const session = new NodeSession();
    session.say(70);
    embedAll(session);
    session.append(["one more"]);
    let step = begin(session);
    const calls: number[] = [];
    for (; step.next === "call";) {
      calls.push(step.texts.length);
      const vectors = step.texts.map(({ key, text }) => ({ key, vector: embed(text).slice(0, 32) }));
      const jobId = session.job("embed")?.id ?? "";
      step = saveVectors(session.unit(), jobId, step.lease, MODEL, vectors);
    }
    expect(calls).toEqual([1, 64, 6]);
    expect(session.store.vectors.state()).toMatchObject({ dimensions: 32 });
    expect(session.store.vectors.owners().size).toBe(71);
  });
});

describe("the job that makes vectors", () => {
  it("waits while another consumer has it, and ends when nothing is missing", () => {
    const session = chat();
    const step = expectCall(begin(session));
    expect(begin(session)).toEqual({ next: "wait" });
    expect(save(session, step)).toEqual({ next: "done", hasFailed: false });
    expect(begin(session)).toEqual({ next: "done", hasFailed: false });
    expect(session.jobs).toEqual([]);
  });

  it("leaves no table if there is nothing to embed, or if embeddings were switched off", () => {
    const session = new NodeSession();
    expect(begin(session)).toEqual({ next: "done", hasFailed: false });
    const other = chat();
    expect(begin(other, null)).toEqual({ next: "done", hasFailed: false });
    expect([tablesOf(session), tablesOf(other)]).toEqual([0, 0]);
    expect(other.jobs).toEqual([]);
  });

  it("is sent a minute after the summary, unless the consumer of the summary continued with it", () => {
    const session = chat();
    const job = scheduleEmbedding(session.unit(), true);
    const due = (now: number) => takeDueJobs(session.unit(now), () => 0.5);
    expect(due(NOON + 59_000)).toEqual([]);
    expect(due(NOON + 60_000)).toMatchObject([{ kind: "embed", jobId: job.id }]);
  });

  it("is given up after eight failures, and scheduled again with the next summary", () => {
    const session = chat();
    const reports = Array.from({ length: 8 }, () => {
      const job = scheduleEmbedding(session.unit(), false);
      session.store.jobs.put({ ...job, nextSendAt: NOON });
      const { lease } = expectCall(begin(session));
      return noteFailure(session.unit(), job.id, { reason: "embedder unreachable", lease }, 0.5);
    });
    expect(reports.map((report) => report?.gaveUp)).toEqual([...Array.from({ length: 7 }, () => false), true]);
    expect(session.job("embed")).toMatchObject({ state: "failed", failures: 8, lastError: "embedder unreachable" });
    const job = scheduleEmbedding(session.unit(), false);
    expect(job).toMatchObject({ state: "pending", failures: 0 });
    expect(embedAll(session)).toHaveLength(1);
  });

  it("keeps its pause while the provider is unavailable, also when a summary is stored", () => {
    const session = chat();
    const job = scheduleEmbedding(session.unit(), false);
    const { lease } = expectCall(begin(session));
    noteFailure(session.unit(), job.id, { reason: "embedder timeout", lease, retryAfterSeconds: 900 }, 0.5);
    const again = scheduleEmbedding(session.unit(), true);
    expect(again.nextSendAt).toBe(NOON + 900_000);
    expect(again.failures).toBe(1);
  });

  it("can be dropped and retried by an operator", () => {
    const session = chat();
    const job = session.schedule("embed", { throughSeq: 4, failures: 5 });
    expect(dropJob(session.unit(), job.id)).toBe(true);
    expect(session.job("embed")).toMatchObject({ state: "failed" });
    expect(retryJob(session.unit(), job.id)).toBe(true);
    expect(session.job("embed")).toMatchObject({ state: "pending", failures: 0 });
  });

  it("does not delay the end of a session: one that was given up is cancelled", () => {
    const session = chat();
    session.schedule("embed", { throughSeq: 4, state: "failed", failures: 8 });
    callOffEmbedding(session.unit());
    expect(begin(session)).toEqual({ next: "done", hasFailed: true });
    session.schedule("embed", { throughSeq: 4, state: "pending" });
    callOffEmbedding(session.unit());
    expect(begin(session).next).toBe("call");
  });
});

describe("a fork", () => {
  it("makes vectors of its own if its source has any", () => {
    for (const isEmbedded of [true, false]) {
      const source = chat();
      if (isEmbedded) embedAll(source);
      const copying = { kind: "fork", until: NOON, sourceChanges: null } as const;
      const fork = new NodeSession({ copying });
      const origin = {
        session: "chat",
        epoch: EPOCH,
        kind: "fork",
        throughSeq: 5,
        state: "pending",
      } as const;
      const job = scheduleCopy(fork.unit(), origin);
      for (const after of [0, 5]) {
        const page = structuredClone(readCopyPage(source.unit(), after, 5));
        saveCopyPage(fork.unit(), job.id, page);
      }
      expect(tablesOf(fork)).toBe(0);
      expect(fork.job("embed") === undefined).toBe(!isEmbedded);
      if (isEmbedded)
        expect(embedAll(fork).flat()).toEqual(expect.arrayContaining(["my cat sleeps", "The user sailed"]));
    }
  });
});
