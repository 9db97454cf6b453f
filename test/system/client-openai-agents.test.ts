import {
  Agent,
  type AgentInputItem,
  MemorySession,
  type Model,
  type ModelRequest,
  type ModelResponse,
  Runner,
  tool,
  Usage,
} from "@openai/agents-core";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createClient } from "../../client/src/index.ts";
import { ThreadkeepAgentsSession } from "../../client/src/openai-agents/session.ts";
import { AGENT_ITEMS } from "../support/agent-items.ts";
import { anthropicFaults, aiSdkFaults, openaiChatFaults, responsesFaults } from "../support/prompt-validators.ts";
import { sharedService } from "../support/service.ts";

const service = sharedService();
const client = createClient({ url: service.url, key: service.apiKey, user: "auth0|Jürgen Müller/1@example.com" });
const newSession = () => new ThreadkeepAgentsSession({ client, sessionId: `agents-${crypto.randomUUID()}` });
/** A budget in which nothing is cut or summarized. */
async function roomySession(): Promise<ThreadkeepAgentsSession> {
  const settings = { maxTokens: 200_000, summarizeAfterTokens: 150_000 };
  const { id } = await client.create({ settings });
  return new ThreadkeepAgentsSession({ client, sessionId: id });
}
const logOf = async (session: ThreadkeepAgentsSession) => client.session(await session.getSessionId());

const asked = (content: string): AgentInputItem => ({ type: "message", role: "user", content });
const said = (text: string, id = "msg"): AgentInputItem => ({
  type: "message",
  role: "assistant",
  status: "completed",
  id,
  content: [{ type: "output_text", text }],
});
const called = (callId: string, city = "Lisbon"): AgentInputItem => ({
  type: "function_call",
  callId,
  name: "weather",
  status: "completed",
  arguments: JSON.stringify({ city }),
});
const answered = (callId: string): AgentInputItem => ({
  type: "function_call_result",
  callId,
  name: "weather",
  status: "completed",
  output: "21 degrees",
});

/** A model of the real framework that says what a test wrote for it, and records its input. */
class ScriptedModel implements Model {
  readonly requests: ModelRequest[] = [];
  readonly #script: ModelResponse["output"][];

  constructor(...script: ModelResponse["output"][]) {
    this.#script = script;
  }

