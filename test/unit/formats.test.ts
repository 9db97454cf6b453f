import type Anthropic from "@anthropic-ai/sdk";
import { convertToModelMessages, type ModelMessage, modelMessageSchema, type UIMessage, validateUIMessages } from "ai";
import type OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  type Context,
  type ContextFormat,
  contextFormatSchema,
  renderedContextSchemas,
} from "../../src/api/context.ts";
import type { Item } from "../../src/api/summary.ts";
import { renderContext } from "../../src/prompt/formats.ts";

type Said = Omit<Context["messages"][number], "id" | "seq" | "createdAt" | "tokens">;

const items: Item[] = [
  { id: "1.1", kind: "fact", text: "The boat is called Nele.", sourceSeqs: [1], status: "current" },
];
const SUMMARY = "<conversation_summary>\nFacts:\n- The boat is called Nele.\n</conversation_summary>";

function contextOf(said: readonly Said[], summarized: readonly Item[] = items): Context {
  const throughSeq = summarized.length === 0 ? 0 : 10;
  return {
    sessionId: "s",
    headSeq: throughSeq + said.length,
    atSeq: throughSeq + said.length,
    summary:
      summarized.length === 0
        ? null
        : {
            version: 1,
            throughSeq,
            items: [...summarized],
            tokens: 20,
            summarizer: "test",
            degraded: false,
            droppedItems: 0,
            createdAt: "2026-11-22T10:00:00.000Z",
          },
    messages: said.map((message, index) => ({
      id: `m${throughSeq + index + 1}`,
      seq: throughSeq + index + 1,
      createdAt: "2026-11-22T10:00:00.000Z",
      tokens: 10,
      ...message,
    })),
    omitted: [],
    retrieved: [],
    tokens: { budget: 4_000, used: 200, summary: 40, messages: 160, retrieved: 0 },
    summaryPending: false,
  };
}

function render<F extends ContextFormat>(
  format: F,
  said: readonly Said[],
  { summarized = items, summaryRole = "user" }: { summarized?: Item[]; summaryRole?: "user" | "system" } = {},
) {
  return renderContext(contextOf(said, summarized), { format, summaryRole });
}

/** A chat with everything for which a format needs a place. */
const harbour: Said[] = [
  { role: "system", content: "You keep a harbour's books." },
  {
    role: "user",
    author: "Ada Löwe",
    content: [
      { type: "text", text: "What is the berth fee for this boat?" },
      { type: "file", mediaType: "image/png", data: "iVBORw0KGgo=", filename: "nele.png" },
      { type: "data-mood", data: { happy: true } },
    ],
  },
  {
    role: "assistant",
    content: [
      { type: "reasoning", text: "The tariff is in the tool.", providerOptions: { anthropic: { signature: "x" } } },
      { type: "text", text: "I look it up." },
      { type: "tool-call", toolCallId: "c1", toolName: "tariff", input: { metres: 9 } },
    ],
  },
  {
    role: "tool",
    content: [{ type: "tool-result", toolCallId: "c1", toolName: "tariff", output: { euro: 18 } }],
  },
  { role: "developer", content: "Answer in one sentence." },
  { role: "assistant", content: "It is 18 euro a night." },
];

