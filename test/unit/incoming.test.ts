import type Anthropic from "@anthropic-ai/sdk";
import type { ModelMessage } from "ai";
import fc from "fast-check";
import type OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { refuseForeignWords } from "../../src/access/users-words.ts";
import { appendRequestSchema } from "../../src/api/append.ts";
import type { Context } from "../../src/api/context.ts";
import { ThreadkeepError } from "../../src/api/errors.ts";
import { parseRequest } from "../../src/api/faults.ts";
import { newMessageSchema } from "../../src/api/message.ts";
import { renderContext } from "../../src/prompt/formats.ts";
import { contentsOf, takeIn, type TakenAppend } from "../../src/prompt/incoming.ts";
import { aiSdkFaults, anthropicFaults, openaiChatFaults } from "../support/prompt-validators.ts";

type ProviderFormat = "openai-chat" | "anthropic" | "ai-sdk";
const requestSchema = z.object({ body: appendRequestSchema });

function take(format: ProviderFormat, messages: readonly object[]): TakenAppend {
  const raw = { params: {}, query: {}, headers: {}, body: JSON.parse(JSON.stringify({ format, messages })) };
  const taken = takeIn(parseRequest(requestSchema, raw).body);
  // A converted message is a message that could have been appended in our own shape.
  for (const message of taken.request.messages) expect(newMessageSchema.parse(message)).toEqual(message);
  return taken;
}

function faultsOf(what: () => unknown): unknown {
  try {
    what();
  } catch (error) {
    if (error instanceof ThreadkeepError) return error.fault.errors;
    throw error;
  }
  return [];
}

function contextOf({ request: { messages } }: TakenAppend): Context {
  return {
    sessionId: "s",
    headSeq: messages.length,
    atSeq: messages.length,
    summary: null,
    messages: messages.map(({ pinned: _pinned, ...message }, index) => ({
      seq: index + 1,
      createdAt: "2026-11-29T10:00:00.000Z",
      tokens: 10,
      ...message,
      id: message.id ?? `seq-${index + 1}`,
    })),
    omitted: [],
    retrieved: [],
    tokens: { budget: 4_000, used: 200, summary: 0, messages: 200, retrieved: 0 },
    summaryPending: false,
  };
}

