import { convertToModelMessages, modelMessageSchema, validateUIMessages } from "ai";
import fc from "fast-check";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  type Context,
  type ContextFormat,
  contextFormatSchema,
  type ContextIn,
  renderedContextSchemas,
} from "../../src/api/context.ts";
import type { Part } from "../../src/api/message.ts";
import { assembleContext } from "../../src/prompt/context.ts";
import { renderContext, type RenderOptions } from "../../src/prompt/formats.ts";
import { NO_RESULT } from "../../src/prompt/formats/turns.ts";
import { type AgentChat, agentChat, logOf, type SaidMessage } from "../support/agent-chats.ts";
import { inputOf } from "../support/context-arbitraries.ts";
import { answersIn, type Rendered, textsOf, wordsIn } from "../support/prompt-contents.ts";
import {
  aiSdkFaults,
  anthropicFaults,
  openaiChatFaults,
  responsesFaults,
  strictFaults,
  thinkingFaults,
} from "../support/prompt-validators.ts";

/** `npm run fuzz:prompts` runs more. */
const RUNS = {
  numRuns: Number(process.env["PROMPT_CHATS"] ?? 60),
  seed: Number(process.env["PROMPT_SEED"] ?? 20261129),
};

function contextOf({ messages }: AgentChat, retrieved: Context["retrieved"] = []): Context {
  return {
    sessionId: "s",
    headSeq: messages.length,
    atSeq: messages.length,
    summary: null,
    messages: messages.map((message, index) => ({
      id: `m${index + 1}`,
      seq: index + 1,
      createdAt: "2026-11-29T10:00:00.000Z",
      tokens: 10,
      ...message,
    })),
    omitted: [],
    retrieved,
    tokens: { budget: 4_000, used: 200, summary: 0, messages: 200, retrieved: 0 },
    summaryPending: false,
  };
}

const FOUND: Context["retrieved"] = [
  {
    message: {
      id: "old",
      seq: 1,
      role: "user",
      content: "u0 long ago",
      createdAt: "2026-01-01T00:00:00.000Z",
      tokens: 3,
    },
    score: 1,
    why: "test",
  },
];
const asked = fc.constantFrom([], FOUND);
const roles = fc.constantFrom("as-said" as const, "merged" as const, "strict" as const, undefined);
const provider = fc.constantFrom("anthropic", "openai", "google", undefined);

function render<F extends ContextFormat>(
  chat: AgentChat,
  options: Partial<RenderOptions<F>> & { format: F },
  retrieved: Context["retrieved"] = [],
): ContextIn<F> {
  return renderContext(contextOf(chat, retrieved), { summaryRole: "user", ...options });
}

/** The prompt with its format, as readers of prompts need it. */
function rendered(
  format: (typeof WITH_CALLS)[number],
  chat: AgentChat,
  retrieved: Context["retrieved"] = [],
): Rendered {
  switch (format) {
    case "openai-chat":
      return { format, prompt: render(chat, { format }, retrieved) };
    case "openai-responses":
      return { format, prompt: render(chat, { format }, retrieved) };
    case "anthropic":
      return { format, prompt: render(chat, { format }, retrieved) };
    case "ai-sdk":
      return { format, prompt: render(chat, { format }, retrieved) };
    case "ui":
      return { format, prompt: render(chat, { format }, retrieved) };
  }
}

/** All formats in which calls have results of their own. */
const WITH_CALLS = ["openai-chat", "openai-responses", "anthropic", "ai-sdk", "ui"] as const;