describe("openai-chat", () => {
  it("gives messages that the provider's own types accept", () => {
    const { messages, meta } = render("openai-chat", harbour);
    const accepted: OpenAI.ChatCompletionMessageParam[] = messages;
    expect(accepted).toEqual([
      { role: "user", content: SUMMARY },
      { role: "system", content: "You keep a harbour's books." },
      {
        role: "user",
        content: [
          { type: "text", text: "Ada Löwe: What is the berth fee for this boat?" },
          { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } },
        ],
      },
      {
        role: "assistant",
        content: "I look it up.",
        tool_calls: [{ id: "c1", type: "function", function: { name: "tariff", arguments: '{"metres":9}' } }],
      },
      { role: "tool", tool_call_id: "c1", content: '{"euro":18}' },
      { role: "developer", content: "Answer in one sentence." },
      { role: "assistant", content: "It is 18 euro a night." },
    ]);
    expect(meta).toMatchObject({ headSeq: 16, atSeq: 16, summaryThroughSeq: 10, omitted: [], tokens: { used: 200 } });
  });

  it("sends an author's name if the provider accepts it, and else puts it before the text", () => {
    const { messages } = render("openai-chat", [
      { role: "assistant", author: "Bo", content: "hello" },
      { role: "user", author: "Ada", content: "hello" },
      { role: "assistant", author: "Bo Li", content: "hello" },
      { role: "user", author: "Ada Löwe", content: "hello" },
    ]);
    expect(messages.slice(1)).toEqual([
      { role: "assistant", name: "Bo", content: "hello" },
      { role: "user", name: "Ada", content: "hello" },
      { role: "assistant", content: "Bo Li: hello" },
      { role: "user", content: "Ada Löwe: hello" },
    ]);
  });

  it("has null content only next to calls", () => {
    const { messages } = render("openai-chat", [
      { role: "assistant", content: [{ type: "tool-call", toolCallId: "c", toolName: "f", input: {} }] },
      { role: "tool", content: [{ type: "tool-result", toolCallId: "c", toolName: "f", output: "done" }] },
      { role: "assistant", content: [{ type: "reasoning", text: "hm" }] },
      { role: "assistant", content: "" },
    ]);
    expect(messages.slice(1).map((message) => message.content)).toEqual([null, "done"]);
  });

  it("shortens an overlong id of another provider, for the call and its result alike", () => {
    const toolCallId = `call:${"x".repeat(80)}`;
    const { messages } = render("openai-chat", [
      { role: "assistant", content: [{ type: "tool-call", toolCallId, toolName: "a.b", input: "[1]" }] },
      { role: "tool", content: [{ type: "tool-result", toolCallId, toolName: "a.b", output: 1 }] },
    ]);
    const id = `call_${"x".repeat(35)}`;
    expect(messages.slice(1)).toEqual([
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id, type: "function", function: { name: "a_b", arguments: '{"value":"[1]"}' } }],
      },
      { role: "tool", tool_call_id: id, content: "1" },
    ]);
  });

  it.each([
    [40, true],
    [41, false],
  ])("leaves an id of %i characters as it is: %s", (length, isKept) => {
    const toolCallId = "x".repeat(length);
    const { messages } = render("openai-chat", [
      { role: "assistant", content: [{ type: "tool-call", toolCallId, toolName: "find", input: {} }] },
      { role: "tool", content: [{ type: "tool-result", toolCallId, toolName: "find", output: 1 }] },
    ]);
    const result = messages.at(-1);
    expect(result?.role === "tool" && result.tool_call_id === toolCallId).toBe(isKept);
  });

  it("puts retrieved messages right after the newest question, and nothing between a result and the model", () => {
    const [question, answer, result] = harbour.slice(1, 4);
    if (question === undefined || answer === undefined || result === undefined) throw new Error("the sample is short");
    const context = contextOf([question, answer, result], []);
    const found = { id: "old", seq: 0, role: "user" as const, content: "Nele is 9 m long.", createdAt: "", tokens: 5 };
    const retrieved = [{ message: found, score: 1, why: "test" }];
    const { messages } = renderContext({ ...context, retrieved }, { format: "openai-chat", summaryRole: "user" });
    expect(messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool"]);
    expect(JSON.stringify(messages[0])).toMatch(/berth fee.*Nele is 9 m long\./);
  });

  it("describes a search that the provider ran itself in words, not as a call", () => {
    const search = { toolCallId: "s1", toolName: "web_search" };
    const { messages } = render("openai-chat", [
      { role: "user", content: "What is the fee?" },
      {
        role: "assistant",
        content: [
          { type: "tool-call", ...search, input: { query: "fee" }, providerExecuted: true },
          { type: "tool-result", ...search, output: "18 euro" },
          { type: "text", text: "It is 18 euro." },
        ],
      },
    ]);
    expect(messages.some((message) => "tool_calls" in message || message.role === "tool")).toBe(false);
    expect(JSON.stringify(messages)).toContain("18 euro");
  });

  it("names a file that it cannot contain", () => {
    const { messages } = render(
      "openai-chat",
      [
        {
          role: "user",
          content: [
            { type: "file", mediaType: "application/pdf", data: "https://example.com/a.pdf", filename: "a.pdf" },
            { type: "file", mediaType: "application/pdf", data: "JVBERg==", filename: "b.pdf" },
            { type: "file", mediaType: "image/heic", data: "AAAA" },
            { type: "file", mediaType: "image/png", data: "not base64!" },
          ],
        },
      ],
      { summarized: [] },
    );
    expect(messages.at(-1)?.content).toEqual([
      { type: "text", text: "[file a.pdf, application/pdf]" },
      { type: "file", file: { filename: "b.pdf", file_data: "data:application/pdf;base64,JVBERg==" } },
      { type: "text", text: "[file, image/heic]" },
      { type: "text", text: "[file, image/png]" },
    ]);
  });
});

