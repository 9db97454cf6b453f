import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Context, type ContextFormat, contextFormatSchema, type RenderedContext } from "../../src/api/context.ts";
import { assembleContext } from "../../src/prompt/context.ts";
import { renderContext, type RenderOptions } from "../../src/prompt/formats.ts";
import { NO_RESULT } from "../../src/prompt/formats/turns.ts";
import type { RetrievedMessage } from "../../src/prompt/retrieved.ts";
import { digestOf } from "../../src/session/verify/digest.ts";
import { agentChat, logOf, type SaidMessage } from "../support/agent-chats.ts";
import { inputOf } from "../support/context-arbitraries.ts";

const SUMMARY: Context["summary"] = {
  version: 1,
  throughSeq: 2,
  items: [{ id: "1.1", kind: "fact", text: "Ada sails", sourceSeqs: [1], status: "current" }],
  tokens: 20,
  summarizer: "model",
  degraded: false,
  droppedItems: 0,
  createdAt: "2026-11-29T10:00:00.000Z",
};

/** The messages of a prompt, and what comes before them. */
function partsOf(prompt: RenderedContext): { system: string | null; messages: unknown[] } {
  if ("text" in prompt) return { system: null, messages: [prompt.text] };
  if ("input" in prompt) return { system: prompt.instructions ?? null, messages: prompt.input };
  return { system: "system" in prompt ? (prompt.system ?? null) : null, messages: prompt.messages };
}

/** The first messages of a prompt, as JSON; for `text` the first characters. */
function firstOf(prompt: RenderedContext, count: number): string[] {
  const { messages } = partsOf(prompt);
  const first = "text" in prompt ? [prompt.text.slice(0, count)] : messages.slice(0, count);
  return first.map((message) => JSON.stringify(message));
}

function prefixOf(prompt: RenderedContext) {
  const { stableThrough = -1, stableMessages = -1, stableHash = "" } = "meta" in prompt ? prompt.meta : prompt;
  return { stableThrough, stableMessages, stableHash };
}

const isLate = (said: SaidMessage): boolean =>
  Array.isArray(said.content) && said.content.some(({ type }) => type === "tool-result");

function rendered(
  messages: readonly SaidMessage[],
  summary: Context["summary"],
  retrieved: readonly RetrievedMessage[] | null,
  how: RenderOptions<ContextFormat>,
): RenderedContext {
  const covered = messages.length >= 2 ? summary : null;
  const context = assembleContext({
    ...inputOf({ log: logOf(messages), summary: covered }, 1_000_000, retrieved),
    sendsToolFiles: true,
  });
  return renderContext(context, { ...how, isQueried: retrieved !== null, digest: digestOf });
}

const options = fc.record({
  format: fc.constantFrom(...contextFormatSchema.options),
  summaryRole: fc.constantFrom("user" as const, "system" as const),
  roles: fc.constantFrom("as-said" as const, "merged" as const, "strict" as const, undefined),
});
const found: RetrievedMessage = {
  message: { id: "m1", seq: 1, role: "user", content: "long ago", createdAt: "2026-01-01T00:00:00.000Z", tokens: 3 },
  score: 1,
  why: "test",
};

