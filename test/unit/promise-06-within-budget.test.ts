import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contextFormatSchema, type RenderedContext } from "../../src/api/context.ts";
import { MAX_CONTEXT_BYTES } from "../../src/api/limits.ts";
import { assembleContext } from "../../src/prompt/context.ts";
import { cutText } from "../../src/prompt/cut-text.ts";
import { FILE_TOKENS } from "../../src/prompt/file-tokens.ts";
import { renderContext } from "../../src/prompt/formats.ts";
import { FIRST_USER_NOTE } from "../../src/prompt/formats/anthropic.ts";
import { renderItems } from "../../src/prompt/items.ts";
import { renderRetrieved } from "../../src/prompt/retrieved.ts";
import { estimateTokens } from "../../src/tokens/estimate.ts";
import { hostileTexts } from "../../tools/hostile-text.ts";
import { candidatesOf, chat, inputOf, NOTHING_EARLIER } from "../support/context-arbitraries.ts";

const RUNS = { numRuns: 200, seed: 20261122 };
const budget = fc.oneof(
  fc.integer({ min: 256, max: 400 }),
  fc.integer({ min: 256, max: 2_000 }),
  fc.integer({ min: 256, max: 50_000 }),
);

/**
 * The tokens that a model's prompt needs for a message besides its role and content: OpenAI's published count, which is also that of
 * ChatML (a mark before the role, one after it, one at the end).
 */
const MESSAGE_FRAME_TOKENS = 3;

/** The number of frames in a model's prompt: one for each message, and one for system text that is a message of its own. */
function framesOf(rendered: RenderedContext, hasItems: boolean): number {
  if ("text" in rendered) return rendered.text === "" ? 0 : 1;
  if ("input" in rendered) return rendered.input.length + (rendered.instructions === undefined ? 0 : 1);
  if ("sessionId" in rendered) {
    return rendered.messages.length + (hasItems ? 1 : 0) + (rendered.retrieved.length > 0 ? 1 : 0);
  }
  // Anthropic's system text is outside of the messages. The note before an answer is paid for by the answer's frame, which is charged at 6.
  const [first] = rendered.messages;
  const isNote = first !== undefined && JSON.stringify(first).includes(FIRST_USER_NOTE);
  return rendered.messages.length - (isNote ? 1 : 0);
}

/** Every text that a model reads, and the files, which have a fixed charge. */
function promptOf(rendered: RenderedContext): { texts: string[]; files: number } {
  if ("text" in rendered) return { texts: [rendered.text], files: 0 };
  const texts: string[] = [];
  let files = 0;
  const walk = (value: unknown): void => {
    if (typeof value === "string") texts.push(value);
    else if (Array.isArray(value)) value.forEach(walk);
    else if (value !== null && typeof value === "object") {
      const type = "type" in value && typeof value.type === "string" ? value.type : "";
      if (FILE_TYPES.has(type)) files += 1;
      else if (!type.startsWith("data-")) {
        if (type.startsWith("tool-") && !("toolName" in value)) texts.push(type.slice("tool-".length));
        for (const [key, entry] of Object.entries(value)) {
          if (JSON_KEYS.has(key) && typeof entry === "object") texts.push(JSON.stringify(entry));
          else if (!UNREAD_KEYS.has(key)) walk(entry);
        }
      }
    }
  };
  if ("sessionId" in rendered) {
    for (const { role, author, content } of rendered.messages) walk([role, author ?? "", content]);
    if (rendered.retrieved.length > 0) texts.push(renderRetrieved(rendered.retrieved));
    if (rendered.summary !== null) texts.push(renderItems(rendered.summary.items));
  } else if ("input" in rendered) walk([rendered.instructions ?? "", rendered.input]);
  else {
    for (const message of rendered.messages) {
      // A UIMessage's id stays in the user interface; that of a tool call goes into the prompt.
      const { id: _, ...read } = { id: "", ...message };
      walk(read);
    }
    if ("system" in rendered) walk(rendered.system);
  }
  return { texts, files };
}

