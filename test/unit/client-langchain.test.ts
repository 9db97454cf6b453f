import { AIMessage, type BaseMessage, ChatMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { RunnableLambda, RunnableWithMessageHistory } from "@langchain/core/runnables";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createClient } from "../../client/src/index.ts";
import { ThreadkeepChatMessageHistory } from "../../client/src/langchain/history.ts";
import { toStored } from "../../client/src/langchain/messages.ts";
import { newMessageSchema } from "../../src/api/message.ts";

const appendSchema = z.object({ messages: z.array(z.object({ role: z.string(), content: z.string() })) });

/** A service with one session, whose context is its whole log. */
function serviceOf(log: { role: string; content: string }[]) {
  const client = createClient({
    url: "http://memory.test",
    key: "k",
    fetch: async (_url, { method, body }) => {
      if (method === "GET" || !String(body).includes('"messages"')) {
        return log.length === 0
          ? Response.json(
              { type: "/", title: "t", status: 404, code: "session_not_found", detail: "d", requestId: "r" },
              { status: 404 },
            )
          : Response.json({ messages: log, meta: {} });
      }
      const { messages } = appendSchema.parse(JSON.parse(String(body)));
      log.push(...messages.map(({ role, content }) => ({ role, content })));
      return Response.json({
        messages: messages.map((_, at) => ({ id: `m${at}`, seq: at + 1, created: true })),
        headSeq: log.length,
      });
    },
  });
  return { client, said: () => log.map(({ content }) => content) };
}

const another = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ role: "user", content: `from another tab ${at}` }));

describe("a LangChain history that a run reads and extends", () => {
  it.each([
    ["nobody writes", 4, 1, 0],
    ["somebody else writes", 4, 1, 1],
    ["somebody else writes much", 4, 1, 5],
    ["somebody else writes less than was asked", 4, 3, 2],
    ["somebody else begins it", 0, 1, 3],
  ])("neither loses nor doubles a question while %s", async (_, before, asked, meanwhile) => {
    const log = another(before);
    const { client, said } = serviceOf(log);
    const history = new ThreadkeepChatMessageHistory({ client, sessionId: "s" });
    const model = RunnableLambda.from(() => {
      log.push(...another(meanwhile));
      return new AIMessage("the answer");
    });
    const chat = new RunnableWithMessageHistory({ runnable: model, getMessageHistory: () => history });
    const questions = Array.from({ length: asked }, (_question, at) => `question ${at}`);
    for (let run = 1; run <= 2; run += 1) {
      await chat.invoke(
        questions.map((text) => new HumanMessage(text)),
        { configurable: { sessionId: "s" } },
      );
      expect(said().slice(-asked - 1)).toEqual([...questions, "the answer"]);
      expect(said()).toHaveLength(before + run * (asked + 1 + meanwhile));
    }
  });

  it("contains each question of two concurrent runs, and that of a failed run before them", async () => {
    const { client, said } = serviceOf(another(2));
    const history = new ThreadkeepChatMessageHistory({ client, sessionId: "s" });
    let waiting = 0;
    let release = (): void => undefined;
    const both = new Promise<void>((resolve) => (release = resolve));
    const model = RunnableLambda.from(async (messages: BaseMessage[]) => {
      const question = messages.at(-1)?.text ?? "";
      if (question === "fails") throw new Error("the model is away");
      waiting += 1;
      if (waiting === 2) release();
      await both;
      return new AIMessage(`answer to ${question}`);
    });
    const chat = new RunnableWithMessageHistory({ runnable: model, getMessageHistory: () => history });
    const ask = (text: string): Promise<unknown> =>
      chat.invoke([new HumanMessage(text)], { configurable: { sessionId: "s" } });
    await expect(ask("fails")).rejects.toThrow("away");
    await Promise.all([ask("one"), ask("two")]);
    expect(said().slice(2).toSorted()).toEqual(["answer to one", "answer to two", "one", "two"]);
  });

  it("adds messages that a caller adds, and none that was put after the history for the model only", async () => {
    const { client, said } = serviceOf(another(2));
    const history = new ThreadkeepChatMessageHistory({ client, sessionId: "s" });
    const prompt = (await history.getMessages()).concat(new HumanMessage("only for the model"));
    expect(prompt).toHaveLength(3);
    await new Promise((resolve) => setTimeout(resolve, 1));
    await history.addMessages([new HumanMessage("kept"), new AIMessage("answer")]);
    expect(said().slice(2)).toEqual(["kept", "answer"]);
  });
});

