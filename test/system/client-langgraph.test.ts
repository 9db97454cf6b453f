import { AIMessage, type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { Command, END, interrupt, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { createClient } from "../../client/src/index.ts";
import { ThreadkeepSaver } from "../../client/src/langgraph/saver.ts";
import { storedId } from "../../client/src/stored-id.ts";
import { anthropicFaults, openaiChatFaults } from "../support/prompt-validators.ts";
import { sharedService } from "../support/service.ts";

const service = sharedService();
const client = createClient({ url: service.url, key: service.apiKey, user: `langgraph-${crypto.randomUUID()}` });
const newSaver = () => new ThreadkeepSaver({ client, turns: "messages" });
const newConfig = () => ({ configurable: { thread_id: `thread/${crypto.randomUUID()}` } });

/** A model that looks up the weather once in each turn, after the user's approval if required. */
function weatherGraph(checkpointer: ThreadkeepSaver, asksFirst = false) {
  return new StateGraph(MessagesAnnotation)
    .addNode("model", ({ messages }) => {
      const last = messages.at(-1);
      if (last instanceof ToolMessage) return { messages: [new AIMessage(`It has ${last.text}.`)] };
      const call = { id: `call-${messages.length}`, name: "weather", args: { city: last?.text ?? "" } };
      return { messages: [new AIMessage({ content: "I look.", tool_calls: [call] })] };
    })
    .addNode("tools", ({ messages }) => {
      const leave: unknown = asksFirst ? interrupt("May I?") : "yes";
      const called = messages.at(-1);
      const id = called instanceof AIMessage ? (called.tool_calls?.[0]?.id ?? "") : "";
      const content = leave === "yes" ? "21 degrees" : "nothing";
      return { messages: [new ToolMessage({ content, tool_call_id: id, name: "weather" })] };
    })
    .addEdge(START, "model")
    .addConditionalEdges("model", ({ messages }) => {
      const last = messages.at(-1);
      return last instanceof AIMessage && (last.tool_calls?.length ?? 0) > 0 ? "tools" : END;
    })
    .addEdge("tools", "model")
    .compile({ checkpointer });
}

const ROLES = ["user", "assistant", "tool", "assistant"];
const idOf = ({ configurable }: ReturnType<typeof newConfig>): string => storedId(configurable.thread_id);
const said = (messages: readonly BaseMessage[]) => messages.map(({ type, text }) => [type, text]);
const LISBON = [
  ["human", "Lisbon"],
  ["ai", "I look."],
  ["tool", "21 degrees"],
  ["ai", "It has 21 degrees."],
];

describe("a graph of LangGraph", () => {
  it("continues in another process, and its messages are turns of the thread's session", async () => {
    const config = newConfig();
    const session = client.session(idOf(config));
    await weatherGraph(newSaver()).invoke({ messages: [new HumanMessage("Lisbon")] }, config);
    const { messages } = await weatherGraph(newSaver()).invoke({ messages: [new HumanMessage("Porto")] }, config);
    expect(said(messages).slice(0, 5)).toEqual([...LISBON, ["human", "Porto"]]);
    const { data } = await session.messages().page();
    expect(data.map(({ role }) => role)).toEqual([...ROLES, ...ROLES]);
    expect(openaiChatFaults((await session.context({ format: "openai-chat" })).messages)).toEqual([]);
    expect(anthropicFaults(await session.context({ format: "anthropic" }))).toEqual([]);
    const { summary } = await session.summarize({ keepRecentTokens: 100, waitMs: 10_000 });
    expect(summary?.items.map(({ text }) => text).join()).toContain("21 degrees");
  });

  it("waits for the user, and continues from there in another process", async () => {
    const config = newConfig();
    await weatherGraph(newSaver(), true).invoke({ messages: [new HumanMessage("Lisbon")] }, config);
    const waiting = await weatherGraph(newSaver(), true).getState(config);
    expect(waiting.tasks.flatMap(({ interrupts }) => interrupts.map(({ value }) => value))).toEqual(["May I?"]);
    const { messages } = await weatherGraph(newSaver(), true).invoke(new Command({ resume: "yes" }), config);
    expect(said(messages)).toEqual(LISBON);
  });

  it("continues from an earlier checkpoint, on another branch of the session", async () => {
    const config = newConfig();
    const graph = weatherGraph(newSaver());
    await graph.invoke({ messages: [new HumanMessage("Lisbon")] }, config);
    await graph.invoke({ messages: [new HumanMessage("Porto")] }, config);
    const history = [];
    for await (const state of graph.getStateHistory(config)) history.push(state);
    const afterLisbon = history.find(({ values, next }) => values.messages.length === 4 && next.length === 0);
    const forked = await graph.invoke({ messages: [new HumanMessage("Faro")] }, { ...afterLisbon?.config });
    expect(said(forked.messages).slice(0, 5)).toEqual([...LISBON, ["human", "Faro"]]);
    const session = client.session(idOf(config));
    const { messages } = await session.context({ format: "openai-chat" });
    expect(openaiChatFaults(messages)).toEqual([]);
    expect(messages.flatMap(({ role, content }) => (role === "user" ? [content] : []))).toEqual(["Lisbon", "Faro"]);
    const { data } = await session.messages({ limit: 100 }).page();
    expect(data.some(({ content, offBranch }) => content === "Porto" && offBranch === true)).toBe(true);
  });

  it("edits the turn of a message that the graph changes, and keeps turns that the graph removes from its state", async () => {
    const config = newConfig();
    const saver = newSaver();
    const graph = weatherGraph(saver);
    await graph.invoke({ messages: [new HumanMessage({ id: "q1", content: "Lisbon" })] }, config);
    await graph.updateState(config, { messages: [new HumanMessage({ id: "q1", content: "Lisbon, please" })] });
    const session = client.session(idOf(config));
    expect((await session.message("q1")).content).toBe("Lisbon, please");
    await saver.deleteThread(config.configurable.thread_id);
    expect((await graph.getState(config)).values).toEqual({});
    await expect(session.state()).rejects.toMatchObject({ code: "session_not_found" });
  });
});