describe("the prefix of a prompt", () => {
  it("has the same bytes in the next prompt, in every format, with and without a query", () => {
    fc.assert(
      fc.property(
        agentChat,
        options,
        fc.constantFrom(null, SUMMARY),
        fc.constantFrom(null, [found]),
        ({ messages }, how, summary, retrieved) => {
          let before: RenderedContext | null = null;
          for (let count = 3; count <= messages.length; count += 1) {
            const next = rendered(
              messages.slice(0, count),
              summary,
              count % 2 === 0 ? retrieved : retrieved && [],
              how,
            );
            const said = messages[count - 1];
            const { stableThrough } = prefixOf(next);
            expect(stableThrough).toBeLessThan(count);
            if (before !== null && said !== undefined) {
              const promised = prefixOf(before);
              const prefix = firstOf(before, promised.stableMessages);
              const isOpen = prefix.some((text) => text.includes(NO_RESULT) || text.includes("input-available"));
              const changesPast = said.role === "system" || said.role === "developer" || (isLate(said) && isOpen);
              if (!changesPast) {
                expect(firstOf(next, promised.stableMessages)).toEqual(prefix);
                expect(partsOf(next).system).toBe(partsOf(before).system);
              }
            }
            before = next;
          }
        },
      ),
      { numRuns: Number(process.env["PROMPT_CHATS"] ?? 100) },
    );
  });

  it("does not include an instruction that old turns may still precede, because nobody has asked yet", () => {
    const messages: SaidMessage[] = [
      { role: "assistant", content: "a1" },
      { role: "assistant", content: "a2" },
      { role: "system", content: "s3" },
    ];
    const how = { format: "openai-responses", summaryRole: "system", roles: "as-said" } as const;
    const [before, after] = [rendered(messages, SUMMARY, [], how), rendered(messages, SUMMARY, [found], how)];
    expect(firstOf(after, prefixOf(before).stableMessages)).toEqual(firstOf(before, prefixOf(before).stableMessages));
    const asked: SaidMessage[] = [...messages, { role: "user", content: "u4" }];
    expect(prefixOf(rendered(asked, SUMMARY, [found], how)).stableMessages).toBeGreaterThan(0);
  });

  it("includes all but the newest turn of a plain chat", () => {
    const chat: SaidMessage[] = ["a", "b", "c", "d", "e"].map((content, index) => ({
      role: index % 2 === 0 ? "user" : "assistant",
      content,
    }));
    for (const format of contextFormatSchema.options) {
      const prompt = rendered(chat, null, null, { format, summaryRole: "user" });
      expect(prefixOf(prompt), format).toMatchObject({ stableThrough: 4 });
      if (format !== "text") expect(prefixOf(prompt), format).toMatchObject({ stableMessages: 4 });
    }
  });

  it("includes an agent's steps that are answered", () => {
    const call = (toolCallId: string): SaidMessage => ({
      role: "assistant",
      content: [{ type: "tool-call", toolCallId, toolName: "find", input: {} }],
    });
    const result = (toolCallId: string): SaidMessage => ({
      role: "tool",
      content: [{ type: "tool-result", toolCallId, toolName: "find", output: "x" }],
    });
    const chat: SaidMessage[] = [{ role: "user", content: "go" }, call("1"), result("1"), call("2")];
    const through = (format: ContextFormat) =>
      prefixOf(rendered(chat, null, null, { format, summaryRole: "user" })).stableThrough;
    expect(
      ["openai-chat", "openai-responses", "anthropic", "ai-sdk"].map((format) =>
        through(contextFormatSchema.parse(format)),
      ),
    ).toEqual([2, 2, 2, 2]);
  });

  it("has a hash that anybody can recompute", () => {
    const chat: SaidMessage[] = [
      { role: "system", content: "be brief" },
      { role: "user", content: "a" },
      { role: "assistant", content: "b" },
      { role: "user", content: "c" },
    ];
    for (const format of ["openai-chat", "openai-responses", "anthropic", "ai-sdk"] as const) {
      const prompt = rendered(chat, null, null, { format, summaryRole: "system" });
      const { stableMessages, stableHash } = prefixOf(prompt);
      const lines = [JSON.stringify(partsOf(prompt).system), ...firstOf(prompt, stableMessages)];
      expect(stableHash, format).toBe(createHash("sha256").update(lines.join("\n")).digest("hex"));
      expect(stableMessages, format).toBeGreaterThanOrEqual(2);
    }
  });

  it("ends with a mark for Anthropic's cache on request, and never within reasoning", () => {
    const chat: SaidMessage[] = ["a", "b", "c"].map((content, index) => ({
      role: index % 2 === 0 ? "user" : "assistant",
      content,
    }));
    const prompt = (cacheControl?: "5m" | "1h") =>
      renderContext(assembleContext(inputOf({ log: logOf(chat), summary: null }, 4_000)), {
        format: "anthropic",
        summaryRole: "user",
        cacheControl,
        digest: digestOf,
      });
    expect(JSON.stringify(prompt())).not.toContain("cache_control");
    const { messages, meta } = prompt("1h");
    expect(messages[meta.stableMessages - 1]?.content.at(-1)).toEqual({
      type: "text",
      text: "b",
      cache_control: { type: "ephemeral", ttl: "1h" },
    });
    expect(JSON.stringify(messages).split("cache_control")).toHaveLength(2);
    expect(meta.stableHash).toBe(prompt().meta.stableHash);
  });
});
