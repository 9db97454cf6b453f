import { convertToModelMessages, modelMessageSchema, validateUIMessages } from "ai";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type Context, contextFormatSchema, renderedContextSchemas } from "../../src/api/context.ts";
import { assembleContext } from "../../src/prompt/context.ts";
import { renderContext } from "../../src/prompt/formats.ts";
import { chat, inputOf } from "../support/context-arbitraries.ts";

const RUNS = { numRuns: 150, seed: 20261122 };
const PROMPTS = ["openai-chat", "openai-responses", "anthropic", "ai-sdk", "text"] as const;

const summaryRole = fc.constantFrom("user" as const, "system" as const);
const assembled = fc
  .tuple(chat, fc.integer({ min: 256, max: 20_000 }))
  .map(([value, maxTokens]) => assembleContext(inputOf(value, maxTokens)));
/** Missing and reordered messages: calls without results, results before their calls, and repeated ids. */
const torn = assembled.chain((context) =>
  fc.array(fc.nat(Math.max(0, context.messages.length - 1)), { maxLength: 20 }).map((picked): Context => ({
    ...context,
    messages: picked.flatMap((index) => structuredClone(context.messages[index]) ?? []),
  })),
);
/** Made once for all tests, because making a chat takes longer than checking it in a format. */
const context = fc.constantFrom(...fc.sample(fc.oneof(assembled, torn), { ...RUNS, numRuns: 300 }));

describe("any context", () => {
  it.each(contextFormatSchema.options)("is exactly what the schema of its format says: %s", (format) => {
    fc.assert(
      fc.property(context, summaryRole, (value, role) => {
        const rendered = renderContext(value, { format, summaryRole: role });
        expect(renderedContextSchemas[format].parse(rendered)).toEqual(rendered);
      }),
      RUNS,
    );
  });

  it.each(PROMPTS)("has no data-* part in the prompt: %s", (format) => {
    fc.assert(
      fc.property(context, (value) => {
        expect(JSON.stringify(renderContext(value, { format, summaryRole: "user" }))).not.toContain("data-widget");
      }),
      RUNS,
    );
  });

  it.each(PROMPTS)("opens and closes its summary once, whatever its statements contain: %s", (format) => {
    fc.assert(
      fc.property(context, summaryRole, (value, role) => {
        const rendered = renderContext({ ...value, messages: [] }, { format, summaryRole: role });
        const text = JSON.stringify(rendered);
        const hasItems = value.summary?.items.some(({ status }) => status !== "superseded") ?? false;
        expect(text.match(/<\s*conversation_summary/gi)?.length ?? 0).toBe(hasItems ? 1 : 0);
        expect(text.match(/<\/\s*conversation_summary/gi)?.length ?? 0).toBe(hasItems ? 1 : 0);
      }),
      RUNS,
    );
  });

  it("loses no word of a user", () => {
    fc.assert(
      fc.property(context, fc.constantFrom(...PROMPTS, "ui" as const), (value, format) => {
        // A prompt of one text marks what would read like a heading or a tag.
        const bare = (said: string): string =>
          format === "text" ? said.replaceAll("&lt;", "<").replaceAll("> ", "") : said;
        const text = bare(JSON.stringify(renderContext(value, { format, summaryRole: "user" })));
        for (const { role, content } of value.messages) {
          if (role !== "user") continue;
          const texts =
            typeof content === "string" ? [content] : content.map((part) => ("text" in part ? part.text : ""));
          for (const said of texts) {
            if (said.trim() !== "") expect(text).toContain(bare(JSON.stringify(said).slice(1, -1)));
          }
        }
      }),
      RUNS,
    );
  });
});

