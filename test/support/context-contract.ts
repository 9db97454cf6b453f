import { expect, it } from "vitest";
import type { Context, ContextFormat, ContextRequest } from "../../client/src/context.ts";
import { newId, said, turns, untyped } from "./contract-turns.ts";
import { eventually } from "./service.ts";
import type { SessionSurface } from "./session-surface.ts";

const ROLES = turns(4).map(({ role }) => ({ role }));

/** Four turns in each format. */
const IN_FORMAT = {
  threadkeep: { headSeq: 4, summary: null, messages: [{ seq: 1 }, { seq: 2 }, { seq: 3 }, { seq: 4 }], omitted: [] },
  "openai-chat": { messages: ROLES },
  "openai-responses": { input: ROLES },
  anthropic: { messages: ROLES },
  "ai-sdk": { messages: ROLES },
  ui: { messages: turns(4).map(({ id, role }) => ({ id, role })) },
  text: { text: expect.stringContaining("[assistant] Turn 4: crate 7003") },
} as const satisfies Record<ContextFormat, object>;

const FORMATS = Object.keys(IN_FORMAT) as ContextFormat[];

/** What is wrong with a request, and where. */
const FAULTY: readonly (readonly [name: string, request: object, path: string])[] = [
  ["a budget below 256 tokens", { maxTokens: 255 }, "/maxTokens"],
  ["a budget above a million", { maxTokens: 1_000_001 }, "/maxTokens"],
  ["a budget in fractions", { maxTokens: 400.5 }, "/maxTokens"],
  ["a format that there is not", { format: "xml" }, "/format"],
  ["a place before the first message", { atSeq: 0 }, "/atSeq"],
  ["a query that is too long", { query: "x".repeat(10_001) }, "/query"],
  ["a query with a NUL", { query: "a\u0000b" }, "/query"],
  ["a role that no summary speaks with", { summaryRole: "assistant" }, "/summaryRole"],
  ["a property that is not known", { budget: 1_000 }, "/budget"],
];

/** Where each message up to the head is: verbatim, or named as left out. */
function placesOf({ messages, omitted }: Context): number[] {
  const leftOut = omitted.flatMap(({ fromSeq, throughSeq }) =>
    Array.from({ length: throughSeq - fromSeq + 1 }, (_, index) => fromSeq + index),
  );
  return [...leftOut, ...messages.map(({ seq }) => seq)].toSorted((a, b) => a - b);
}

export function describeContexts(open: () => SessionSurface): void {
  it.each(FORMATS)("return the context as %s, the same alone and with an append", async (format) => {
    const surface = open();
    const id = newId();
    const appended = await surface.append(id, { messages: turns(4), context: { format } });
    const context = await surface.context(id, { format });
    expect(appended.context).toEqual(context);
    expect(context).toMatchObject(IN_FORMAT[format]);
    if (format !== "threadkeep") expect(context).toMatchObject({ meta: { headSeq: 4, atSeq: 4, omitted: [] } });
  });

  it("keep a context within its budget, name what they leave out, and retrieve what a question is about", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: [...turns(60), said("Where is crate 7004?", "asked")] });
    const small = { format: "threadkeep", maxTokens: 512 } as const;
    const plain = await surface.context(id, { ...small, query: null });
    expect(plain).toMatchObject({ sessionId: id, headSeq: 61, summary: null, retrieved: [], tokens: { budget: 512 } });
    expect(plain.tokens.used).toBeLessThanOrEqual(512);
    expect(plain.omitted).toMatchObject([{ fromSeq: 1, reason: "budget" }]);
    expect(placesOf(plain)).toEqual(Array.from({ length: 61 }, (_, index) => index + 1));
    const asked = await surface.context(id, { ...small, query: "crate 7001" });
    expect(asked.retrieved[0]).toMatchObject({ message: { id: "turn-2" }, score: expect.any(Number) });
    const auto = await surface.context(id, { ...small, query: "auto" });
    expect(auto.retrieved[0]).toMatchObject({ message: { id: "turn-5" } });
    expect(auto.tokens.used).toBeLessThanOrEqual(512);
  });

  it("return the context as of a message, with the summary of that time, in the requested role", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(30) });
    await surface.summarize(id, { keepRecentTokens: 100 });
    await eventually("the summary is there", async () => (await surface.state(id)).summary ?? undefined);
    const now = await surface.context(id, { format: "threadkeep", atSeq: 1_000 });
    expect(now).toMatchObject({ headSeq: 30, atSeq: 30, summary: { version: 1 } });
    const then = await surface.context(id, { format: "threadkeep", atSeq: 3 });
    expect(then).toMatchObject({
      headSeq: 30,
      atSeq: 3,
      summary: null,
      messages: [{ seq: 1 }, { seq: 2 }, { seq: 3 }],
    });
    const asUser = await surface.context(id, { format: "openai-chat" });
    const asSystem = await surface.context(id, { format: "openai-chat", summaryRole: "system" });
    expect([asUser.messages[0]?.role, asSystem.messages[0]?.role]).toEqual(["user", "system"]);
  });

  it.each(FAULTY)("refuse a context with %s", async (_name, request, path) => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(1) });
    await expect(surface.context(id, untyped<ContextRequest>(request))).rejects.toMatchObject({
      code: "validation_failed",
      status: 422,
      detail: expect.stringContaining(path),
      errors: [{ path, detail: expect.any(String) }],
    });
  });
}
