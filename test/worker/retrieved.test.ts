import { describe, expect, it } from "vitest";
import { contextSchema, type ContextRequest } from "../../src/api/context.ts";
import type { NewMessage } from "../../src/api/message.ts";
import {
  creationOf,
  evictDurableObject,
  freshRef,
  runInDurableObject,
  sessionAt,
  type SessionRef,
  stubAt,
  unwrap,
} from "../support/session.ts";

/** An early turn that is outside of any small window, and a question about it at the end. */
async function chat(): Promise<SessionRef> {
  const ref = freshRef();
  const messages: NewMessage[] = Array.from({ length: 98 }, (_, index) => ({
    id: `m${index + 1}`,
    role: index % 2 === 0 ? "user" : "assistant",
    content:
      index === 10 ? "My locker at the pool is number 3917." : `Chatter number ${index}: the weather is as it is.`,
  }));
  unwrap(await sessionAt(ref).append({ messages }, creationOf(ref)));
  const question: NewMessage = { role: "user", content: "Which locker did I get at the pool?" };
  unwrap(await sessionAt(ref).append({ messages: [question] }, null));
  return ref;
}

/** A context without the two fields that describe the present: the newest message, and whether a summary is pending. */
async function bytesAt(ref: SessionRef, atSeq: number, query: string): Promise<string> {
  const { headSeq: _, summaryPending: __, ...rest } = await contextOf(ref, { query, atSeq });
  return JSON.stringify(rest);
}

const LATER_AUTHORS = ["Weather", "Locker", "Zoe"];

/** Fifty long messages that make every word of the questions common, and name new authors after these words. */
function laterMessages(): NewMessage[] {
  return Array.from({ length: 50 }, (_, index) => ({
    id: `later${index + 1}`,
    role: index % 2 === 0 ? "user" : "assistant",
    author: LATER_AUTHORS[index % LATER_AUTHORS.length] ?? "",
    content: `The locker at the pool, locker ${index}: weather, chatter and a number. ${"So it goes on. ".repeat(index)}`,
  }));
}

async function contextOf(ref: SessionRef, request: ContextRequest) {
  return contextSchema.parse(unwrap(await sessionAt(ref).context({ maxTokens: 600, ...request })));
}

describe("a context with a query", () => {
  it("retrieves the turn that matters, with the reason, and stays within the budget", async () => {
    const ref = await chat();
    expect((await contextOf(ref, {})).retrieved).toEqual([]);
    for (const query of ["auto", "locker at the pool"]) {
      const context = await contextOf(ref, { query });
      expect(context.retrieved[0]).toMatchObject({ message: { id: "m11" } });
      expect(context.tokens.retrieved).toBeGreaterThan(0);
      expect(context.tokens.used).toBeLessThanOrEqual(600);
    }
  });

  it("puts retrieved messages at the very end of a prompt, in the order in which they were said", async () => {
    const ref = await chat();
    const rendered = unwrap(await sessionAt(ref).context({ maxTokens: 600, query: "auto", format: "text" }));
    if (!("text" in rendered)) throw new Error("expected a text");
    expect(rendered.text.trimEnd()).toMatch(/<earlier_messages>\n[^]*number 3917[^]*<\/earlier_messages>$/);
  });

  it("gives unused room back to the recent messages", async () => {
    const ref = await chat();
    const found = await contextOf(ref, { query: "locker" });
    const nothing = await contextOf(ref, { query: "zeppelin" });
    expect(nothing.messages.slice(-found.messages.length)).toEqual(found.messages);
    expect(nothing.messages.length).toBeGreaterThanOrEqual(found.messages.length);
  });

  it("retrieves nothing after the message that it is as of", async () => {
    const ref = await chat();
    const context = await contextOf(ref, { query: "weather locker", atSeq: 60 });
    expect(context.atSeq).toBe(60);
    expect(context.retrieved.every(({ message }) => message.seq <= 60)).toBe(true);
    expect(context.messages.at(-1)?.seq).toBe(60);
  });

  it("does not retrieve an erased message", async () => {
    const ref = await chat();
    await contextOf(ref, { query: "locker" });
    unwrap(await sessionAt(ref).eraseMessage("m11"));
    const context = await contextOf(ref, { query: "locker pool 3917" });
    expect(JSON.stringify(context.retrieved)).not.toContain("number 3917");
  });

  it("leaves no cursor open that would prevent the session from being erased", async () => {
    const ref = await chat();
    await contextOf(ref, { query: "auto", maxTokens: 300 });
    expect((await sessionAt(ref).erase()).ok).toBe(true);
  });

  it("finds nothing for an empty query, and for one without a word", async () => {
    const ref = await chat();
    expect((await contextOf(ref, { query: "" })).retrieved).toEqual([]);
    expect((await contextOf(ref, { query: "?! -- *" })).retrieved).toEqual([]);
    expect((await contextOf(ref, { query: null })).retrieved).toEqual([]);
  });
});