describe("anthropic, of any context", () => {
  it("alternates, beginning with a user's message, without blank text, and each call is answered by the next message", () => {
    fc.assert(
      fc.property(context, summaryRole, (value, role) => {
        const { messages, system } = renderContext(value, { format: "anthropic", summaryRole: role });
        if (system !== undefined) expect(system.trim()).not.toBe("");
        const seen = new Set<string>();
        for (const [index, message] of messages.entries()) {
          expect(message.role).toBe(index % 2 === 0 ? "user" : "assistant");
          expect(message.content.length).toBeGreaterThan(0);
          for (const block of message.content) if (block.type === "text") expect(block.text.trim()).not.toBe("");
          if (message.role === "user") continue;
          const calls = message.content.flatMap((block) => (block.type === "tool_use" ? [block.id] : []));
          const firstCall = message.content.findIndex((block) => block.type === "tool_use");
          // Anthropic refuses text between a call and its result.
          if (firstCall >= 0)
            expect(message.content.slice(firstCall).every(({ type }) => type === "tool_use")).toBe(true);
          const next = messages[index + 1];
          const answers = (next?.role === "user" ? next.content : []).slice(0, calls.length);
          expect(answers.map((block) => (block.type === "tool_result" ? block.tool_use_id : null))).toEqual(calls);
          for (const id of calls) {
            expect(id).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
            expect(seen.has(id), `${id} comes twice`).toBe(false);
            seen.add(id);
          }
        }
        const results = messages.flatMap((message) =>
          message.role === "user" ? message.content.filter(({ type }) => type === "tool_result") : [],
        );
        expect(results.length).toBe(seen.size);
      }),
      RUNS,
    );
  });
});

describe("openai-chat, of any context", () => {
  it("has each call answered right after it, no other results, and null content only next to calls", () => {
    fc.assert(
      fc.property(context, summaryRole, (value, role) => {
        const { messages } = renderContext(value, { format: "openai-chat", summaryRole: role });
        let awaited: string[] = [];
        for (const message of messages) {
          if (message.role === "tool") {
            expect(message.tool_call_id).toBe(awaited.shift());
            continue;
          }
          expect(awaited).toEqual([]);
          if (message.role === "assistant") {
            awaited = message.tool_calls?.map(({ id }) => id) ?? [];
            expect(message.content === null && awaited.length === 0).toBe(false);
          }
          if (typeof message.content === "string") expect(message.content.trim()).not.toBe("");
        }
        expect(awaited).toEqual([]);
      }),
      RUNS,
    );
  });
});

describe("openai-responses, of any context", () => {
  it("has each call answered after it, no other outputs, and no empty message", () => {
    fc.assert(
      fc.property(context, summaryRole, (value, role) => {
        const { input } = renderContext(value, { format: "openai-responses", summaryRole: role });
        const awaited = new Set<string>();
        const called = new Set<string>();
        for (const item of input) {
          if (item.type === "function_call") {
            expect(called.has(item.call_id)).toBe(false);
            called.add(item.call_id);
            awaited.add(item.call_id);
          } else if (item.type === "function_call_output") expect(awaited.delete(item.call_id)).toBe(true);
          else if (item.type === "message") {
            expect(awaited.size).toBe(0);
            expect(item.content.length).toBeGreaterThan(0);
          }
        }
        expect(awaited.size).toBe(0);
      }),
      RUNS,
    );
  });
});

describe("the AI SDK's formats, of any context", () => {
  it("gives ModelMessages that pass the SDK's checks, with no open call before somebody else speaks", () => {
    const schema = z.array(modelMessageSchema);
    fc.assert(
      fc.property(context, summaryRole, (value, role) => {
        const { messages } = renderContext(value, { format: "ai-sdk", summaryRole: role });
        expect(schema.safeParse(messages).error).toBeUndefined();
        for (const [index, message] of messages.entries()) {
          expect(message.content.length).toBeGreaterThan(0);
          const before = messages[index - 1];
          const awaited = before?.role === "assistant" && typeof before.content !== "string" ? before.content : [];
          const calls = awaited.flatMap((part) => (part.type === "tool-call" ? [part.toolCallId] : []));
          const asked = new Map(
            awaited.flatMap((part) =>
              part.type === "tool-approval-request" ? [[part.approvalId, part.toolCallId]] : [],
            ),
          );
          const answers =
            message.role === "tool"
              ? message.content.map((part) =>
                  part.type === "tool-result" ? part.toolCallId : asked.get(part.approvalId),
                )
              : [];
          expect(answers).toEqual(calls);
        }
        expect(JSON.stringify(messages.at(-1) ?? "")).not.toContain('"tool-call"');
      }),
      RUNS,
    );
  });

  it("gives UIMessages that pass the SDK's checks and become a prompt", async () => {
    await fc.assert(
      fc.asyncProperty(context, summaryRole, async (value, role) => {
        const { messages } = renderContext(value, { format: "ui", summaryRole: role });
        if (messages.length === 0) return;
        expect(await validateUIMessages({ messages: structuredClone(messages) })).toEqual(messages);
        const prompt = await convertToModelMessages(messages, { ignoreIncompleteToolCalls: true });
        expect(z.array(modelMessageSchema).safeParse(prompt).error).toBeUndefined();
      }),
      RUNS,
    );
  });
});
