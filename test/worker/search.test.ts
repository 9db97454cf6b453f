import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/api/errors.ts";
import type { NewMessage } from "../../src/api/message.ts";
import type { ChatSession } from "../../src/session/object.ts";
import {
  billed,
  creationOf,
  freshRef,
  runInDurableObject,
  sessionAt,
  type SessionRef,
  stubAt,
  unwrap,
  valueSizes,
} from "../support/session.ts";

async function chat(lines: readonly string[]): Promise<SessionRef> {
  const ref = freshRef();
  const messages = lines.map((content, index): NewMessage => ({ id: `m${index + 1}`, role: "user", content }));
  unwrap(await sessionAt(ref).append({ messages }, creationOf(ref)));
  return ref;
}

const LINES = [
  "The ferry to Hoy leaves at seven.",
  "I packed the green tent.",
  "My sister is allergic to walnuts.",
  "Nothing else for today.",
  "Remember the stove and the matches.",
];

describe("search in a session", () => {
  it("finds the message that matters, with a snippet and the reason", async () => {
    const ref = await chat(LINES);
    const result = unwrap(await sessionAt(ref).search({ query: "Who has an allergy to nuts? walnuts" }));
    expect(result).toMatchObject({ indexedThroughSeq: 5, headSeq: 5 });
    expect(result.data[0]).toMatchObject({ message: { id: "m3" }, snippet: LINES[2] });
    expect(result.data[0]?.why).toBeTruthy();
  });

  it("treats the syntax of queries as text", async () => {
    const ref = await chat(LINES);
    for (const query of [
      '"walnuts',
      "walnuts*",
      "NEAR(walnuts)",
      "text:walnuts",
      "walnuts OR",
      "'; DROP TABLE messages; --",
    ]) {
      expect((await sessionAt(ref).search({ query })).ok, query).toBe(true);
    }
    expect(unwrap(await sessionAt(ref).state()).headSeq).toBe(5);
  });

  it("writes no index before the first search, and then catches up", async () => {
    const ref = await chat(LINES);
    const tables = (): Promise<number> =>
      runInDurableObject(
        stubAt(ref),
        (_, state) => state.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name LIKE 'search%'").toArray().length,
      );
    expect(await tables()).toBe(0);
    unwrap(await sessionAt(ref).search({ query: "tent" }));
    expect(await tables()).toBeGreaterThan(0);
    unwrap(await sessionAt(ref).append({ messages: [{ role: "user", content: "A second tent, a red one." }] }, null));
    const result = unwrap(await sessionAt(ref).search({ query: "red tent", limit: 2 }));
    expect(result).toMatchObject({ indexedThroughSeq: 6, data: [{ message: { seq: 6 } }, { message: { seq: 2 } }] });
  });

  it("finds an edited message only by its new words, and an erased one not at all", async () => {
    const ref = await chat(LINES);
    unwrap(await sessionAt(ref).search({ query: "tent" }));
    unwrap(await sessionAt(ref).editMessage("m2", { content: "I packed the hammock." }));
    unwrap(await sessionAt(ref).eraseMessage("m3"));
    const seqsFor = async (query: string): Promise<number[]> =>
      unwrap(await sessionAt(ref).search({ query, limit: 1 })).data.map(({ message }) => message.seq);
    expect(await seqsFor("hammock")).toEqual([2]);
    expect(await seqsFor("green tent")).not.toContain(2);
    expect(await seqsFor("walnuts")).not.toContain(3);
  });

  it("does not find messages of another session", async () => {
    const ref = await chat(["Only the weather."]);
    await chat(LINES);
    expect(unwrap(await sessionAt(ref).search({ query: "walnuts" })).data).toEqual([]);
    expect(await sessionAt(freshRef()).search({ query: "walnuts" })).toMatchObject({
      fault: { code: "session_not_found" },
    });
  });
});