describe("openai-responses", () => {
  it("gives input items that the provider's own types accept", () => {
    const { input, instructions } = render("openai-responses", harbour);
    const accepted: OpenAI.Responses.ResponseInput = input;
    expect(instructions).toBeUndefined();
    expect(accepted).toEqual([
      { type: "message", role: "user", content: SUMMARY },
      { type: "message", role: "system", content: "You keep a harbour's books." },
      {
        type: "message",
        role: "user",
        content: [
          { type: "input_text", text: "Ada Löwe: What is the berth fee for this boat?" },
          { type: "input_image", image_url: "data:image/png;base64,iVBORw0KGgo=", detail: "auto" },
        ],
      },
      { type: "message", role: "assistant", content: "I look it up." },
      { type: "function_call", call_id: "c1", name: "tariff", arguments: '{"metres":9}' },
      { type: "function_call_output", call_id: "c1", output: '{"euro":18}' },
      { type: "message", role: "developer", content: "Answer in one sentence." },
      { type: "message", role: "assistant", content: "It is 18 euro a night." },
    ]);
  });

  it("makes the summary the instructions if it is to be system text", () => {
    const { input, ...rest } = render("openai-responses", harbour, { summaryRole: "system" });
    const accepted: Pick<OpenAI.Responses.ResponseCreateParams, "instructions"> = rest;
    expect(accepted.instructions).toBe(SUMMARY);
    expect(JSON.stringify(input)).not.toContain("conversation_summary");
  });

  it("sends a document as a URL", () => {
    const { input } = render("openai-responses", [
      {
        role: "user",
        content: [{ type: "file", mediaType: "application/pdf", data: "https://example.com/a.pdf", filename: "a.pdf" }],
      },
    ]);
    expect(input.at(-1)).toMatchObject({ content: [{ type: "input_file", file_url: "https://example.com/a.pdf" }] });
  });
});

