import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Context } from "../../src/api/context.ts";
import { MAX_CONTEXT_BYTES } from "../../src/api/limits.ts";
import type { Content } from "../../src/api/message.ts";
import { jsonBytes } from "../../src/api/text.ts";
import { assembleContext, type LogMessage } from "../../src/prompt/context.ts";
import { contentTokens, messageCost, messageText, toolIds } from "../../src/prompt/message-text.ts";
import { logOf } from "../support/agent-chats.ts";
import { candidatesOf, type Chat, chat, hiddenOf, inputOf, NOTHING_EARLIER } from "../support/context-arbitraries.ts";

const RUNS = { numRuns: 400, seed: 20261122 };
const budget = fc.oneof(fc.integer({ min: 256, max: 2_000 }), fc.integer({ min: 256, max: 50_000 }));

/** How each seq is accounted for. */
function account(context: Context) {
  const verbatim = new Set(context.messages.filter(({ cut }) => cut !== true).map(({ seq }) => seq));
  const omitted = new Set<number>();
  for (const { fromSeq, throughSeq } of context.omitted) {
    for (let seq = fromSeq; seq <= throughSeq; seq += 1) omitted.add(seq);
  }
  return { verbatim, omitted, throughSeq: context.summary?.throughSeq ?? 0 };
}

/** What holds for every context. */
const HOLDS: readonly ((value: Chat, context: Context) => void)[] = [
  // Every message is there verbatim, covered by the summary, or named in omitted.
  (value, context) => {
    const { verbatim, omitted, throughSeq } = account(context);
    for (const { seq, content } of value.log) {
      const isAccounted = verbatim.has(seq) || seq <= throughSeq || omitted.has(seq);
      expect(isAccounted, `seq ${seq} is silently missing`).toBe(true);
      expect(verbatim.has(seq) && omitted.has(seq), `seq ${seq} is told twice`).toBe(false);
      if (seq > throughSeq && content === null) expect(omitted.has(seq)).toBe(true);
    }
  },
  // Messages are verbatim and in order.
  (value, { messages }) => {
    const seqs = messages.map(({ seq }) => seq);
    expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
    for (const message of messages) {
      if (message.cut === true) continue;
      expect(message.content).toEqual(value.log[message.seq - 1]?.content);
    }
  },
  // Cited messages without room are named.
  (value, context) => {
    const { omitted, verbatim } = account(context);
    const kept = new Set(context.summary?.items.flatMap(({ sourceSeqs }) => sourceSeqs));
    for (const item of value.summary?.items ?? []) {
      for (const seq of item.sourceSeqs) {
        expect(kept.has(seq) || verbatim.has(seq) || omitted.has(seq), `seq ${seq} is silently missing`).toBe(true);
      }
    }
  },
  // Messages that the summary stopped covering are named.
  (value, context) => {
    const { omitted, verbatim } = account(context);
    for (const { fromSeq, throughSeq } of hiddenOf(value)) {
      for (let seq = fromSeq; seq <= throughSeq; seq += 1) {
        expect(verbatim.has(seq) || omitted.has(seq), `seq ${seq} is silently missing`).toBe(true);
      }
    }
  },
  // A tool call is never separated from its result.
  (_, { messages }) => {
    const called = new Set<string>();
    for (const { content, cut } of messages) {
      const { calls, results } = toolIds(content);
      for (const id of calls) called.add(id);
      if (cut === true) continue;
      for (const id of results) expect(called.has(id), `the call of ${id} is missing`).toBe(true);
    }
  },
];

/** Calls and results after retries and edits: repeated results, and results whose call is gone. */
const tangled: fc.Arbitrary<LogMessage[]> = fc
  .array(
    fc.tuple(
      fc.constantFrom("call", "result", "result", "system", "assistant", "user"),
      fc.constantFrom("a", "b", "c"),
      fc.integer({ min: 1, max: 60 }),
    ),
    { minLength: 2, maxLength: 14 },
  )
  .map((steps) => {
    let tokensBefore = 0;
    return steps.map(([kind, toolCallId, words], index): LogMessage => {
      const said = "velvet pepper ".repeat(words);
      const [role, content]: [LogMessage["role"], Content] =
        kind === "call"
          ? ["assistant", [{ type: "tool-call", toolCallId, toolName: "find", input: { said } }]]
          : kind === "result"
            ? ["tool", [{ type: "tool-result", toolCallId, toolName: "find", output: said }]]
            : [kind as "system" | "assistant" | "user", said];
      const tokens = contentTokens(content);
      const message = { id: `m${index}`, seq: index + 1, role, content, createdAt: "", tokens, tokensBefore, bytes: 0 };
      tokensBefore += messageCost(message);
      return { ...message, bytes: jsonBytes([content]) };
    });
  });