/** A file has a fixed charge, whatever its name is. */
const FILE_TYPES = new Set(["file", "image_url", "image", "document", "input_image", "input_file"]);
/** Values that a model reads as JSON. */
const JSON_KEYS = new Set(["input", "output"]);
/** Fields that no model reads: kinds, settings, and data for the user interface. */
const UNREAD_KEYS = new Set(["type", "state", "metadata", "providerOptions", "providerMetadata"]);

describe("promise 6: within budget", () => {
  it("never exceeds its budget, as rendered in any format", () => {
    fc.assert(
      fc.property(
        chat,
        budget,
        fc.constantFrom("user" as const, "system" as const),
        fc.boolean(),
        (value, maxTokens, summaryRole, isAsked) => {
          const context = assembleContext(inputOf(value, maxTokens, isAsked ? candidatesOf(value) : null));
          const { used, summary, messages, retrieved } = context.tokens;
          expect(used).toBeLessThanOrEqual(maxTokens);
          expect(used).toBe(summary + messages + retrieved);
          const hasItems = context.summary?.items.some(({ status }) => status !== "superseded") ?? false;
          for (const format of contextFormatSchema.options) {
            const rendered = renderContext(context, { format, summaryRole });
            const { texts, files } = promptOf(rendered);
            if (format === "threadkeep" && !hasItems) texts.splice(texts.length - 1, context.summary === null ? 0 : 1);
            const fixed = files * FILE_TOKENS + framesOf(rendered, hasItems) * MESSAGE_FRAME_TOKENS;
            const estimate = texts.reduce((sum, text) => sum + estimateTokens(text), fixed);
            expect(estimate, `as ${format}`).toBeLessThanOrEqual(context.tokens.used);
          }
        },
      ),
      RUNS,
    );
  });

  it.each([
    ["rare letters", "ꔀ".repeat(128)],
    ["cuneiform", "𒀀".repeat(64)],
    ["emoji", "🫨".repeat(64)],
    [
      "letters of which each is another",
      Array.from({ length: 128 }, (_, i) => String.fromCharCode(0xa000 + i * 7)).join(""),
    ],
  ])(
    "holds for a message that has to be cut and whose author has a name of %s, and says that it is cut",
    (_, author) => {
      for (const content of ["word ".repeat(3_000), "ꔀ".repeat(5_000), "hm"]) {
        for (const maxTokens of [256, 257, 300, 400, 512]) {
          for (const candidates of [null, []]) {
            const tokens = estimateTokens(content);
            const log = [
              {
                id: "m1",
                seq: 1,
                role: "user" as const,
                author,
                content,
                tokens,
                createdAt: "",
                tokensBefore: 0,
                bytes: 1,
              },
            ];
            const context = assembleContext({
              ...inputOf({ log, summary: null }, maxTokens, candidates),
              newestFirst: log,
            });
            expect(context.tokens.used).toBeLessThanOrEqual(maxTokens);
            expect(context.messages).toHaveLength(1);
            const [message] = context.messages;
            const isWhole = message?.author === author && message.content === content;
            expect(message?.cut === true).toBe(!isWhole);
            expect(context.omitted).toEqual(isWhole ? [] : [{ fromSeq: 1, throughSeq: 1, reason: "budget" }]);
          }
        }
      }
    },
  );

  it("holds if each message is a word that costs more next to a frame", () => {
    const log = Array.from({ length: 40 }, (_, index) => ({
      id: `m${index + 1}`,
      seq: index + 1,
      role: "assistant" as const,
      content: "ystemsataka",
      createdAt: "",
      tokens: estimateTokens("ystemsataka"),
      tokensBefore: index * 20,
      bytes: 100,
    }));
    const context = assembleContext({
      sessionId: "s",
      headSeq: log.length,
      atSeq: log.length,
      summary: null,
      newestFirst: log.toReversed(),
      maxTokens: 2_000,
      maxBytes: MAX_CONTEXT_BYTES,
      hiddenSeqs: [],
      candidates: null,
      earlier: NOTHING_EARLIER,
      tokenizer: "o200k",
      sendsToolFiles: false,
      summaryPending: false,
    });
    const rendered = renderContext(context, { format: "text", summaryRole: "user" });
    expect(estimateTokens(promptOf(rendered).texts[0] ?? "")).toBeLessThanOrEqual(context.tokens.used);
  });

  it("holds for a text that is cut, whatever it is", () => {
    const texts = [...hostileTexts(20_261_122, ["Words that stand in a sentence, and one more."]).values()].flat();
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.integer({ min: 40, max: 2_000 }), (text, maxTokens) => {
        expect(estimateTokens(cutText(text, maxTokens))).toBeLessThanOrEqual(maxTokens);
      }),
      RUNS,
    );
  });

  it("retrieves nothing that is in the window, and takes no more room from it than it uses", () => {
    fc.assert(
      fc.property(chat, budget, (value, maxTokens) => {
        const found = assembleContext(inputOf(value, maxTokens, candidatesOf(value)));
        const nothing = assembleContext(inputOf(value, maxTokens, []));
        const unasked = assembleContext(inputOf(value, maxTokens, null));
        const here = new Set(found.messages.map(({ seq }) => seq));
        for (const { message } of found.retrieved) expect(here.has(message.seq)).toBe(false);
        expect(nothing.retrieved).toEqual([]);
        // A chat that fits whole loses nothing to a query.
        const isWhole = unasked.omitted.every(({ reason }) => reason === "hidden");
        if (isWhole) expect(found.messages).toEqual(unasked.messages);
      }),
      RUNS,
    );
  });

  it("leaves at most a step of room unused while messages are left out", () => {
    fc.assert(
      fc.property(fc.integer({ min: 500, max: 5_000 }), fc.integer({ min: 20, max: 400 }), (maxTokens, count) => {
        const log = Array.from({ length: count }, (_, index) => ({
          id: `m${index + 1}`,
          seq: index + 1,
          role: "user" as const,
          content: "twelve words or so stand in each and every one of these",
          createdAt: "",
          tokens: 14,
          tokensBefore: index * 20,
          bytes: 100,
        }));
        const context = assembleContext({
          sessionId: "s",
          headSeq: count,
          atSeq: count,
          summary: null,
          newestFirst: log.toReversed(),
          maxTokens,
          maxBytes: MAX_CONTEXT_BYTES,
          hiddenSeqs: [],
          candidates: null,
          earlier: NOTHING_EARLIER,
          tokenizer: "o200k",
          sendsToolFiles: false,
          summaryPending: false,
        });
        if (context.omitted.length > 0) {
          expect(context.tokens.used).toBeGreaterThanOrEqual(maxTokens * 0.7 - 40);
        }
      }),
      RUNS,
    );
  });

  it("keeps the start of the window while messages are appended, except for rare steps", () => {
    const log = Array.from({ length: 400 }, (_, index) => ({
      id: `m${index + 1}`,
      seq: index + 1,
      role: "user" as const,
      content: "the same old line",
      createdAt: "",
      tokens: 14,
      tokensBefore: index * 20,
      bytes: 100,
    }));
    const starts = Array.from({ length: 300 }, (_, step) => {
      const visible = log.slice(0, 100 + step);
      const { messages } = assembleContext({
        sessionId: "s",
        headSeq: visible.length,
        atSeq: visible.length,
        summary: null,
        newestFirst: visible.toReversed(),
        maxTokens: 1_600,
        maxBytes: MAX_CONTEXT_BYTES,
        hiddenSeqs: [],
        candidates: null,
        earlier: NOTHING_EARLIER,
        tokenizer: "o200k",
        sendsToolFiles: false,
        summaryPending: false,
      });
      return messages[0]?.seq ?? 0;
    });
    const moves = starts.filter((start, index) => index > 0 && start !== starts[index - 1]).length;
    // 300 messages of 20 tokens, in steps of a quarter of 1,600.
    expect(moves).toBeLessThanOrEqual(16);
  });
});