describe("anthropic", () => {
  it("gives messages that the provider's own types accept, in turns", () => {
    const { system, messages } = render("anthropic", harbour);
    const accepted: Anthropic.MessageParam[] = messages;
    expect(system).toBe("You keep a harbour's books.\n\nAnswer in one sentence.");
    expect(accepted).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: SUMMARY },
          { type: "text", text: "Ada Löwe: What is the berth fee for this boat?" },
          { type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" } },
        ],
      },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "The tariff is in the tool.", signature: "x" },
          { type: "text", text: "I look it up." },
          { type: "tool_use", id: "c1", name: "tariff", input: { metres: 9 } },
        ],
      },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "c1", content: '{"euro":18}' }] },
      { role: "assistant", content: [{ type: "text", text: "It is 18 euro a night." }] },
    ]);
  });

  it("begins with a note of the user if nothing else is the user's", () => {
    const said: Said[] = [{ role: "assistant", content: "Welcome." }];
    const note = { role: "user", content: [{ type: "text", text: "[…]" }] };
    expect(render("anthropic", said, { summarized: [] }).messages[0]).toEqual(note);
    const asSystem = render("anthropic", said, { summaryRole: "system" });
    expect(asSystem.messages[0]).toEqual(note);
    expect(asSystem.system).toBe(SUMMARY);
    expect(render("anthropic", said).messages).toHaveLength(2);
  });

  it("puts a result right after its call, even if the user spoke between them and text followed the call", () => {
    const { messages } = render(
      "anthropic",
      [
        { role: "user", content: "Which boats are in?" },
        {
          role: "assistant",
          content: [
            { type: "tool-call", toolCallId: "a:1", toolName: "boats", input: {} },
            { type: "text", text: "One moment." },
          ],
        },
        { role: "user", content: "Still there?" },
        {
          role: "tool",
          content: [
            {
              type: "tool-result",
              toolCallId: "a:1",
              toolName: "boats",
              output: { type: "error-text", value: "down" },
            },
          ],
        },
        { role: "assistant", content: [{ type: "tool-call", toolCallId: "a:1", toolName: "boats", input: "{}" }] },
        { role: "tool", content: [{ type: "tool-result", toolCallId: "a:1", toolName: "boats", output: "Nele" }] },
      ],
      { summarized: [] },
    );
    expect(messages).toEqual([
      { role: "user", content: [{ type: "text", text: "Which boats are in?" }] },
      {
        role: "assistant",
        content: [
          { type: "text", text: "One moment." },
          { type: "tool_use", id: "a_1", name: "boats", input: {} },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "a_1", content: "down", is_error: true },
          { type: "text", text: "Still there?" },
        ],
      },
      { role: "assistant", content: [{ type: "tool_use", id: "a_1_2", name: "boats", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "a_1_2", content: "Nele" }] },
    ]);
  });

  it("adds a result to a call without one, and a call to a result without one", () => {
    const { messages } = render(
      "anthropic",
      [
        { role: "tool", content: [{ type: "tool-result", toolCallId: "a", toolName: "boats", output: "Nele" }] },
        { role: "assistant", content: [{ type: "tool-call", toolCallId: "b", toolName: "boats", input: { at: 1 } }] },
      ],
      { summarized: [] },
    );
    expect(messages).toEqual([
      { role: "user", content: [{ type: "text", text: "[…]" }] },
      { role: "assistant", content: [{ type: "tool_use", id: "a", name: "boats", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: "Nele" }] },
      { role: "assistant", content: [{ type: "tool_use", id: "b", name: "boats", input: { at: 1 } }] },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "b", content: "[no result: nothing answered this call]", is_error: true },
        ],
      },
    ]);
  });

  it("gives a result to the last call with its id, and leaves out blank text", () => {
    const call = (input: number) => ({ type: "tool-call" as const, toolCallId: "0", toolName: "f", input });
    const { messages } = render("anthropic", [
      { role: "assistant", content: [call(1)] },
      { role: "user", content: "Again, please." },
      { role: "assistant", content: [call(2)] },
      { role: "tool", content: [{ type: "tool-result", toolCallId: "0", toolName: "f", output: "" }] },
    ]);
    expect(messages.slice(1)).toEqual([
      { role: "assistant", content: [{ type: "tool_use", id: "0", name: "f", input: { value: 1 } }] },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "0", content: "[no result: nothing answered this call]", is_error: true },
          { type: "text", text: "Again, please." },
        ],
      },
      { role: "assistant", content: [{ type: "tool_use", id: "0_2", name: "f", input: { value: 2 } }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "0_2" }] },
    ]);
  });

  it("ends no answer with reasoning that nothing follows", () => {
    const signed = { providerOptions: { anthropic: { signature: "x" } } };
    const { messages } = render("anthropic", [
      { role: "user", content: "What is the fee?" },
      {
        role: "assistant",
        content: [
          { type: "text", text: "I look it up." },
          { type: "reasoning", text: "Where is it?", ...signed },
        ],
      },
    ]);
    const last = messages.at(-1)?.content;
    expect(Array.isArray(last) && last.at(-1)?.type).toBe("text");
  });

  it("contains documents, and drops blank text", () => {
    const { messages } = render(
      "anthropic",
      [
        { role: "user", content: " \n" },
        {
          role: "user",
          content: [
            { type: "text", text: "" },
            { type: "file", mediaType: "application/pdf", data: "JVBERg", filename: "a.pdf" },
            { type: "file", mediaType: "image/*", data: "data:image/*;base64,/9j/AAAA" },
            { type: "file", mediaType: "text/csv", data: btoa("a,b") },
            { type: "file", mediaType: "image/webp", data: "https://example.com/b.webp" },
            { type: "file", mediaType: "video/mp4", data: "https://example.com/c.mp4" },
          ],
        },
      ],
      { summarized: [] },
    );
    expect(messages).toEqual([
      {
        role: "user",
        content: [
          {
            type: "document",
            title: "a.pdf",
            source: { type: "base64", media_type: "application/pdf", data: "JVBERg==" },
          },
          { type: "image", source: { type: "base64", media_type: "image/jpeg", data: "/9j/AAAA" } },
          { type: "document", source: { type: "text", media_type: "text/plain", data: "a,b" } },
          { type: "image", source: { type: "url", url: "https://example.com/b.webp" } },
          { type: "text", text: "[file, video/mp4]" },
        ],
      },
    ]);
  });
});

