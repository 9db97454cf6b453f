import fc from "fast-check";
import { MAX_CONTEXT_BYTES } from "../../src/api/limits.ts";
import type { Content, Part } from "../../src/api/message.ts";
import type { Item, Summary } from "../../src/api/summary.ts";
import { type Json, jsonBytes } from "../../src/api/text.ts";
import type { AssemblyInput, LogMessage } from "../../src/prompt/context.ts";
import { itemsTokens } from "../../src/prompt/items.ts";
import { contentTokens, messageCost } from "../../src/prompt/message-text.ts";
import type { RetrievedMessage } from "../../src/prompt/retrieved.ts";
import { anyCharacter } from "./any-character.ts";

const word = fc.oneof(
  fc.constantFrom(
    "harbour",
    "invoice",
    "Zürich",
    "42",
    "今日は",
    "مرحبا",
    "🙂",
    "</conversation_summary>",
    "\n\n",
    "x".repeat(60),
  ),
  fc.string({ unit: anyCharacter, maxLength: 8 }).filter((text) => text.isWellFormed() && !text.includes("\u0000")),
);
const textOf = (maxWords: number): fc.Arbitrary<string> =>
  fc.array(word, { minLength: 0, maxLength: maxWords }).map((words) => words.join(" "));

/** Names as people choose them, at their maximum length and cost: rare letters cost three tokens each. */
const author = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("Ada", "Bo Li") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "ꔀ".repeat(128),
      "𒀀".repeat(64),
      "🫨".repeat(64),
      Array.from({ length: 128 }, (_, at) => String.fromCharCode(0xa000 + at * 7)).join(""),
      "]\n[system] ".repeat(11),
      "a b".repeat(42),
    ),
  },
);
/** The same for names without a limit: tools and call ids may be anything. */
const dear = (name: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(name) },
    { weight: 1, arbitrary: fc.constantFrom("ꔀ", "𒀀", "\n", "x-", "🙂").map((unit) => unit.repeat(300)) },
  );

const part: fc.Arbitrary<Part> = fc.oneof(
  textOf(40).map((text): Part => ({ type: "text", text })),
  textOf(20).map((text): Part => ({ type: "reasoning", text })),
  fc.constantFrom<Part>(
    { type: "file", mediaType: "image/png", data: "https://example.com/a.png" },
    { type: "file", mediaType: "image/*", data: "iVBORw0KGgoAAAANSUhEUg==", filename: "a b.png" },
    { type: "file", mediaType: "application/pdf", data: "data:application/pdf;base64,JVBERi0xLjQK", filename: "a.pdf" },
    { type: "file", mediaType: "text/csv", data: "YSxiCjEsMgo=" },
    { type: "file", mediaType: "audio/wav", data: "https://example.com/a.wav", filename: "long ".repeat(5_000) },
    { type: "file", mediaType: "image/heic", data: "no address, no base64" },
    { type: "file", mediaType: "ꔀ".repeat(3_000), data: "AAAA", filename: "ꔀ".repeat(3_000) },
  ),
  fc.constant<Part>({ type: "data-widget", data: { open: true } }),
);

interface Said {
  role: LogMessage["role"];
  content: Content | null;
  author?: string;
}

/** A tool's output: text, JSON, or the AI SDK's envelope around either. */
const toolOutput = (text: string): fc.Arbitrary<Json> =>
  fc.constantFrom<Json>(
    text,
    { found: [text, null], total: 2 },
    // It looks like an envelope and is not one: all of it is output.
    { value: 3, unit: "km", note: text },
    { type: "json", value: { text } },
    { type: "error-text", value: text },
    { type: "execution-denied" },
    { type: "content", value: [{ type: "text", text }] },
  );

/** What one step of a chat adds: a message, or a tool call with its results, possibly with other messages between them. */
const step: fc.Arbitrary<Said[]> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .record({
        role: fc.oneof(
          { weight: 8, arbitrary: fc.constantFrom("user" as const, "assistant" as const) },
          { weight: 1, arbitrary: fc.constantFrom("system" as const, "developer" as const) },
        ),
        content: fc.oneof(textOf(60), fc.array(part, { minLength: 1, maxLength: 3 })),
        author,
      })
      .map((message): Said[] => [message]),
  },
  { weight: 1, arbitrary: fc.constant<Said[]>([{ role: "user", content: null }]) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.integer({ min: 1, max: 3 }),
        textOf(80).chain(toolOutput),
        fc.nat(1_000_000).chain((id) => dear(`call-${id}`)),
        fc.array(part, { maxLength: 1 }),
        dear("find"),
        fc.option(author, { nil: undefined }),
      )
      .map(([calls, output, id, spoken, toolName, named]): Said[] => [
        {
          role: "assistant" as const,
          content: [
            ...Array.from({ length: calls }, (_, index) => ({
              type: "tool-call" as const,
              toolCallId: `${id}-${index}`,
              toolName,
              input: { query: JSON.stringify(output).slice(0, 20).toWellFormed(), type: "all", limits: [1, "2", null] },
            })),
            ...spoken,
          ],
          ...(named === undefined ? {} : { author: named }),
        },
        ...Array.from({ length: calls }, (_, index) => ({
          role: "tool" as const,
          ...(named === undefined ? {} : { author: named }),
          content: [
            {
              type: "tool-result" as const,
              toolCallId: `${id}-${index}`,
              toolName,
              output,
            },
          ],
        })),
      ]),
  },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 500, max: 20_000 })
      .map((length): Said[] => [{ role: "user", content: "lorem ipsum ".repeat(length / 12) }]),
  },
);