describe("promise 5: no silent gap", () => {
  it("keeps a result with its call if another result has none, and if one is repeated", () => {
    fc.assert(
      fc.property(tangled, fc.integer({ min: 256, max: 700 }), (log, maxTokens) => {
        const { messages } = assembleContext(inputOf({ log, summary: null }, maxTokens));
        const here = new Set(messages.map(({ seq }) => seq));
        for (const { seq, content, cut } of messages) {
          if (cut === true) continue;
          for (const id of toolIds(content).results) {
            const call = log.findLast((one) => one.seq < seq && toolIds(one.content).calls.includes(id));
            expect(call === undefined || here.has(call.seq), `seq ${seq} is there without its call`).toBe(true);
          }
        }
      }),
      { ...RUNS, numRuns: 2_000 },
    );
  });

  it("accounts for every message, verbatim and in order, for what items cite, and for each call with its result", () => {
    fc.assert(
      fc.property(chat, budget, (value, maxTokens) => {
        const context = assembleContext(inputOf(value, maxTokens));
        for (const check of HOLDS) check(value, context);
      }),
      RUNS,
    );
  });

  it("keeps each instruction verbatim, or names it", () => {
    fc.assert(
      fc.property(chat, budget, fc.boolean(), (value, maxTokens, isAsked) => {
        const context = assembleContext(inputOf(value, maxTokens, isAsked ? candidatesOf(value) : null));
        const { verbatim, omitted } = account(context);
        const here = new Set(
          context.messages.map(({ role, author, content }) => JSON.stringify([role, author, content])),
        );
        for (const { seq, role, author, content } of value.log) {
          if (content === null || (role !== "system" && role !== "developer")) continue;
          const isSaid = here.has(JSON.stringify([role, author, content]));
          expect(verbatim.has(seq) || isSaid || omitted.has(seq), `instruction ${seq} is silently missing`).toBe(true);
        }
      }),
      RUNS,
    );
  });

  it("names an erased result if its call is retrieved because of another result", () => {
    const call = (id: string) => ({ type: "tool-call" as const, toolCallId: id, toolName: "find", input: {} });
    const result: Content = [{ type: "tool-result", toolCallId: "b", toolName: "find", output: "nine" }];
    const log = logOf([
      { role: "user", content: "Find both." },
      { role: "assistant", content: [call("a"), call("b")] },
      { role: "tool", content: "erased" },
      { role: "tool", content: result },
    ]).map((message): LogMessage => (message.seq === 3 ? { ...message, content: null } : message));
    const made = { summarizer: "test", degraded: false, droppedItems: 0, createdAt: "2026-01-01T00:00:00.000Z" };
    const summary = { version: 1, throughSeq: 3, items: [], tokens: 0, ...made };
    const input = { ...inputOf({ log, summary }, 2_000), hiddenSeqs: [{ fromSeq: 3, throughSeq: 3 }] };
    const { messages, omitted } = assembleContext(input);
    expect(messages.map(({ seq }) => seq)).toEqual([1, 2, 4]);
    expect(omitted).toEqual([{ fromSeq: 3, throughSeq: 3, reason: "hidden" }]);
  });

  it("names a repeated instruction if it is not there as a whole", () => {
    const rule = "always answer in Portuguese ".repeat(60);
    const said = (seq: number, content: string): LogMessage => ({
      id: `m${seq}`,
      seq,
      role: content === rule ? "system" : "user",
      content,
      createdAt: "",
      tokens: content.length / 4,
      tokensBefore: 0,
      bytes: 100,
    });
    const log = [said(1, rule), said(2, "Hello."), said(3, rule), said(4, "And now?")];
    const summary = {
      version: 1,
      throughSeq: 3,
      items: [],
      tokens: 0,
      summarizer: "none",
      degraded: false,
      droppedItems: 0,
      createdAt: "2026-01-01T00:00:00.000Z",
    };
    const contextOf = (maxTokens: number): Context =>
      assembleContext({
        sessionId: "s",
        headSeq: 4,
        atSeq: 4,
        summary,
        newestFirst: log.slice(3),
        maxTokens,
        maxBytes: MAX_CONTEXT_BYTES,
        hiddenSeqs: [],
        candidates: null,
        earlier: { ...NOTHING_EARLIER, instructions: () => log.toReversed().filter(({ role }) => role === "system") },
        tokenizer: "o200k",
        sendsToolFiles: false,
        summaryPending: false,
      });
    const small = contextOf(300);
    expect(small.messages.map(({ seq, cut }) => [seq, cut])).toEqual([
      [3, true],
      [4, undefined],
    ]);
    expect(small.omitted).toEqual([
      { fromSeq: 1, throughSeq: 1, reason: "budget" },
      { fromSeq: 3, throughSeq: 3, reason: "budget" },
    ]);
    expect(small.leftOut?.messages).toBe(2);
    const large = contextOf(4_000);
    expect(large.messages.map(({ seq, cut }) => [seq, cut])).toEqual([
      [3, undefined],
      [4, undefined],
    ]);
    expect(large.omitted).toEqual([]);
  });

  it("names a pinned question that is displaced by other instructions", () => {
    const sizes = [10, 30, 40, 50, 80, 90, 100].flatMap((rule) =>
      [30, 40, 50].map((question) => [rule, question] as const),
    );
    for (const [rule, question, last] of sizes.flatMap((two) =>
      [80, 90, 100].map((three) => [...two, three] as const),
    )) {
      const said = (seq: number, role: "system" | "user", words: number): LogMessage => ({
        id: `m${seq}`,
        seq,
        role,
        content: `${seq} boats `.padEnd(words * 6, "boats "),
        createdAt: "",
        tokens: words,
        tokensBefore: 0,
        bytes: 100,
      });
      const log = [
        said(1, "system", rule),
        said(2, "user", question),
        said(3, "system", last),
        said(4, "system", last),
      ];
      const context = assembleContext({
        sessionId: "s",
        headSeq: 4,
        atSeq: 4,
        summary: {
          version: 1,
          throughSeq: 2,
          items: [],
          tokens: 0,
          summarizer: "none",
          degraded: false,
          droppedItems: 0,
          createdAt: "2026-01-01T00:00:00.000Z",
        },
        newestFirst: log.slice(2).toReversed(),
        maxTokens: 256,
        maxBytes: MAX_CONTEXT_BYTES,
        hiddenSeqs: [],
        candidates: null,
        earlier: {
          question: () => log[1] ?? null,
          covered: () => log.slice(0, 2).toReversed(),
          instructions: () => log.toReversed(),
        },
        tokenizer: "o200k",
        sendsToolFiles: false,
        summaryPending: false,
      });
      const { verbatim, omitted } = account(context);
      for (const { seq } of log) {
        const where = `${rule}, ${question}, ${last}: seq ${seq}`;
        expect(verbatim.has(seq) || omitted.has(seq), `${where} is silently missing`).toBe(true);
        expect(verbatim.has(seq) && omitted.has(seq), `${where} is told twice`).toBe(false);
      }
    }
  });

  it("gives the room that an instruction's picture does not fit into to the other instructions", () => {
    const picture: Content = [
      { type: "text", text: "This is the plan of the harbour." },
      { type: "file", mediaType: "image/png", data: "iVBORw0KGgo=" },
    ];
    const said: [LogMessage["role"], Content][] = [
      ["system", "You keep a harbour's books."],
      ["system", picture],
      ...Array.from({ length: 40 }, (): ["user", string] => ["user", "velvet pepper ".repeat(100)]),
    ];
    let tokensBefore = 0;
    const log = said.map(([role, content], index): LogMessage => {
      const tokens = contentTokens(content);
      const message = { id: `m${index}`, seq: index + 1, role, content, createdAt: "", tokens, tokensBefore };
      tokensBefore += messageCost(message);
      return { ...message, bytes: jsonBytes([content]) };
    });
    const { messages, omitted } = assembleContext(inputOf({ log, summary: null }, 3_000));
    expect(messages[0]).toMatchObject({ seq: 1, content: "You keep a harbour's books." });
    expect(messages[1]).toMatchObject({ seq: 2, cut: true });
    expect(omitted[0]?.fromSeq).toBe(2);
  });

  it("cuts a newest message that is larger than the budget, and says so", () => {
    const huge = "alpha beta gamma ".repeat(2_000);
    const context = assembleContext({
      sessionId: "s",
      headSeq: 1,
      atSeq: 1,
      summary: null,
      newestFirst: [
        { id: "a", seq: 1, role: "user", content: huge, createdAt: "", tokens: 99_999, tokensBefore: 0, bytes: 100 },
      ],
      maxTokens: 300,
      maxBytes: MAX_CONTEXT_BYTES,
      hiddenSeqs: [],
      candidates: null,
      earlier: NOTHING_EARLIER,
      tokenizer: "o200k",
      sendsToolFiles: false,
      summaryPending: false,
    });
    const [message] = context.messages;
    expect(message?.cut).toBe(true);
    const text = messageText(message?.content ?? "");
    expect(text).toMatch(/^alpha beta[^]*characters cut[^]*gamma $/);
    expect(context.omitted).toEqual([{ fromSeq: 1, throughSeq: 1, reason: "budget" }]);
    expect(context.tokens.used).toBeLessThanOrEqual(300);
  });

  it("says pending if a summary of what has no room is being made", () => {
    const log = Array.from({ length: 50 }, (_, index) => ({
      id: `m${index + 1}`,
      seq: index + 1,
      role: "user" as const,
      content: "some words that fill a line ".repeat(4),
      createdAt: "",
      tokens: 40,
      tokensBefore: index * 46,
      bytes: 100,
    }));
    const context = assembleContext({
      sessionId: "s",
      headSeq: 50,
      atSeq: 50,
      summary: null,
      newestFirst: log.toReversed(),
      maxTokens: 500,
      maxBytes: MAX_CONTEXT_BYTES,
      hiddenSeqs: [],
      candidates: null,
      earlier: NOTHING_EARLIER,
      tokenizer: "o200k",
      sendsToolFiles: false,
      summaryPending: true,
    });
    expect(context.omitted).toMatchObject([{ fromSeq: 1, reason: "pending" }]);
    expect(context.messages.at(-1)?.seq).toBe(50);
  });
});