  async getResponse(request: ModelRequest): Promise<ModelResponse> {
    const { signal: _signal, ...sent } = request;
    this.requests.push(structuredClone(sent));
    return { usage: new Usage(), output: this.#script[this.requests.length - 1] ?? [], responseId: "resp" };
  }

  // oxlint-disable-next-line require-yield -- the runner asks for whole answers
  async *getStreamedResponse(): AsyncGenerator<never> {
    throw new Error("no stream is scripted");
  }
}

const output = (...items: AgentInputItem[]): ModelResponse["output"] =>
  items.flatMap((item) =>
    "role" in item && item.role !== "assistant" ? [] : [item as ModelResponse["output"][number]],
  );

const runner = new Runner({ tracingDisabled: true });
const weather = (needsApproval = false) =>
  tool({
    name: "weather",
    description: "How warm it is",
    parameters: z.object({ city: z.string() }),
    needsApproval,
    execute: async () => "21 degrees",
  });

describe("a session of the OpenAI Agents SDK", () => {
  it("passes runs with tools to the next run, and leaves a log from which every format makes a valid prompt", async () => {
    const session = newSession();
    const model = new ScriptedModel(
      output(
        { type: "reasoning", id: "rs_1", content: [], providerData: { encryptedContent: "opaque" } },
        called("c1"),
        called("c2", "Porto"),
      ),
      output(said("Both have 21 degrees.", "msg_1")),
      output(said("Yes.", "msg_2")),
    );
    const agent = new Agent({ name: "Guide", model, tools: [weather()] });
    const first = await runner.run(agent, "How warm are Lisbon and Porto?", { session });
    expect(first.finalOutput).toBe("Both have 21 degrees.");
    await runner.run(agent, "Is that warm?", { session });
    const items = await session.getItems();
    expect(items.map(({ type }) => type)).toEqual([
      "message",
      "reasoning",
      "function_call",
      "function_call",
      "function_call_result",
      "function_call_result",
      "message",
      "message",
      "message",
    ]);
    // In the second run the model received the history and the question.
    expect(model.requests[2]?.input).toEqual(items.slice(0, -1));
    const log = await logOf(session);
    const { data } = await log.messages().page();
    expect(data.map(({ role }) => role)).toEqual(["user", "assistant", "user", "assistant"]);
    const { messages, ...rest } = await log.context({ format: "anthropic" });
    expect(anthropicFaults({ messages, ...rest })).toEqual([]);
    expect(JSON.stringify(messages)).toContain('"tool_use_id":"c2"');
  });

  it("behaves like the SDK's own session, item for item", async () => {
    const [own, session] = [new MemorySession(), await roomySession()];
    const both = async (act: (one: ThreadkeepAgentsSession | MemorySession) => Promise<unknown>): Promise<void> => {
      const [expected, got] = [await act(own), await act(session)];
      expect(got).toEqual(expected);
      expect(await session.getItems()).toEqual(await own.getItems());
    };
    await both((one) => one.getItems());
    await both((one) => one.popItem());
    await both((one) => one.addItems([]));
    await both((one) => one.addItems([asked("Hello"), said("Hi.", "msg_1"), said("How are you?", "msg_2")]));
    for (const limit of [0, 1, 2, 3, 99]) await both((one) => one.getItems(limit));
    await both((one) => one.popItem());
    await both((one) => one.addItems([asked("Weather?"), called("c1"), called("c2"), answered("c1"), answered("c2")]));
    const mutation = {
      type: "replace_function_call",
      callId: "c1",
      replacement: { type: "function_call", callId: "c1", name: "weather", arguments: '{"city":"Faro"}' },
    } as const;
    await both((one) => one.applyHistoryMutations({ mutations: [mutation] }));
    await both((one) => one.popItem());
    await both((one) => one.popItem());
    await both((one) => one.addItems(AGENT_ITEMS.filter(({ type }) => type !== "compaction")));
    await both((one) => one.clearSession());
    await both((one) => one.addItems([asked("Again")]));
  });

  it("applies a transaction once, as a whole or not at all, like the SDK's own session", async () => {
    const [own, session] = [new MemorySession(), newSession()];
    const both = async (operationId: string, transaction: Transaction): Promise<void> => {
      const outcomes = await Promise.allSettled(
        [own, session].map((one) => one.applyHistoryTransaction({ operationId, transaction })),
      );
      expect(outcomes[1]?.status).toBe(outcomes[0]?.status);
      expect(await session.getItems()).toEqual(await own.getItems());
    };
    const run = [called("c1"), answered("c1"), said("Warm.", "msg_1")];
    await both("op 1", { type: "append_items", items: [asked("Weather?"), ...run] });
    await both("op 1", { type: "append_items", items: [asked("Weather?"), ...run] });
    await both("op 1", { type: "append_items", items: [asked("Weather?")] });
    await both("op 2", { type: "append_items", items: [] });
    await both("op 2", { type: "append_items", items: [asked("No")] });
    await both("op 3", { type: "replace_suffix", expectedSuffix: [said("Cold.", "msg_1")], replacement: [] });
    await both("op 4", {
      type: "replace_suffix",
      expectedSuffix: [said("Warm.", "msg_1")],
      replacement: [said("Mild.")],
    });
    await both("op 4", {
      type: "replace_suffix",
      expectedSuffix: [said("Warm.", "msg_1")],
      replacement: [said("Mild.")],
    });
    await both("op 5", { type: "replace_suffix", expectedSuffix: [answered("c1"), said("Mild.")], replacement: [] });
    await both("op 6", { type: "replace_suffix", expectedSuffix: [], replacement: [answered("c1")] });
    await both("op 7", {
      type: "replace_suffix",
      expectedSuffix: [asked("Weather?"), called("c1"), answered("c1")],
      replacement: [],
    });
    await both("op 8", { type: "replace_suffix", expectedSuffix: [asked("Weather?")], replacement: [] });
    await both(" ", { type: "append_items", items: [asked("No")] });
    // The replaced items can still be read, off the branch.
    const log = await logOf(session);
    const { data } = await log.messages({ limit: 100 }).page();
    expect(JSON.stringify(data)).toContain("Warm.");
  });

  it("continues after an approval, in a run that was stored elsewhere meanwhile", async () => {
    const session = newSession();
    const model = new ScriptedModel(output(called("c1")), output(said("21 degrees.", "msg_1")));
    const agent = new Agent({ name: "Guide", model, tools: [weather(true)] });
    const waiting = await runner.run(agent, "How warm is Lisbon?", { session });
    expect(waiting.interruptions).toHaveLength(1);
    const [interruption] = waiting.interruptions;
    if (interruption !== undefined) waiting.state.approve(interruption);
    const { finalOutput } = await runner.run(agent, waiting.state, { session });
    expect(finalOutput).toBe("21 degrees.");
    expect((await session.getItems()).map(({ type }) => type)).toEqual([
      "message",
      "function_call",
      "function_call_result",
      "message",
    ]);
  });

  it("begins with the summary once there is one, and returns the whole log if that many items are requested", async () => {
    const session = newSession();
    const turns = Array.from({ length: 20 }, (_, at) => [
      asked(`I live in house number ${at}.`),
      said(`Noted ${at}.`, `msg_${at}`),
    ]);
    await session.addItems([...turns.flat(), called("c1"), answered("c1")]);
    const log = await logOf(session);
    const { summary } = await log.summarize({ keepRecentTokens: 100, waitMs: 10_000 });
    expect(summary).not.toBeNull();
    const items = await session.getItems();
    expect(items[0]).toMatchObject({ role: "user", content: expect.stringMatching(/^<conversation_summary>\n/) });
    expect(items.length).toBeLessThan(30);
    expect(items.slice(-2)).toEqual([called("c1"), answered("c1")]);
    expect(await session.getItems(42)).toEqual([...turns.flat(), called("c1"), answered("c1")]);
    expect(await session.runCompaction({ force: true })).toBeNull();
    expect(await session.runCompaction()).toBeNull();
    expect(await newSession().runCompaction({ force: true })).toBeNull();
  });

  it("continues from the SDK's own compaction, while the log and other formats still have everything", async () => {
    const session = newSession();
    await session.addItems([asked("I live in Lisbon."), said("Noted.")]);
    const compaction: AgentInputItem = { type: "compaction", encrypted_content: "opaque" };
    await session.replaceHistoryWithCompaction([compaction, said("Noted.")]);
    expect(await session.getItems()).toEqual([compaction, said("Noted.")]);
    await session.addItems([asked("And now?")]);
    expect(await session.getItems()).toEqual([compaction, said("Noted."), asked("And now?")]);
    expect(await session.getItems(2)).toEqual([said("Noted."), asked("And now?")]);
    await session.applyHistoryTransaction({
      operationId: "op",
      transaction: {
        type: "replace_suffix",
        expectedSuffix: [said("Noted."), asked("And now?")],
        replacement: [asked("Hm")],
      },
    });
    expect(await session.getItems()).toEqual([compaction, asked("Hm")]);
    const { messages } = await (await logOf(session)).context({ format: "openai-chat" });
    expect(messages.map(({ content }) => content)).toEqual(["I live in Lisbon.", "Noted.", "Hm"]);
  });

  it("gives every format a valid prompt of every kind of item, and items of whatever every format may contain", async () => {
    const session = await roomySession();
    await session.addItems(AGENT_ITEMS);
    const log = await logOf(session);
    await log.append({ role: "user", content: "And now?" });
    const faults = [
      openaiChatFaults((await log.context({ format: "openai-chat" })).messages),
      responsesFaults((await log.context({ format: "openai-responses" })).input),
      anthropicFaults(await log.context({ format: "anthropic" })),
      aiSdkFaults(await log.context({ format: "ai-sdk" })),
    ];
    expect(faults).toEqual([[], [], [], []]);
    expect(await session.getItems()).toEqual([...AGENT_ITEMS, asked("And now?")]);
  });
});

type Transaction = Parameters<MemorySession["applyHistoryTransaction"]>[0]["transaction"];