describe("promise 13: right as sent", () => {
  it("is valid for every provider, whoever spoke in whatever order", () => {
    fc.assert(
      fc.property(agentChat, asked, roles, provider, (chat, retrieved, how, to) => {
        const anthropic = render(chat, { format: "anthropic" }, retrieved);
        expect([...anthropicFaults(anthropic), ...thinkingFaults(anthropic)]).toEqual([]);
        const { messages } = render(chat, { format: "openai-chat", roles: how }, retrieved);
        expect(openaiChatFaults(messages)).toEqual([]);
        if (how === "strict") expect(strictFaults(messages)).toEqual([]);
        const isMerged = how !== "as-said";
        const pairs = messages.filter(({ role }, at) => role === "user" && messages[at - 1]?.role === "user");
        if (isMerged) expect(pairs).toEqual([]);
        expect(responsesFaults(render(chat, { format: "openai-responses" }, retrieved).input)).toEqual([]);
        expect(aiSdkFaults(render(chat, { format: "ai-sdk", provider: to, roles: how }, retrieved))).toEqual([]);
      }),
      RUNS,
    );
  });

  it("is valid as UIMessages, and becomes a prompt", async () => {
    await fc.assert(
      fc.asyncProperty(agentChat, async (chat) => {
        const { messages } = render(chat, { format: "ui" });
        if (messages.length === 0) return;
        expect(await validateUIMessages({ messages: structuredClone(messages) })).toEqual(messages);
        const prompt = await convertToModelMessages(messages, { ignoreIncompleteToolCalls: true });
        expect(z.array(modelMessageSchema).safeParse(prompt).error).toBeUndefined();
      }),
      RUNS,
    );
  });

  it("is exactly what the schema of its format says", () => {
    fc.assert(
      fc.property(agentChat, asked, provider, (chat, retrieved, to) => {
        for (const format of contextFormatSchema.options) {
          const prompt = render(chat, { format, provider: to }, retrieved);
          expect(renderedContextSchemas[format].parse(prompt)).toEqual(prompt);
        }
      }),
      RUNS,
    );
  });

  it("gives each call its own result, and says so if a call has none", () => {
    fc.assert(
      fc.property(agentChat, (chat) => {
        for (const format of WITH_CALLS) {
          const answers = answersIn(rendered(format, chat));
          for (const [key, isAnswered] of chat.answered) {
            const mark = isAnswered ? new RegExp(`\\bt${key.slice(1)}\\b`) : NO_RESULT;
            expect(answers.get(key) ?? "", format).toMatch(mark);
          }
        }
      }),
      RUNS,
    );
  });

  it("has each text in the role of its speaker, and no base64 within text", () => {
    fc.assert(
      fc.property(agentChat, asked, (chat, retrieved) => {
        for (const format of ["openai-chat", "openai-responses", "anthropic", "ai-sdk"] as const) {
          for (const { by, text } of wordsIn(rendered(format, chat, retrieved))) {
            if (by !== "user") expect(text).not.toMatch(/\bu\d+ /);
            if (by !== "system") expect(text).not.toMatch(/\bs\d+ /);
            if (by !== "assistant") expect(text).not.toMatch(/\ba\d+ /);
            if (by !== "tool") expect(text).not.toMatch(/\bt\d+\b/);
            if (by === "assistant") expect(text).not.toMatch(/\[calls (find|lost|web)/);
          }
        }
        const tools = { ...chat, messages: chat.messages.filter(({ role }) => role === "tool") };
        for (const format of ["openai-chat", "openai-responses", "anthropic", "text", "ai-sdk", "ui"] as const) {
          expect(JSON.stringify(render(tools, { format }))).not.toContain("A".repeat(1_000));
        }
      }),
      RUNS,
    );
  });

  it("gives another provider neither the reasoning that one signed, nor the calls that it ran", () => {
    fc.assert(
      fc.property(agentChat, fc.constantFrom("anthropic", "openai", "google"), (chat, to) => {
        for (const { content } of render(chat, { format: "ai-sdk", provider: to }).messages) {
          for (const part of typeof content === "string" ? [] : content) {
            if (part.type === "reasoning") expect(Object.keys(part.providerOptions ?? { [to]: {} })).toEqual([to]);
            if (part.type === "tool-call" && part.providerExecuted === true) {
              expect(part.toolCallId.startsWith("srvtoolu_") ? "anthropic" : "openai").toBe(to);
            }
          }
        }
      }),
      RUNS,
    );
  });

  it("is valid however small the budget is, and counts at least what it sends", () => {
    fc.assert(
      fc.property(agentChat, fc.integer({ min: 256, max: 6_000 }), (chat, maxTokens) => {
        const context = assembleContext(inputOf({ log: logOf(chat.messages), summary: null }, maxTokens));
        expect(context.tokens.used).toBeLessThanOrEqual(maxTokens);
        const options = { summaryRole: "user" } as const;
        const { meta: _, ...anthropic } = renderContext(context, { format: "anthropic", ...options });
        expect([...anthropicFaults(anthropic), ...thinkingFaults(anthropic)]).toEqual([]);
        const openai = renderContext(context, { format: "openai-chat", ...options }).messages;
        expect(openaiChatFaults(openai)).toEqual([]);
        const { input } = renderContext(context, { format: "openai-responses", ...options });
        expect(responsesFaults(input)).toEqual([]);
        const sdk = renderContext(context, { format: "ai-sdk", ...options });
        expect(aiSdkFaults(sdk)).toEqual([]);
        // A file has a fixed charge, whatever its bytes; the estimate is at most 5 % too low.
        const most = (context.tokens.used + 20) * 1.05;
        for (const prompt of [anthropic, openai, input, sdk.messages]) {
          expect(countTokens(textsOf(prompt).join("\n"), ALL_TEXT)).toBeLessThanOrEqual(most);
        }
      }),
      RUNS,
    );
  });

  it("contains the newest question and the current step, however large they are", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 12_000 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 12_000 }),
        fc.integer({ min: 0, max: 12 }),
        fc.integer({ min: 1_000, max: 5_000 }),
        (outputs, input, steps, maxTokens) => {
          const call = (key: string, text: string): Part => ({
            type: "tool-call",
            toolCallId: key,
            toolName: "board",
            input: { text },
          });
          const result = (key: string, length: number): Part => ({
            type: "tool-result",
            toolCallId: key,
            toolName: "board",
            output: "train to Porto ".repeat(length / 15),
          });
          const context = assembleContext(
            inputOf(
              {
                log: logOf([
                  ...Array.from({ length: 20 }, (): SaidMessage => ({ role: "user", content: "filler ".repeat(50) })),
                  { role: "user", content: "Which train goes to Porto?" },
                  ...Array.from({ length: steps }, (_, at): SaidMessage[] => [
                    { role: "assistant", content: [call(`s${at}`, "look")] },
                    { role: "tool", content: [result(`s${at}`, 2_000)] },
                  ]).flat(),
                  {
                    role: "assistant",
                    content: outputs.map((_, at) => call(`c${at}`, at === 0 ? "x y ".repeat(input / 4) : "")),
                  },
                  { role: "tool", content: outputs.map((length, at) => result(`c${at}`, length)) },
                ]),
                summary: null,
              },
              maxTokens,
            ),
          );
          expect(context.tokens.used).toBeLessThanOrEqual(maxTokens);
          const { messages } = renderContext(context, { format: "openai-chat", summaryRole: "user" });
          const question = messages.findIndex(({ content }) => JSON.stringify(content).includes("Which train"));
          const last = messages.findLastIndex((message) => message.role === "assistant" && message.tool_calls);
          expect(question).toBeGreaterThanOrEqual(0);
          expect(last).toBeGreaterThan(question);
          expect(messages.slice(last + 1)).toHaveLength(outputs.length);
        },
      ),
      { ...RUNS, numRuns: Math.ceil(RUNS.numRuns / 2) },
    );
  });
});

const ALL_TEXT = { disallowedSpecial: new Set<string>() };