describe("LangChain's content blocks", () => {
  const PNG = "iVBORw0KGgo=";
  it.each([
    [
      { type: "image", data: PNG, mimeType: "image/png" },
      { mediaType: "image/png", data: PNG },
    ],
    [
      { type: "image", url: "https://a.test/b.png" },
      { mediaType: "image/*", data: "https://a.test/b.png" },
    ],
    [
      { type: "image", data: new Uint8Array([1, 2]), mimeType: "image/gif" },
      { mediaType: "image/gif", data: "AQI=" },
    ],
    [
      { type: "image", source_type: "base64", data: PNG, mime_type: "image/webp" },
      { mediaType: "image/webp", data: PNG },
    ],
    [
      { type: "image_url", image_url: `data:image/png;base64,${PNG}` },
      { mediaType: "image/png", data: `data:image/png;base64,${PNG}` },
    ],
    [
      { type: "image", source: { type: "base64", media_type: "image/jpeg", data: PNG } },
      { mediaType: "image/jpeg", data: PNG },
    ],
    [
      { type: "audio", data: PNG, mimeType: "audio/wav" },
      { mediaType: "audio/wav", data: PNG },
    ],
    [
      { type: "input_audio", input_audio: { data: PNG, format: "mp3" } },
      { mediaType: "audio/mpeg", data: PNG },
    ],
    [
      { type: "video", url: "https://a.test/b.mp4", mimeType: "video/mp4" },
      { mediaType: "video/mp4", data: "https://a.test/b.mp4" },
    ],
    [
      { type: "file", data: PNG, mimeType: "application/pdf", metadata: { filename: "a.pdf" } },
      { mediaType: "application/pdf", data: PNG, filename: "a.pdf" },
    ],
    [
      { type: "file", file: { file_data: `data:application/pdf;base64,${PNG}`, filename: "b.pdf" } },
      { mediaType: "application/pdf", data: `data:application/pdf;base64,${PNG}`, filename: "b.pdf" },
    ],
    [
      { type: "file", file: { file_id: "file-1" } },
      { mediaType: "application/octet-stream", data: "openai:file-1" },
    ],
  ])("are files for every framework: %j", (block, file) => {
    const stored = toStored(new HumanMessage({ content: [{ type: "text", text: "What is it?" }, block] }));
    expect(newMessageSchema.parse(stored).content).toEqual([
      { type: "text", text: "What is it?" },
      { type: "file", ...file },
    ]);
  });

  it("are also recognized in tool results, and stay as they are if they are not files", () => {
    const shown = new ToolMessage({
      tool_call_id: "c1",
      name: "shot",
      content: [
        { type: "text", text: "A map" },
        { type: "image", data: PNG, mimeType: "image/png" },
        { type: "file", url: "https://a.test/a.pdf", mimeType: "application/pdf" },
      ],
    });
    expect(toStored(shown).content).toEqual([
      {
        type: "tool-result",
        toolCallId: "c1",
        toolName: "shot",
        output: {
          type: "content",
          value: [
            { type: "text", text: "A map" },
            { type: "image-data", data: PNG, mediaType: "image/png" },
            { type: "file-url", url: "https://a.test/a.pdf" },
          ],
        },
      },
    ]);
    const kept = { type: "image", fileId: "file-1" };
    expect(toStored(new HumanMessage({ content: [kept] })).content).toEqual([
      { type: "data-langchain-block", data: kept },
    ]);
  });
});

describe("the other parts of a model's answer, in LangChain", () => {
  const signed = { type: "reasoning", text: "hm", providerOptions: { anthropic: { signature: "SIG" } } };
  const kept = { itemId: "rs_1", reasoningEncryptedContent: "ENC" };
  const ofOpenAi = { type: "reasoning", text: "hm", providerOptions: { openai: kept } };
  const summary = [{ type: "summary_text", text: "hm" }];

  it.each<[string, object[], object]>([
    ["Anthropic's thinking", [{ type: "thinking", thinking: "hm", signature: "SIG" }], signed],
    ["the same in LangChain's form", [{ type: "reasoning", reasoning: "hm", signature: "SIG" }], signed],
    [
      "Anthropic's thinking that nobody may read",
      [{ type: "redacted_thinking", data: "RED" }],
      { type: "reasoning", text: "", providerOptions: { anthropic: { redactedData: "RED" } } },
    ],
    ["OpenAI's reasoning", [{ type: "reasoning", id: "rs_1", summary, encrypted_content: "ENC" }], ofOpenAi],
    [
      "the same in LangChain's form",
      [{ type: "reasoning", reasoning: "hm", id: "rs_1", encrypted_content: "ENC" }],
      ofOpenAi,
    ],
    ["reasoning that nobody has signed", [{ type: "reasoning", reasoning: "hm" }], { type: "reasoning", text: "hm" }],
  ])("is reasoning with what its provider needs: %s", (_, blocks, reasoning) => {
    const content = [...blocks, { type: "text", text: "Yes." }] as AIMessage["content"];
    const stored = toStored(new AIMessage({ content }));
    expect(stored.content).toEqual([reasoning, { type: "text", text: "Yes." }]);
    expect(newMessageSchema.parse(stored)).toMatchObject({ content: [reasoning, {}] });
  });

  it.each<[string, Record<string, unknown>, object]>([
    ["as OpenAI's integration has it", { reasoning: { id: "rs_1", summary, encrypted_content: "ENC" } }, ofOpenAi],
    ["as that of models with open reasoning has it", { reasoning_content: "hm" }, { type: "reasoning", text: "hm" }],
  ])("is reasoning where it stands beside the content, %s", (_, additional_kwargs, reasoning) => {
    const stored = toStored(new AIMessage({ content: "Yes.", additional_kwargs }));
    expect(stored.content).toEqual([reasoning, { type: "text", text: "Yes." }]);
  });

  it("include a call with unreadable input, which the tool's message answers", () => {
    const invalid_tool_calls = [{ id: "c1", name: "find", args: "{bad", error: "no JSON" }];
    expect(toStored(new AIMessage({ content: "", invalid_tool_calls })).content).toEqual([
      { type: "tool-call", toolCallId: "c1", toolName: "find", input: "{bad" },
    ]);
  });

  it("are cut if they are too large for a message, so that a chat can continue", () => {
    const photo = { type: "image", mimeType: "image/png", data: "A".repeat(6_000_000) };
    const stored = toStored(new HumanMessage({ content: [{ type: "text", text: "See:" }, photo] }));
    expect(stored.content).toEqual([
      { type: "text", text: "See:" },
      { type: "text", text: "[file, image/png, 4.5 MB: too large for a message, left out]" },
    ]);
  });

  it("have the role that a message of any role names", () => {
    const roles = ["user", "assistant", "system", "developer", "human"];
    expect(roles.map((role) => toStored(new ChatMessage("x", role)).role)).toEqual([...roles.slice(0, 4), "user"]);
    expect(() => toStored(new ChatMessage("x", "narrator"))).toThrow("cannot be stored");
  });
});
