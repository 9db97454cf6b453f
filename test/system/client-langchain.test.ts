import { AIMessage, type BaseMessage, HumanMessage, RemoveMessage, ToolMessage } from "@langchain/core/messages";
import { ChatPromptTemplate, MessagesPlaceholder } from "@langchain/core/prompts";
import { RunnableLambda, RunnableWithMessageHistory } from "@langchain/core/runnables";
import { FakeListChatModel } from "@langchain/core/utils/testing";
import { describe, expect, it } from "vitest";
import { createClient } from "../../client/src/index.ts";
import { ThreadkeepChatMessageHistory } from "../../client/src/langchain/history.ts";
import { NO_RESULT } from "../../src/prompt/formats/turns.ts";
import { sharedService } from "../support/service.ts";

const service = sharedService();
// Names as identity providers have them: none of them can be sent in a header as it is.
const USER = "auth0|Jürgen Müller/1@example.com";
const client = createClient({ url: service.url, key: service.apiKey, user: USER });
const newId = (): string => `langchain-${crypto.randomUUID()}`;
const historyOf = (sessionId: string) => new ThreadkeepChatMessageHistory({ client, sessionId });
const said = (messages: readonly BaseMessage[]): [string, unknown][] =>
  messages.map(({ type, content }) => [type, content]);

describe("the history of LangChain", () => {
  it("passes the turns of one chain run to the next", async () => {
    const seen: [string, unknown][][] = [];
    const model = new FakeListChatModel({ responses: ["Yes, it is.", "By train."] });
    const chain = ChatPromptTemplate.fromMessages([
      ["system", "Be brief."],
      new MessagesPlaceholder("history"),
      ["human", "{question}"],
    ])
      .pipe((prompt) => {
        seen.push(said(prompt.toChatMessages()));
        return prompt;
      })
      .pipe(model);
    const chat = new RunnableWithMessageHistory({
      runnable: chain,
      getMessageHistory: historyOf,
      inputMessagesKey: "question",
      historyMessagesKey: "history",
    });
    const config = { configurable: { sessionId: newId() } };
    await chat.invoke({ question: "Is Baixa flat?" }, config);
    await chat.invoke({ question: "How do I get there?" }, config);
    expect(seen[1]).toEqual([
      ["system", "Be brief."],
      ["human", "Is Baixa flat?"],
      ["ai", "Yes, it is."],
      ["human", "How do I get there?"],
    ]);
  });

  it("doubles nothing that was said if a summary is stored while the model answers", async () => {
    const sessionId = newId();
    const history = historyOf(sessionId);
    const turns = Array.from({ length: 20 }, (_, index) => `Turn ${index} about tram ${index}.`);
    await history.addMessages(turns.map((text) => new HumanMessage(text)));
    const model = RunnableLambda.from(async () => {
      const { summary } = await client.session(sessionId).summarize({ keepRecentTokens: 100, waitMs: 10_000 });
      expect(summary).not.toBeNull();
      return new AIMessage("By train.");
    });
    const chat = new RunnableWithMessageHistory({ runnable: model, getMessageHistory: () => history });
    await chat.invoke([new HumanMessage("How do I get there?")], { configurable: { sessionId } });
    const log: unknown[] = [];
    for await (const { content } of client.session(sessionId).messages()) log.push(content);
    expect(log).toEqual([...turns, "How do I get there?", "By train."]);
  });

  it("keeps tool calls and results together, and returns neither without the other", async () => {
    const history = historyOf(newId());
    const call = { id: "c1", name: "weather", args: { city: "Lisbon" }, type: "tool_call" as const };
    await history.addMessages([
      new HumanMessage("How warm is Lisbon?"),
      new AIMessage({ content: "I look.", tool_calls: [call] }),
      new ToolMessage({ content: "21 degrees", tool_call_id: "c1", name: "weather" }),
      new AIMessage({ content: "", tool_calls: [{ ...call, id: "c2" }] }),
    ]);
    const messages = await history.getMessages();
    expect(said(messages).slice(0, 3)).toEqual([
      ["human", "How warm is Lisbon?"],
      ["ai", "I look."],
      ["tool", "21 degrees"],
    ]);
    expect(messages[1]).toMatchObject({ tool_calls: [{ id: "c1", name: "weather", args: { city: "Lisbon" } }] });
    const called = messages.flatMap((message) => (message instanceof AIMessage ? (message.tool_calls ?? []) : []));
    const answered = messages.flatMap((message) => (message instanceof ToolMessage ? [message.tool_call_id] : []));
    expect(called.map(({ id }) => id)).toEqual(answered);
    expect(called).toHaveLength(2);
    expect(messages.at(-1)?.text).toBe(NO_RESULT);
  });

  it("appends a message with the same id once, and names its author", async () => {
    const history = historyOf(newId());
    const message = new HumanMessage({ id: "run/1", content: [{ type: "text", text: "Hello" }], name: "Ana" });
    await history.addMessages([message]);
    await history.addMessage(message);
    expect(said(await history.getMessages())).toEqual([["human", "Hello"]]);
    expect((await history.getMessages())[0]?.name).toBe("Ana");
  });

  it("stores a long history at once, and is empty before the first message and after it is cleared", async () => {
    const history = historyOf(newId());
    expect(await history.getMessages()).toEqual([]);
    await history.clear();
    const turns = Array.from({ length: 250 }, (_, index) => `Turn ${index}`);
    await history.addMessages(turns.map((text) => new HumanMessage(text)));
    expect(said(await history.getMessages())).toEqual(turns.map((text) => ["human", text]));
    await history.clear();
    expect(await history.getMessages()).toEqual([]);
  });

  it("refuses messages of unknown roles", async () => {
    const refused = historyOf(newId()).addMessage(new RemoveMessage({ id: "m" }));
    await expect(refused).rejects.toMatchObject({ code: "invalid_argument" });
  });
});
