import { describe, expect, it } from "vitest";
import { contextSchema, type ContextRequest } from "../../src/contracts/context.ts";
import { unwrap } from "../../src/contracts/errors.ts";
import type { NewMessage } from "../../src/contracts/message.ts";
import type { SessionRef } from "../../src/contracts/session.ts";
import { birthOf, freshRef, sessionAt } from "../support/worker-session.ts";

/** An early turn that no small window reaches, and a question about it at the end. */
async function chat(): Promise<SessionRef> {
  const ref = freshRef();
  const messages: NewMessage[] = Array.from({ length: 98 }, (_, index) => ({
    id: `m${index + 1}`,
    role: index % 2 === 0 ? "user" : "assistant",
    content:
      index === 10 ? "My locker at the pool is number 3917." : `Chatter number ${index}: the weather is as it is.`,
  }));
  unwrap(await sessionAt(ref).append({ messages }, birthOf(ref)));
  const question: NewMessage = { role: "user", content: "Which locker did I get at the pool?" };
  unwrap(await sessionAt(ref).append({ messages: [question] }, null));
  return ref;
}

async function contextOf(ref: SessionRef, request: ContextRequest) {
  return contextSchema.parse(unwrap(await sessionAt(ref).context({ maxTokens: 600, ...request })));
}

describe("a context with a query", () => {
  it("brings back the turn that matters, with the reason, and stays within the budget", async () => {
    const ref = await chat();
    expect((await contextOf(ref, {})).retrieved).toEqual([]);
    for (const query of ["auto", "locker at the pool"]) {
      const context = await contextOf(ref, { query });
      expect(context.retrieved[0]).toMatchObject({ message: { id: "m11" } });
      expect(context.tokens.retrieved).toBeGreaterThan(0);
      expect(context.tokens.used).toBeLessThanOrEqual(600);
    }
  });

  it("puts it at the very end of a prompt, in the order in which it was said", async () => {
    const ref = await chat();
    const rendered = unwrap(await sessionAt(ref).context({ maxTokens: 600, query: "auto", format: "text" }));
    if (!("text" in rendered)) throw new Error("expected a text");
    expect(rendered.text.trimEnd()).toMatch(/<earlier_messages>\n[^]*number 3917[^]*<\/earlier_messages>$/);
  });

  it("keeps the recent messages where they are, whatever is found", async () => {
    const ref = await chat();
    const found = await contextOf(ref, { query: "locker" });
    const nothing = await contextOf(ref, { query: "zeppelin" });
    expect(found.messages).toEqual(nothing.messages);
  });

  it("brings back nothing after the message that it is as of", async () => {
    const ref = await chat();
    const context = await contextOf(ref, { query: "weather locker", atSeq: 60 });
    expect(context.atSeq).toBe(60);
    expect(context.retrieved.every(({ message }) => message.seq <= 60)).toBe(true);
    expect(context.messages.at(-1)?.seq).toBe(60);
  });

  it("does not bring back what was erased", async () => {
    const ref = await chat();
    await contextOf(ref, { query: "locker" });
    unwrap(await sessionAt(ref).eraseMessage("m11"));
    const context = await contextOf(ref, { query: "locker pool 3917" });
    expect(JSON.stringify(context.retrieved)).not.toContain("3917");
  });

  it("leaves no cursor open that would keep the session from being erased", async () => {
    const ref = await chat();
    await contextOf(ref, { query: "auto", maxTokens: 300 });
    expect((await sessionAt(ref).erase()).ok).toBe(true);
  });

  it("takes an empty query, and one without any word, for one that finds nothing", async () => {
    const ref = await chat();
    expect((await contextOf(ref, { query: "" })).retrieved).toEqual([]);
    expect((await contextOf(ref, { query: "?! -- *" })).retrieved).toEqual([]);
    expect((await contextOf(ref, { query: null })).retrieved).toEqual([]);
  });
});
