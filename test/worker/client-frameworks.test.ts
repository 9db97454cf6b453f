import { AIMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { emptyCheckpoint, uuid6 } from "@langchain/langgraph-checkpoint";
import { safeValidateUIMessages, type UIMessage } from "ai";
import { describe, expect, it } from "vitest";
import { threadkeep } from "../../client/src/ai-sdk/memory.ts";
import type { Part, Threadkeep } from "../../client/src/index.ts";
import { ThreadkeepChatMessageHistory } from "../../client/src/langchain/history.ts";
import { ThreadkeepSaver } from "../../client/src/langgraph/saver.ts";
import { ThreadkeepAgentsSession } from "../../client/src/openai-agents/session.ts";
import { aiSdkFaults, anthropicFaults, openaiChatFaults, responsesFaults } from "../support/prompt-validators.ts";
import { workerClient } from "../support/worker-client.ts";

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const DATA_URL = `data:image/png;base64,${PNG}`;
/** The chat of every framework: a question with a photo, which is then rephrased, a tool call, its result and an answer. */
const ASKED = "Where is this?";
const CHANGED = "Which city is this?";
const CALL = { id: "call_1", name: "find_place", input: { photo: "first" } };
const RESULT = "Lisbon, Alfama";
const ANSWER = "It is Lisbon.";
/** How every framework continues it. */
const NEXT = "How warm is it there?";
const NEXT_ANSWER = "It has 21 degrees.";

interface Framework {
  /** The chat, with the question rephrased if the framework can do that. */
  write(client: Threadkeep, sessionId: string): Promise<void>;
  /** Reads the chat, says what is wrong with it, and continues it. */
  goOn(client: Threadkeep, sessionId: string): Promise<string[]>;
}

const chat = (id: string) =>
  [
    {
      id: `${id}-1`,
      role: "user",
      content: [
        { type: "text", text: ASKED },
        { type: "file", mediaType: "image/png", data: PNG },
      ],
    },
    {
      id: `${id}-2`,
      role: "assistant",
      content: [{ type: "tool-call", toolCallId: CALL.id, toolName: CALL.name, input: CALL.input }],
    },
    {
      id: `${id}-3`,
      role: "tool",
      content: [
        { type: "tool-result", toolCallId: CALL.id, toolName: CALL.name, output: { type: "text", value: RESULT } },
      ],
    },
    { id: `${id}-4`, role: "assistant", content: ANSWER },
  ] as const;

/** What LangChain and LangGraph write. */
const langchainChat = (words: string) => [
  new HumanMessage({
    id: "q1",
    content: [
      { type: "text", text: words },
      { type: "image_url", image_url: { url: DATA_URL } },
    ],
  }),
  new AIMessage({ id: "a1", content: "", tool_calls: [{ id: CALL.id, name: CALL.name, args: CALL.input }] }),
  new ToolMessage({ id: "t1", content: RESULT, tool_call_id: CALL.id, name: CALL.name }),
  new AIMessage({ id: "a2", content: ANSWER }),
];

/** Rephrases the question through the session itself. */
async function changeQuestion(client: Threadkeep, sessionId: string): Promise<void> {
  const session = client.session(sessionId);
  const { data } = await session.messages().page();
  const question = data.find(({ role }) => role === "user");
  const content = question?.content;
  if (question === undefined || content === undefined || typeof content === "string") throw new Error("no question");
  const changed = content.map((part) => (part.type === "text" ? { type: "text" as const, text: CHANGED } : part));
  await session.edit(question.id, { content: changed });
}

const FRAMEWORKS: Record<string, Framework> = {
  "the bare client": {
    async write(client, sessionId) {
      const messages = chat("m").map((message) => ({
        ...message,
        content: JSON.parse(JSON.stringify(message.content)),
      }));
      await client.session(sessionId).append(messages);
      await changeQuestion(client, sessionId);
    },
    async goOn(client, sessionId) {
      const session = client.session(sessionId);
      const { context } = await session.append(NEXT, { context: { format: "text" } });
      await session.append({ role: "assistant", content: NEXT_ANSWER });
      return [CHANGED, RESULT, ANSWER, NEXT].filter((words) => !context.text.includes(words));
    },
  },
  "OpenAI's SDK": {
    async write(client, sessionId) {
      const session = client.session(sessionId);
      const format = "openai-chat";
      const content = [
        { type: "text", text: ASKED },
        { type: "image_url", image_url: { url: DATA_URL } },
      ];
      await session.append({ role: "user", content }, { format });
      const called = { name: CALL.name, arguments: JSON.stringify(CALL.input) };
      const tool_calls = [{ id: CALL.id, type: "function", function: called }];
      await session.append(
        { role: "assistant", content: null, refusal: null, tool_calls },
        {
          format,
        },
      );
      await session.append({ role: "tool", tool_call_id: CALL.id, content: RESULT }, { format });
      await session.append({ role: "assistant", content: ANSWER, refusal: null }, { format });
      await changeQuestion(client, sessionId);
    },
    async goOn(client, sessionId) {
      const session = client.session(sessionId);
      const format = "openai-chat";
      const { context } = await session.append(
        { role: "user", content: NEXT },
        {
          format,
          context: { format },
        },
      );
      await session.append({ role: "assistant", content: NEXT_ANSWER }, { format });
      return openaiChatFaults(context.messages);
    },
  },
  "Anthropic's SDK": {
    async write(client, sessionId) {
      const session = client.session(sessionId);
      const format = "anthropic";
      const source = { type: "base64", media_type: "image/png", data: PNG };
      const question = {
        role: "user",
        content: [
          { type: "image", source },
          { type: "text", text: ASKED },
        ],
      };
      const called = { role: "assistant", content: [{ type: "tool_use", ...CALL }] };
      const answered = { role: "user", content: [{ type: "tool_result", tool_use_id: CALL.id, content: RESULT }] };
      for (const message of [
        question,
        called,
        answered,
        { role: "assistant", content: [{ type: "text", text: ANSWER }] },
      ]) {
        await session.append(message, { format });
      }
      await changeQuestion(client, sessionId);
    },
    async goOn(client, sessionId) {
      const session = client.session(sessionId);
      const format = "anthropic";
      const { context } = await session.append(
        { role: "user", content: NEXT },
        {
          format,
          context: { format },
        },
      );
      await session.append({ role: "assistant", content: NEXT_ANSWER }, { format });
      return anthropicFaults(context);
    },
  },
  "the AI SDK": {
    async write(client, sessionId) {
      const question = (text: string): UIMessage => ({
        id: "q1",
        role: "user",
        parts: [
          { type: "text", text },
          { type: "file", mediaType: "image/png", url: DATA_URL },
        ],
      });
      for (const words of [ASKED, CHANGED]) {
        const memory = threadkeep({ client, sessionId });
        await memory.prepare([question(words)]);
        const { id: toolCallId, name: toolName, input } = CALL;
        await memory.onFinish({
          finishReason: "stop",
          responseMessages: [
            { role: "assistant", content: [{ type: "tool-call", toolCallId, toolName, input }] },
            {
              role: "tool",
              content: [{ type: "tool-result", toolCallId, toolName, output: { type: "text", value: RESULT } }],
            },
            { role: "assistant", content: [{ type: "text", text: ANSWER }] },
          ],
        });
      }
    },
    async goOn(client, sessionId) {
      const memory = threadkeep({ client, sessionId });
      const shown = await memory.history();
      const before = (await client.session(sessionId).state()).lastSeq;
      const checked = await safeValidateUIMessages({ messages: shown });
      const asked: UIMessage = { id: "next", role: "user", parts: [{ type: "text", text: NEXT }] };
      const prepared = await memory.prepare([...shown, asked]);
      const added = (await client.session(sessionId).state()).lastSeq - before;
      await memory.onFinish({ finishReason: "stop", responseMessages: [{ role: "assistant", content: NEXT_ANSWER }] });
      const tools = shown.flatMap(({ parts }) => parts.filter((part) => "toolCallId" in part));
      return [
        ...(checked.success ? [] : [checked.error.message]),
        ...(added === 1 ? [] : [`a page that sends what it was shown adds ${added} messages`]),
        ...(tools.length === 1 ? [] : [`${tools.length} tools are shown`]),
        ...tools.flatMap((part) => ("output" in part ? [] : [`the call is shown as ${JSON.stringify(part)}`])),
        ...aiSdkFaults({ messages: JSON.parse(JSON.stringify(prepared.messages)) }),
      ];
    },
  },
  LangChain: {
    async write(client, sessionId) {
      await new ThreadkeepChatMessageHistory({ client, sessionId }).addMessages(langchainChat(ASKED));
      await changeQuestion(client, sessionId);
    },
    async goOn(client, sessionId) {
      const history = new ThreadkeepChatMessageHistory({ client, sessionId });
      const messages = await history.getMessages();
      await history.addMessages([new HumanMessage(NEXT), new AIMessage(NEXT_ANSWER)]);
      const text = JSON.stringify(messages);
      return [CHANGED, RESULT, ANSWER, PNG, CALL.id].filter((words) => !text.includes(words));
    },
  },
  LangGraph: {
    async write(client, sessionId) {
      const saver = new ThreadkeepSaver({ client, turns: "messages" });
      let config: object = { configurable: { thread_id: sessionId, checkpoint_ns: "" } };
      for (const [at, words] of [ASKED, CHANGED].entries()) {
        const versions = { messages: at + 1 };
        const values = { messages: langchainChat(words) };
        const checkpoint = { ...emptyCheckpoint(), id: uuid6(at), channel_values: values, channel_versions: versions };
        config = await saver.put(config, checkpoint, { source: "loop", step: at, parents: {} }, versions);
      }
    },
    async goOn(client, sessionId) {
      const saver = new ThreadkeepSaver({ client, turns: "messages" });
      const values = {
        messages: [new HumanMessage({ id: "q2", content: NEXT }), new AIMessage({ id: "a3", content: NEXT_ANSWER })],
      };
      const checkpoint = { ...emptyCheckpoint(), channel_values: values, channel_versions: { messages: 9 } };
      const config = { configurable: { thread_id: sessionId, checkpoint_ns: "" } };
      // A graph whose state begins here: its first checkpoint has no parent.
      const metadata = { source: "input", step: -1, parents: {} } as const;
      const known = await saver.getTuple(config);
      await saver.put(known?.config ?? config, checkpoint, metadata, { messages: 9 });
      return [];
    },
  },
  "the OpenAI Agents SDK": {
    async write(client, sessionId) {
      const session = new ThreadkeepAgentsSession({ client, sessionId });
      const question = (text: string) =>
        ({
          role: "user",
          content: [
            { type: "input_text", text },
            { type: "input_image", image: DATA_URL },
          ],
        }) as const;
      const { id: callId, name } = CALL;
      await session.addItems([{ ...question(ASKED), content: [...question(ASKED).content] }]);
      await session.applyHistoryTransaction({
        operationId: "other words",
        transaction: {
          type: "replace_suffix",
          expectedSuffix: [{ ...question(ASKED), content: [...question(ASKED).content] }],
          replacement: [{ ...question(CHANGED), content: [...question(CHANGED).content] }],
        },
      });
      await session.addItems([
        { type: "function_call", callId, name, arguments: JSON.stringify(CALL.input), id: "fc_1" },
        { type: "function_call_result", callId, name, status: "completed", output: RESULT },
        { role: "assistant", status: "completed", id: "msg_1", content: [{ type: "output_text", text: ANSWER }] },
      ]);
    },
    async goOn(client, sessionId) {
      const session = new ThreadkeepAgentsSession({ client, sessionId });
      const items = await session.getItems();
      await session.addItems([
        { type: "message", role: "user", content: NEXT },
        {
          type: "message",
          role: "assistant",
          status: "completed",
          content: [{ type: "output_text", text: NEXT_ANSWER }],
        },
      ]);
      const text = JSON.stringify(items);
      const types = items.map(({ type }) => type ?? "message").join();
      return [
        ...[CHANGED, RESULT, ANSWER, PNG].filter((words) => !text.includes(words)),
        ...(types === "message,function_call,function_call_result,message" ? [] : [types]),
      ];
    },
  },
};

const PAIRS = Object.keys(FRAMEWORKS).flatMap((writer) => Object.keys(FRAMEWORKS).map((reader) => [writer, reader]));

describe("one log for every framework", () => {
  it.each(PAIRS)(
    "is written by %s, read and continued by %s, and every prompt is valid",
    async (writer = "", reader = "") => {
      const client = workerClient();
      await FRAMEWORKS[writer]?.write(client, "s");
      const session = client.session("s");
      for (const isOver of [false, true]) {
        if (isOver) expect(await FRAMEWORKS[reader]?.goOn(client, "s")).toEqual([]);
        const openai = await session.context({ format: "openai-chat" });
        const responses = await session.context({ format: "openai-responses" });
        const anthropic = await session.context({ format: "anthropic" });
        const aiSdk = await session.context({ format: "ai-sdk" });
        expect(openaiChatFaults(openai.messages)).toEqual([]);
        expect(responsesFaults(responses.input)).toEqual([]);
        expect(anthropicFaults(anthropic)).toEqual([]);
        expect(aiSdkFaults(aiSdk)).toEqual([]);
        for (const prompt of [openai.messages, responses.input, anthropic.messages, aiSdk.messages]) {
          const text = JSON.stringify(prompt);
          const wanted = [CHANGED, PNG, CALL.name, RESULT, ANSWER, ...(isOver ? [NEXT, NEXT_ANSWER] : [])];
          expect(wanted.filter((words) => !text.includes(words))).toEqual([]);
          expect(text).not.toContain(ASKED);
          // Each is said once.
          expect(text.split(ANSWER)).toHaveLength(2);
        }
      }
    },
  );
});

describe("an agent of the OpenAI Agents SDK on another framework's chat", () => {
  it("gets no result without its call, which its provider would refuse in every later run", async () => {
    const client = workerClient();
    const [question, , result, answer] = chat("m");
    const messages = [question, result, answer].map((one) => ({
      ...one,
      content: JSON.parse(JSON.stringify(one.content)),
    }));
    await client.session("s").append(messages);
    const items = await new ThreadkeepAgentsSession({ client, sessionId: "s" }).getItems();
    expect(items.map(({ type }) => type ?? "message")).toEqual(["message", "message"]);
  });
});

describe("a page of the AI SDK on another framework's chat", () => {
  const answer = { finishReason: "stop", responseMessages: [{ role: "assistant", content: "In the south." }] } as const;
  const said = async (client: Threadkeep): Promise<unknown[]> => {
    const { messages } = await client.session("s").context({ format: "openai-chat" });
    expect(openaiChatFaults(messages)).toEqual([]);
    return messages.map(({ role, content }) => [role, typeof content === "string" ? content : null]);
  };
  const opening = [
    ["user", null],
    ["assistant", null],
    ["tool", RESULT],
  ];

  it("shows the answer after a tool's result, where that framework stopped", async () => {
    const client = workerClient();
    const messages = chat("m").slice(0, 3);
    await client.session("s").append(messages.map((one) => ({ ...one, content: [...one.content] as Part[] })));
    const memory = threadkeep({ client, sessionId: "s" });
    await memory.prepare(await memory.history());
    await memory.onFinish(answer);
    expect(await said(client)).toEqual([...opening, ["assistant", "In the south."]]);
  });

  it("gets the last answer regenerated, after the tool's result that it is based on", async () => {
    const client = workerClient();
    await FRAMEWORKS["OpenAI's SDK"]?.write(client, "s");
    const memory = threadkeep({ client, sessionId: "s" });
    // As `regenerate` sends it: without the last answer.
    await memory.prepare((await memory.history()).slice(0, -1));
    await memory.onFinish(answer);
    expect(await said(client)).toEqual([...opening, ["assistant", "In the south."]]);
  });
});