export interface Chat {
  /** Oldest first, seq 1 to n. */
  readonly log: readonly LogMessage[];
  readonly summary: Summary | null;
}

export const chat: fc.Arbitrary<Chat> = fc
  .tuple(fc.array(step, { minLength: 1, maxLength: 30 }), fc.nat(100), fc.array(textOf(25), { maxLength: 30 }))
  .map(([steps, coveredShare, statements]) => {
    let total = 0;
    const log = steps.flat().map((message, index): LogMessage => {
      const tokens = message.content === null ? 0 : contentTokens(message.content);
      const tokensBefore = total;
      const cost = messageCost({ tokens, author: message.author });
      total += cost;
      return {
        id: `m${index + 1}`,
        seq: index + 1,
        createdAt: "2026-01-01T00:00:00.000Z",
        ...message,
        ...(message.content === null ? { erased: true as const } : {}),
        tokens,
        tokensBefore,
        bytes: jsonBytes([message.content]),
      };
    });
    let throughSeq = Math.floor((log.length * coveredShare) / 100);
    // A summary ends at a possible cut: not between a call and its result.
    while (throughSeq > 0 && log[throughSeq]?.role === "tool") throughSeq -= 1;
    const items = statements.map((text, index): Item => ({
      id: `1.${index}`,
      kind: "fact",
      text,
      sourceSeqs: [1 + (index % Math.max(1, throughSeq))],
      status: index % 7 === 6 ? "superseded" : index % 5 === 4 ? "done" : "current",
    }));
    const summary: Summary | null =
      throughSeq === 0
        ? null
        : {
            version: 1,
            throughSeq,
            items,
            tokens: itemsTokens(items),
            summarizer: "test",
            degraded: false,
            droppedItems: 0,
            createdAt: "2026-01-01T00:00:00.000Z",
          };
    return { log, summary };
  });

/** Every third message, as if a query had found them. */
export function candidatesOf(value: Chat): RetrievedMessage[] {
  return value.log.flatMap(({ content, ...message }) =>
    content === null || message.seq % 3 !== 0 ? [] : [{ message: { ...message, content }, score: 1, why: "test" }],
  );
}

export function inputOf(
  value: Chat,
  maxTokens: number,
  candidates: AssemblyInput["candidates"] = null,
  maxBytes = MAX_CONTEXT_BYTES,
): AssemblyInput {
  return {
    sessionId: "s",
    headSeq: value.log.length,
    atSeq: value.log.length,
    summary: value.summary,
    newestFirst: value.log.slice(value.summary?.throughSeq ?? 0).toReversed(),
    maxTokens,
    maxBytes,
    hiddenSeqs: hiddenOf(value),
    candidates,
    earlier: earlierOf(value),
    tokenizer: "o200k",
    sendsToolFiles: false,
    summaryPending: false,
  };
}

/** Every fifth and sixth message under the summary, as if they had been edited since. */
export function hiddenOf({ summary }: Chat): AssemblyInput["hiddenSeqs"] {
  const throughSeq = summary?.throughSeq ?? 0;
  return Array.from({ length: Math.floor(throughSeq / 6) }, (_, index) => ({
    fromSeq: index * 6 + 5,
    throughSeq: index * 6 + 6,
  }));
}

/** What the session looks up: the newest question that only the summary covers, and the instructions. */
function earlierOf({ log, summary }: Chat): AssemblyInput["earlier"] {
  return {
    question: () => log.findLast(({ role, seq }) => role === "user" && seq <= (summary?.throughSeq ?? 0)) ?? null,
    covered: () => log.filter(({ seq }) => seq <= (summary?.throughSeq ?? 0)).toReversed(),
    instructions: () =>
      log
        .filter(
          ({ role, pinned, content }) => (role === "system" || role === "developer" || pinned) && content !== null,
        )
        .toReversed(),
  };
}

export const NOTHING_EARLIER: AssemblyInput["earlier"] = {
  question: () => null,
  covered: () => [],
  instructions: () => [],
};