describe("ai-sdk", () => {
  it("gives ModelMessages that the SDK's own types and checks accept", () => {
    const { system, messages } = render("ai-sdk", harbour);
    const accepted: ModelMessage[] = messages;
    expect(z.array(modelMessageSchema).parse(accepted)).toEqual(accepted);
    expect(system).toBe("You keep a harbour's books.\n\nAnswer in one sentence.");
    expect(accepted).toEqual([
      { role: "user", content: SUMMARY },
      {
        role: "user",
        content: [
          { type: "text", text: "Ada Löwe: What is the berth fee for this boat?" },
          { type: "file", mediaType: "image/png", data: "iVBORw0KGgo=", filename: "nele.png" },
        ],
      },
      {
        role: "assistant",
        content: [
          { type: "reasoning", text: "The tariff is in the tool.", providerOptions: { anthropic: { signature: "x" } } },
          { type: "text", text: "I look it up." },
          { type: "tool-call", toolCallId: "c1", toolName: "tariff", input: { metres: 9 } },
        ],
      },
      {
        role: "tool",
        content: [
          {
            type: "tool-result",
            toolCallId: "c1",
            toolName: "tariff",
            output: { type: "json", value: { euro: 18 } },
          },
        ],
      },
      { role: "assistant", content: "It is 18 euro a night." },
    ]);
  });

  it("continues after a result inside the assistant's own message", () => {
    const { messages } = render("ai-sdk", [
      {
        role: "assistant",
        author: "Bo",
        content: [
          { type: "tool-call", toolCallId: "c", toolName: "f", input: null },
          { type: "tool-result", toolCallId: "c", toolName: "f", output: { type: "text", text: "no envelope" } },
          { type: "text", text: "There." },
          { type: "tool-call", toolCallId: "d", toolName: "f", input: 1 },
          { type: "tool-result", toolCallId: "d", toolName: "f", output: " " },
          { type: "text", text: "All of it." },
        ],
      },
    ]);
    expect(messages.slice(1)).toEqual([
      { role: "assistant", content: [{ type: "tool-call", toolCallId: "c", toolName: "f", input: null }] },
      {
        role: "tool",
        content: [
          {
            type: "tool-result",
            toolCallId: "c",
            toolName: "f",
            output: { type: "json", value: { type: "text", text: "no envelope" } },
          },
        ],
      },
      {
        role: "assistant",
        content: [
          { type: "text", text: "Bo: There." },
          { type: "tool-call", toolCallId: "d", toolName: "f", input: 1 },
        ],
      },
      {
        role: "tool",
        content: [{ type: "tool-result", toolCallId: "d", toolName: "f", output: { type: "text", value: " " } }],
      },
      // The author's name has been used already.
      { role: "assistant", content: "All of it." },
    ]);
  });

  it("returns reasoning exactly as its provider signed it, whatever else in the message was changed", () => {
    const reasoning = { type: "reasoning" as const, text: "hm", providerOptions: { anthropic: { signature: "x" } } };
    const content = [reasoning, { type: "text" as const, text: "yes" }];
    for (const change of [{ cut: true as const }, { editedAt: "2026-11-22T11:00:00.000Z" }]) {
      const { messages } = render("ai-sdk", [{ role: "assistant", content, ...change }]);
      expect(messages[1]?.content[0]).toEqual(reasoning);
    }
  });

  it("leaves out provider options for which the SDK would refuse the prompt", () => {
    const { messages } = render("ai-sdk", [
      { role: "user", content: [{ type: "text", text: "hi", providerOptions: { openai: "high" } }] },
    ]);
    expect(messages[1]).toEqual({ role: "user", content: "hi" });
  });
});