describe("a context with a query as of a message", () => {
  const questions = [
    "Which locker did I get at the pool?",
    "weather locker",
    "auto",
    "What did Zoe say of chatter 17?",
  ];

  async function allAt(ref: SessionRef, atSeq: number): Promise<string[]> {
    const all: string[] = [];
    for (const query of questions) all.push(await bytesAt(ref, atSeq, query));
    return all;
  }

  it.each([60, 98, 99])("has the same bytes at %i after 50 messages came and were indexed", async (atSeq) => {
    const ref = await chat();
    const before = await allAt(ref, atSeq);
    expect(before[0]).toContain("number 3917");
    unwrap(await sessionAt(ref).append({ messages: laterMessages() }, null));
    const { indexedThroughSeq } = unwrap(await sessionAt(ref).search({ query: "locker" }));
    expect(indexedThroughSeq).toBe(149);
    expect(await allAt(ref, atSeq)).toEqual(before);
  });

  it("has the same bytes after edits and erasures after that message, and different ones after an edit before it", async () => {
    const ref = await chat();
    unwrap(await sessionAt(ref).append({ messages: laterMessages() }, null));
    unwrap(await sessionAt(ref).search({ query: "locker" }));
    const before = await allAt(ref, 99);
    unwrap(await sessionAt(ref).editMessage("later1", { content: "Locker 3917 at the pool." }));
    unwrap(await sessionAt(ref).eraseMessage("later2"));
    unwrap(await sessionAt(ref).eraseMessage("later3"));
    expect(await allAt(ref, 99)).toEqual(before);
    unwrap(await sessionAt(ref).editMessage("m31", { content: "A locker of my own at the pool." }));
    expect(await allAt(ref, 99)).not.toEqual(before);
  });

  it("has the same bytes from an object without a cache", async () => {
    const ref = await chat();
    unwrap(await sessionAt(ref).append({ messages: laterMessages() }, null));
    const before = [...(await allAt(ref, 60)), ...(await allAt(ref, 149))];
    await evictDurableObject(stubAt(ref));
    expect([...(await allAt(ref, 60)), ...(await allAt(ref, 149))]).toEqual(before);
  });
});

describe("an index that is behind", () => {
  /** More messages than one request indexes, with the relevant message near the end. */
  const REACH_OF_ONE_REQUEST = 3_000;
  const WANTED_SEQ = 3_010;

  async function longChat(): Promise<SessionRef> {
    const ref = freshRef();
    const creation = creationOf(ref, { summarizeAfterTokens: 500_000 });
    for (let from = 1; from < 3_100; from += 100) {
      const messages = Array.from({ length: 100 }, (_, index): NewMessage => {
        const seq = from + index;
        return { role: "user", content: seq === WANTED_SEQ ? "My locker is number 3917." : `Entry ${seq}.` };
      });
      unwrap(await sessionAt(ref).append({ messages }, creation));
    }
    return ref;
  }

  const found = async (ref: SessionRef, atSeq: number): Promise<number | undefined> =>
    (await contextOf(ref, { query: "locker", atSeq })).retrieved[0]?.message.seq;

  it("finds nothing past what it has reached, and continues with the next request", async () => {
    const ref = await longChat();
    expect(await found(ref, 3_100)).toBeUndefined();
    expect(await indexedThrough(ref)).toBe(REACH_OF_ONE_REQUEST);
    expect(await found(ref, 3_100)).toBe(WANTED_SEQ);
    expect(await indexedThrough(ref)).toBe(3_100);
  });

  it("is only extended to the requested message, for which that is enough", async () => {
    const ref = await longChat();
    const once = await bytesAt(ref, 900, "entry 17");
    const reached = await indexedThrough(ref);
    expect(reached).toBeLessThan(REACH_OF_ONE_REQUEST);
    expect(await bytesAt(ref, 900, "entry 17")).toBe(once);
    expect(await indexedThrough(ref)).toBe(reached);
    await found(ref, 3_100);
    await found(ref, 3_100);
    expect(await bytesAt(ref, 900, "entry 17")).toBe(once);
  });
});

async function indexedThrough(ref: SessionRef): Promise<number> {
  return runInDurableObject(
    stubAt(ref),
    (_, state) =>
      state.storage.sql.exec<{ seq: number }>("SELECT indexed_through_seq AS seq FROM search_state").one().seq,
  );
}