describe("an index of more messages than can be indexed at once", () => {
  const WORDS = ["invoice", "Lisbon", "Friday", "Ada", "budget", "office", "contract", "meeting", "train", "ticket"];
  const line = (at: number): string =>
    Array.from({ length: 8 }, (_, i) => `${WORDS[(at * 5 + i * 7) % WORDS.length]}${(at * 31 + i * 17) % 400}`).join(
      " ",
    );

  async function longChat(count: number): Promise<SessionRef> {
    const ref = freshRef();
    for (let from = 0; from < count; from += 100) {
      const messages = Array.from({ length: 100 }, (_, i): NewMessage => ({ role: "user", content: line(from + i) }));
      unwrap(await sessionAt(ref).append({ messages }, creationOf(ref)));
    }
    for (;;) {
      const { indexedThroughSeq, headSeq } = unwrap(await sessionAt(ref).search({ query: "invoice" }));
      if (indexedThroughSeq === headSeq) return ref;
    }
  }

  it("is kept through edits and erasures, each of which costs a few rows, as does the next context", async () => {
    const ref = await longChat(5_300);
    const rowsOf = async (work: (session: ChatSession) => Promise<Outcome<unknown>>): Promise<number> =>
      (await billed(ref, async (session) => unwrap(await work(session)))).rows;
    const context = (session: ChatSession) => session.context({ query: "invoice77 Lisbon", maxTokens: 2_000 });

    // A placeholder that becomes the answer, as applications write them; it is not indexed yet.
    unwrap(await sessionAt(ref).append({ messages: [{ id: "p", role: "assistant", content: "" }] }, null));
    expect(await rowsOf((session) => session.editMessage("p", { content: line(1) }))).toBeLessThan(12);
    expect(await rowsOf(context)).toBeLessThan(30);
    // One that is indexed.
    expect(await rowsOf((session) => session.editMessage("p", { content: line(2) }))).toBeLessThan(60);
    expect(await rowsOf(context)).toBe(0);
    expect(await rowsOf((session) => session.eraseMessage("seq-2600"))).toBeLessThan(60);
    expect(await rowsOf(context)).toBe(0);
    expect(unwrap(await sessionAt(ref).search({ query: "invoice" }))).toMatchObject({ indexedThroughSeq: 5_301 });
  });
});

describe("a search among long messages", () => {
  /** The largest value of SQLite in a Durable Object, which the runtime of the tests does not enforce. */
  const MAX_VALUE_BYTES = 2_000_000;

  async function longMessages(count: number, bytes: number): Promise<SessionRef> {
    const ref = freshRef();
    const text = (at: number): string => {
      let line = `The error in the file of the project build ${at}: `;
      for (let word = 0; line.length < bytes; word += 1) line += `w${(at * 7_919 + word * 31) % 9_973} `;
      return line;
    };
    for (let from = 0; from < count; from += 20) {
      const messages = Array.from({ length: 20 }, (_, i): NewMessage => ({
        role: "assistant",
        content: text(from + i),
      }));
      unwrap(await sessionAt(ref).append({ messages }, creationOf(ref, { summarizeAfterTokens: 1_000_000 })));
    }
    for (;;) {
      const { indexedThroughSeq, headSeq } = unwrap(await sessionAt(ref).search({ query: "zebra" }));
      if (indexedThroughSeq === headSeq) return ref;
    }
  }

  it("reads no value that the platform refuses, however common the words", async () => {
    const ref = await longMessages(340, 9_000);
    const sizes = await valueSizes(ref, async (session) => {
      const found = unwrap(await session.search({ query: "error in the project file", limit: 100 }));
      expect(found).toMatchObject({ hasMore: false, headSeq: 340 });
      expect(found.data).toHaveLength(100);
      const context = unwrap(
        await session.context({ query: "What was the error in the project file?", maxTokens: 40_000 }),
      );
      expect(context).not.toHaveProperty("retrievalError");
    });
    expect(sizes.largest).toBeGreaterThan(50_000);
    expect(sizes.largest).toBeLessThan(MAX_VALUE_BYTES / 2);
    expect(sizes.largestResult).toBeLessThan(16 * MAX_VALUE_BYTES);
  });

  it("returns as many hits as an answer has room for, the best first, and says that there are more", async () => {
    const ref = await longMessages(20, 250_000);
    const sizes = await valueSizes(ref, async (session) => {
      const { data, hasMore } = unwrap(await session.search({ query: "error in the project file", limit: 20 }));
      expect(hasMore).toBe(true);
      expect(data.length).toBeGreaterThan(10);
      expect(JSON.stringify(data).length).toBeLessThan(5 * 1024 * 1024);
      const fewer = unwrap(await session.search({ query: "error in the project file", limit: 5 }));
      expect(fewer).toEqual({ data: data.slice(0, 5), hasMore: false, indexedThroughSeq: 20, headSeq: 20 });
      const page = unwrap(await session.messages({ limit: 20 }));
      expect(page).toMatchObject({ hasMore: true, nextCursor: String(page.data.length) });
    });
    // One at a time, and not a page of them.
    expect(sizes.largestResult).toBeLessThan(MAX_VALUE_BYTES);
  });
});