describe("ui", () => {
  it("gives UIMessages that the SDK's own types and checks accept, and that become a prompt", async () => {
    const { messages } = render("ui", harbour);
    const accepted: UIMessage[] = messages;
    expect(await validateUIMessages({ messages: structuredClone(accepted) })).toEqual(accepted);
    expect(accepted).toEqual([
      { id: "threadkeep/summary", role: "user", parts: [{ type: "text", text: SUMMARY }] },
      { id: "m11", role: "system", parts: [{ type: "text", text: "You keep a harbour's books." }] },
      {
        id: "m12",
        role: "user",
        metadata: { author: "Ada Löwe" },
        parts: [
          { type: "text", text: "What is the berth fee for this boat?" },
          { type: "file", mediaType: "image/png", url: "data:image/png;base64,iVBORw0KGgo=", filename: "nele.png" },
          { type: "data-mood", data: { happy: true } },
        ],
      },
      {
        id: "m13",
        role: "assistant",
        parts: [
          {
            type: "reasoning",
            text: "The tariff is in the tool.",
            providerMetadata: { anthropic: { signature: "x" } },
          },
          { type: "text", text: "I look it up." },
          {
            type: "tool-tariff",
            toolCallId: "c1",
            state: "output-available",
            input: { metres: 9 },
            output: { euro: 18 },
          },
        ],
      },
      { id: "m15", role: "system", parts: [{ type: "text", text: "Answer in one sentence." }] },
      { id: "m16", role: "assistant", parts: [{ type: "text", text: "It is 18 euro a night." }] },
    ]);
    const prompt = await convertToModelMessages(accepted);
    expect(prompt.map(({ role }) => role)).toEqual([
      "user",
      "system",
      "user",
      "assistant",
      "tool",
      "system",
      "assistant",
    ]);
  });

  it("shows pending and failed calls, and keeps the order of steps", async () => {
    const { messages } = render(
      "ui",
      [
        {
          role: "assistant",
          content: [
            { type: "tool-call", toolCallId: "a", toolName: "f", input: 1 },
            { type: "tool-result", toolCallId: "a", toolName: "f", output: { type: "error-text", value: "no" } },
            { type: "text", text: "Again." },
            { type: "tool-call", toolCallId: "b", toolName: "f", input: 2 },
          ],
          metadata: { author: "mine" },
          author: "Bo",
        },
      ],
      { summarized: [] },
    );
    const accepted: UIMessage[] = messages;
    expect(accepted).toEqual([
      {
        id: "m1",
        role: "assistant",
        metadata: { author: "mine" },
        parts: [
          { type: "tool-f", toolCallId: "a", state: "output-error", input: 1, errorText: "no" },
          { type: "step-start" },
          { type: "text", text: "Again." },
          { type: "tool-f", toolCallId: "b", state: "input-available", input: 2 },
        ],
      },
    ]);
    const prompt = await convertToModelMessages(accepted, { ignoreIncompleteToolCalls: true });
    expect(prompt.map(({ role }) => role)).toEqual(["assistant", "tool", "assistant"]);
  });
});