/** A chat in the shape of OpenAI's SDK, with the answers unchanged. */
const OPENAI: (OpenAI.ChatCompletionMessageParam | OpenAI.ChatCompletionMessage)[] = [
  { role: "system", content: "Be brief." },
  {
    role: "user",
    name: "Ada",
    content: [
      { type: "text", text: "What is the weather where this was taken?" },
      { type: "image_url", image_url: { url: "https://example.com/a.png", detail: "low" } },
      { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERi0=" } },
      { type: "file", file: { file_id: "file-abc" } },
    ],
  },
  {
    role: "assistant",
    content: null,
    refusal: null,
    annotations: [],
    tool_calls: [
      { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Oslo"}' } },
      { id: "call_2", type: "function", function: { name: "time", arguments: "" } },
    ],
  },
  { role: "tool", tool_call_id: "call_1", content: "4 °C" },
  { role: "tool", tool_call_id: "call_2", content: [{ type: "text", text: "12:00" }] },
  { role: "assistant", content: "It is cold in Oslo.", refusal: null },
  { role: "user", content: "How do I pick its locks?" },
  { role: "assistant", content: null, refusal: "I cannot help with that." },
];

const ANTHROPIC: (Anthropic.MessageParam | Pick<Anthropic.Message, "role" | "content">)[] = [
  {
    role: "user",
    content: [
      { type: "text", text: "Read both." },
      { type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" } },
      { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
      { type: "document", title: "A", source: { type: "base64", media_type: "application/pdf", data: "JVBERi0=" } },
      { type: "document", title: "B", source: { type: "text", media_type: "text/plain", data: "Grüße" } },
      { type: "document", source: { type: "file", file_id: "file_1" } },
    ],
  },
  {
    role: "assistant",
    content: [
      { type: "thinking", thinking: "Hm.", signature: "c2ln" },
      { type: "redacted_thinking", data: "cmVk" },
      { type: "text", text: "I look.", citations: null },
      { type: "tool_use", id: "toolu_1", name: "look", input: { at: [1, 2] }, caller: { type: "direct" } },
      { type: "tool_use", id: "toolu_2", name: "look", input: {}, caller: { type: "direct" } },
    ],
  },
  {
    role: "user",
    content: [
      {
        type: "tool_result",
        tool_use_id: "toolu_1",
        content: [
          { type: "text", text: "Seen:" },
          { type: "image", source: { type: "base64", media_type: "image/jpeg", data: "/9j/4AAQ" } },
        ],
      },
      { type: "tool_result", tool_use_id: "toolu_2", content: "no such place", is_error: true },
      { type: "text", text: "And hurry." },
    ],
  },
  {
    role: "assistant",
    content: [
      {
        type: "server_tool_use",
        id: "srvtoolu_1",
        name: "web_search",
        input: { query: "boats" },
        caller: { type: "direct" },
      },
      {
        type: "web_search_tool_result",
        tool_use_id: "srvtoolu_1",
        caller: { type: "direct" },
        content: [
          {
            type: "web_search_result",
            url: "https://example.com",
            title: "Boats",
            encrypted_content: "ZW5j",
            page_age: null,
          },
        ],
      },
      { type: "text", text: "There are boats.", citations: null },
    ],
  },
];

const AI_SDK: ModelMessage[] = [
  {
    role: "user",
    content: [
      { type: "text", text: "What is this?" },
      { type: "image", image: "https://example.com/a.png" },
      { type: "file", mediaType: "application/pdf", data: "JVBERi0=", filename: "a.pdf" },
    ],
  },
  {
    role: "assistant",
    content: [
      { type: "reasoning", text: "Hm.", providerOptions: { anthropic: { signature: "c2ln" } } },
      { type: "text", text: "I look." },
      { type: "tool-call", toolCallId: "c1", toolName: "look", input: { at: 1 } },
    ],
  },
  {
    role: "tool",
    content: [{ type: "tool-result", toolCallId: "c1", toolName: "look", output: { type: "json", value: { x: 1 } } }],
  },
  { role: "assistant", content: "A boat." },
];

describe("a message in the shape of a provider", () => {
  it("is returned to OpenAI unchanged", () => {
    const taken = take("openai-chat", OPENAI);
    const { messages } = renderContext(contextOf(taken), { format: "openai-chat", summaryRole: "user" });
    expect(messages).toEqual([
      OPENAI[0],
      OPENAI[1],
      {
        role: "assistant",
        content: null,
        tool_calls: [
          { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Oslo"}' } },
          { id: "call_2", type: "function", function: { name: "time", arguments: "{}" } },
        ],
      },
      OPENAI[3],
      { role: "tool", tool_call_id: "call_2", content: "12:00" },
      { role: "assistant", content: "It is cold in Oslo." },
      OPENAI[6],
      { role: "assistant", content: "I cannot help with that." },
    ]);
    expect(openaiChatFaults(messages)).toEqual([]);
  });

  it("is returned to Anthropic unchanged", () => {
    const taken = take("anthropic", ANTHROPIC);
    const prompt = renderContext(contextOf(taken), { format: "anthropic", summaryRole: "user", toolFiles: "sent" });
    const plain = JSON.stringify(ANTHROPIC, (key, value) =>
      key === "caller" || key === "citations" ? undefined : value,
    );
    expect(prompt.messages).toEqual(JSON.parse(plain));
    expect(anthropicFaults(prompt)).toEqual([]);
  });

  it("is returned to the AI SDK unchanged", () => {
    const taken = take("ai-sdk", AI_SDK);
    const prompt = renderContext(contextOf(taken), { format: "ai-sdk", summaryRole: "user" });
    const [first, ...others] = AI_SDK;
    expect(prompt.messages).toEqual([
      {
        ...first,
        content: [
          { type: "text", text: "What is this?" },
          { type: "file", mediaType: "image/*", data: "https://example.com/a.png" },
          { type: "file", mediaType: "application/pdf", data: "JVBERi0=", filename: "a.pdf" },
        ],
      },
      ...others,
    ]);
    expect(aiSdkFaults(prompt)).toEqual([]);
  });

  it("is accepted as the SDK's answer object, with all its other fields", () => {
    const answer = {
      id: "msg_01XFDUDYJgAACzvnptvVoYEL",
      type: "message",
      role: "assistant",
      model: "claude",
      content: [{ type: "text", text: "Hello.", citations: null }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: { input_tokens: 1, output_tokens: 2 },
      container: null,
    };
    expect(take("anthropic", [answer]).request.messages).toEqual([
      { id: answer.id, role: "assistant", content: [{ type: "text", text: "Hello." }] },
    ]);
    expect(take("anthropic", [{ ...answer, content: [] }]).request.messages[0]?.content).toBe("");
    const reasoned = { role: "assistant", content: "4.", reasoning_content: "2 and 2.", refusal: null, audio: null };
    expect(take("openai-chat", [reasoned]).request.messages).toEqual([
      {
        role: "assistant",
        content: [
          { type: "reasoning", text: "2 and 2." },
          { type: "text", text: "4." },
        ],
      },
    ]);
    const silent = { role: "assistant", content: null };
    expect(take("openai-chat", [silent]).request.messages).toEqual([{ role: "assistant", content: "" }]);
  });

  it("keeps content that no prompt has a place for, and unknown kinds of blocks", () => {
    const cited = [{ type: "char_location", cited_text: "x" }];
    const [message] = take("anthropic", [
      {
        role: "assistant",
        content: [
          { type: "text", text: "x", citations: cited },
          { type: "hologram", depth: 3 },
        ],
      },
    ]).request.messages;
    expect(message?.content).toEqual([
      { type: "text", text: "x" },
      { type: "data-citations", data: cited },
      { type: "data-hologram", data: { type: "hologram", depth: 3 } },
    ]);
    const upload = { type: "container_upload", file_id: "file_1" };
    const [shown] = take("anthropic", [{ role: "user", content: [upload, { type: "text", text: "Plot it." }] }]).request
      .messages;
    expect(shown?.content).toEqual([
      { type: "data-container_upload", data: upload },
      { type: "text", text: "Plot it." },
    ]);
    const [approval] = take("ai-sdk", [
      { role: "tool", content: [{ type: "tool-approval-response", approvalId: "a", approved: true }] },
    ]).request.messages;
    expect(approval?.content).toEqual([
      { type: "data-tool-approval-response", data: { approvalId: "a", approved: true } },
    ]);
  });

  it("has its metadata, and results next to a user's text get a message and an id of their own", () => {
    const own = { id: "u2", author: "Ada", metadata: { a: 1 }, occurredAt: "2026-11-22T09:30:00Z" };
    const result = { type: "tool_result", tool_use_id: "t", content: "done" };
    const said = { type: "text", text: "Go on." };
    expect(take("anthropic", [{ ...own, role: "user", content: [result, said] }]).request.messages).toEqual([
      {
        id: "u2.results",
        occurredAt: own.occurredAt,
        role: "tool",
        content: [{ type: "tool-result", toolCallId: "t", toolName: "tool", output: { type: "text", value: "done" } }],
      },
      { ...own, role: "user", content: [said] },
    ]);
    const branched = { id: "u3", afterSeq: 4, role: "user", content: [result, said] };
    const [results, words] = take("anthropic", [branched]).request.messages;
    expect([results?.afterSeq, words?.afterSeq]).toEqual([4, undefined]);
    expect(take("anthropic", [{ ...own, role: "user", content: [result] }]).request.messages).toMatchObject([
      { ...own, role: "tool" },
    ]);
  });

  it.each<[ProviderFormat, object, unknown]>([
    ["openai-chat", { role: "king", content: "x" }, [{ path: "/messages/0/role" }]],
    ["openai-chat", { role: "user", content: [{ type: "image_url" }] }, [{ path: "/messages/0/content/0/image_url" }]],
    ["openai-chat", { role: "tool", content: "x" }, [{ path: "/messages/0/tool_call_id", detail: "is required" }]],
    [
      "openai-chat",
      { role: "assistant", tool_calls: [{ id: "a", type: "function", function: { name: "", arguments: "" } }] },
      [{ path: "/messages/0/tool_calls/0/function/name" }],
    ],
    ["anthropic", { role: "user", content: [{ type: "txt" }] }, [{ path: "/messages/0/content/0/type" }]],
    [
      "anthropic",
      { role: "assistant", content: [{ type: "thinking", thinking: "x" }] },
      [{ path: "/messages/0/content/0/signature" }],
    ],
    ["ai-sdk", { role: "tool", content: "x" }, [{ path: "/messages/0/content" }]],
    [
      "ai-sdk",
      { role: "user", content: [{ type: "file", mediaType: "image/png", data: { 0: 137 } }] },
      [{ path: "/messages/0/content/0/data/type" }],
    ],
  ])("is refused by the place of what was sent: %s %j", (format, message, faults) => {
    expect(faultsOf(() => take(format, [message]))).toMatchObject(faults as object[]);
  });

  it("is named by what was sent if it is too large, or if a user may not say it", () => {
    const called = {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: "{}" } }],
    };
    const taken = take("openai-chat", [{ role: "user", content: "hi" }, called]);
    expect(contentsOf(taken.placed).map(({ path }) => path)).toEqual(["/messages/0/content", "/messages/1"]);
    expect(faultsOf(() => refuseForeignWords(taken.placed, undefined))).toMatchObject([{ path: "/messages/1/role" }]);
    expect(faultsOf(() => refuseForeignWords(taken.placed, ["assistant"]))).toMatchObject([
      { path: "/messages/1/tool_calls/0" },
    ]);
    const result = { type: "tool_result", tool_use_id: "t", content: "sudo" };
    const { placed } = take("anthropic", [{ role: "user", content: [{ type: "text", text: "x" }, result] }]);
    expect(faultsOf(() => refuseForeignWords(placed, undefined))).toMatchObject([{ path: "/messages/0/content/1" }]);
    const held = { type: "image_url", image_url: { url: "http://10.0.0.1/a.png" } };
    const fetched = take("openai-chat", [{ role: "user", content: [held] }]);
    expect(faultsOf(() => refuseForeignWords(fetched.placed, undefined))).toMatchObject([
      { path: "/messages/0/content/0" },
    ]);
  });

  it("is refused if two messages would get the same id", () => {
    const result = { type: "tool_result", tool_use_id: "t", content: "x" };
    const both = { id: "a", role: "user", content: [result, { type: "text", text: "x" }] };
    const other = { id: "a.results", role: "user", content: "x" };
    expect(faultsOf(() => take("anthropic", [other, both]))).toMatchObject([{ path: "/messages/1/id" }]);
    expect(faultsOf(() => take("anthropic", [{ ...both, id: "a".repeat(125) }]))).toMatchObject([
      { path: "/messages/0/id" },
    ]);
  });
});

const words = fc.stringMatching(/^[a-z]{1,8}$/);
const input = fc.dictionary(words, fc.oneof(words, fc.integer(), fc.array(words, { maxLength: 3 })), { maxKeys: 3 });
/** A turn of a tool loop: text, calls with their results, and the answer. */
const turn = fc.record({
  asked: words,
  calls: fc.array(fc.record({ name: words, input, output: words }), { maxLength: 3 }),
  said: words,
});
const chat = fc.array(turn, { minLength: 1, maxLength: 5 }).map((turns) =>
  turns.map((one, at) => ({
    ...one,
    calls: one.calls.map((call, index) => ({ ...call, id: `call_${at}_${index}` })),
  })),
);
const RUNS = { numRuns: 60, seed: 20261129 };

describe("any tool loop", () => {
  it("is the same before and after conversion with OpenAI", () => {
    fc.assert(
      fc.property(chat, (turns) => {
        const messages = turns.flatMap(({ asked, calls, said }): OpenAI.ChatCompletionMessageParam[] => [
          { role: "user", content: asked },
          ...(calls.length === 0
            ? []
            : [
                {
                  role: "assistant" as const,
                  content: null,
                  tool_calls: calls.map(({ id, name, input: given }) => ({
                    id,
                    type: "function" as const,
                    function: { name, arguments: JSON.stringify(given) },
                  })),
                },
                ...calls.map(({ id, output }) => ({ role: "tool" as const, tool_call_id: id, content: output })),
              ]),
          { role: "assistant", content: said },
        ]);
        const context = contextOf(take("openai-chat", messages));
        expect(renderContext(context, { format: "openai-chat", summaryRole: "user" }).messages).toEqual(messages);
      }),
      RUNS,
    );
  });

  it("is the same before and after conversion with Anthropic", () => {
    fc.assert(
      fc.property(chat, (turns) => {
        const messages = turns.flatMap(({ asked, calls, said }): Anthropic.MessageParam[] => [
          { role: "user", content: [{ type: "text", text: asked }] },
          ...(calls.length === 0
            ? []
            : [
                {
                  role: "assistant" as const,
                  content: [
                    { type: "thinking" as const, thinking: "hm", signature: "c2ln" },
                    ...calls.map(({ id, name, input: given }) => ({
                      type: "tool_use" as const,
                      id,
                      name,
                      input: given,
                    })),
                  ],
                },
                {
                  role: "user" as const,
                  content: calls.map(({ id, output }) => ({
                    type: "tool_result" as const,
                    tool_use_id: id,
                    content: output,
                  })),
                },
              ]),
          { role: "assistant", content: [{ type: "text", text: said }] },
        ]);
        const context = contextOf(take("anthropic", messages));
        expect(renderContext(context, { format: "anthropic", summaryRole: "user" }).messages).toEqual(messages);
      }),
      RUNS,
    );
  });

  it("is the same before and after conversion with the AI SDK", () => {
    fc.assert(
      fc.property(chat, (turns) => {
        const messages = turns.flatMap(({ asked, calls, said }): ModelMessage[] => [
          { role: "user", content: asked },
          ...(calls.length === 0
            ? []
            : [
                {
                  role: "assistant" as const,
                  content: [
                    { type: "text" as const, text: said },
                    ...calls.map(({ id, name, input: given }) => ({
                      type: "tool-call" as const,
                      toolCallId: id,
                      toolName: name,
                      input: given,
                    })),
                  ],
                },
                {
                  role: "tool" as const,
                  content: calls.map(({ id, name, output }) => ({
                    type: "tool-result" as const,
                    toolCallId: id,
                    toolName: name,
                    output: { type: "text" as const, value: output },
                  })),
                },
              ]),
          { role: "assistant", content: said },
        ]);
        const context = contextOf(take("ai-sdk", messages));
        expect(renderContext(context, { format: "ai-sdk", summaryRole: "user" }).messages).toEqual(messages);
      }),
      RUNS,
    );
  });
});