describe("a tool's files", () => {
  const PNG = "iVBORw0KGgo=";
  const value = [
    { type: "text", text: "Here:" },
    { type: "file-data", mediaType: "image/*", data: PNG },
    { type: "file", mediaType: "application/pdf", data: { type: "url", url: "https://example.com/a.pdf" } },
  ];
  const context = contextOf(
    [
      { role: "assistant", content: [{ type: "tool-call", toolCallId: "c", toolName: "look", input: {} }] },
      {
        role: "tool",
        content: [{ type: "tool-result", toolCallId: "c", toolName: "look", output: { type: "content", value } }],
      },
    ],
    [],
  );
  const NAMED = "Here:\n[image, 1 KB]\n[file, https://example.com/a.pdf]";

  it("are only named by default", () => {
    const options = { summaryRole: "user" } as const;
    expect(renderContext(context, { format: "openai-chat", ...options }).messages.at(-1)?.content).toBe(NAMED);
    expect(renderContext(context, { format: "anthropic", ...options }).messages.at(-1)?.content).toMatchObject([
      { content: NAMED },
    ]);
    expect(renderContext(context, { format: "openai-responses", ...options }).input.at(-1)).toMatchObject({
      output: NAMED,
    });
    const { messages } = renderContext(context, { format: "ai-sdk", ...options });
    expect(JSON.stringify(messages.at(-1))).not.toContain(PNG);
  });

  it("are sent if requested, in formats that have a place for them", () => {
    const options = { summaryRole: "user", toolFiles: "sent" } as const;
    const anthropic: Anthropic.MessageParam[] = renderContext(context, { format: "anthropic", ...options }).messages;
    expect(anthropic.at(-1)?.content).toMatchObject([
      {
        content: [
          { type: "text" },
          { type: "image", source: { media_type: "image/png", data: PNG } },
          { type: "document" },
        ],
      },
    ]);
    const responses: OpenAI.Responses.ResponseInput = renderContext(context, {
      format: "openai-responses",
      ...options,
    }).input;
    expect(responses.at(-1)).toMatchObject({
      output: [
        { type: "input_text" },
        { type: "input_image" },
        { type: "input_file", file_url: "https://example.com/a.pdf" },
      ],
    });
    const sdk: ModelMessage[] = renderContext(context, { format: "ai-sdk", ...options }).messages;
    expect(z.array(modelMessageSchema).safeParse(sdk).success).toBe(true);
    expect(sdk.at(-1)?.content).toMatchObject([
      {
        output: {
          value: [
            { type: "text" },
            { type: "file", mediaType: "image/png", data: { type: "data", data: PNG } },
            { type: "file-url", url: "https://example.com/a.pdf", mediaType: "application/pdf" },
          ],
        },
      },
    ]);
  });
});

describe("text", () => {
  it("is one text, with the summary first", () => {
    const { text } = render("text", harbour);
    expect(text.split("\n\n")).toEqual([
      SUMMARY,
      "[system] You keep a harbour's books.",
      "[user Ada Löwe] What is the berth fee for this boat?\n[file nele.png, image/png]",
      '[assistant] The tariff is in the tool.\nI look it up.\n[calls tariff] {"metres":9}',
      '[tool] [result of tariff] {"euro":18}',
      "[developer] Answer in one sentence.",
      "[assistant] It is 18 euro a night.",
    ]);
  });
});

describe("every format", () => {
  it.each(contextFormatSchema.options)("is exactly what its schema says: %s", (format) => {
    const rendered = render(format, harbour);
    expect(renderedContextSchemas[format].parse(rendered)).toEqual(rendered);
  });

  it.each(contextFormatSchema.options)("is empty for an empty chat: %s", (format) => {
    const rendered = render(format, [], { summarized: [] });
    expect(renderedContextSchemas[format].parse(rendered)).toEqual(rendered);
    expect(JSON.stringify(rendered)).not.toContain("conversation_summary");
  });

  it.each(contextFormatSchema.options)("leaves superseded items out of the prompt: %s", (format) => {
    const superseded: Item = { id: "1.2", kind: "fact", text: "Gone.", sourceSeqs: [2], status: "superseded" };
    const rendered = JSON.stringify(render(format, [], { summarized: [...items, superseded] }));
    if (format !== "threadkeep") expect(rendered).not.toContain("Gone.");
    expect(rendered).toContain("Nele");
  });
});
