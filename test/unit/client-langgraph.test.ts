import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { expect, it } from "vitest";
import { ThreadkeepSaver } from "../../client/src/langgraph/saver.ts";
import { memoryService } from "../support/memory-service.ts";

const chatGraph = (checkpointer: ThreadkeepSaver) =>
  new StateGraph(MessagesAnnotation)
    .addNode("model", () => ({ messages: [new AIMessage("It is warm in Lisbon today. ".repeat(10))] }))
    .addEdge(START, "model")
    .compile({ checkpointer });

it("sends as much for turn 200 of a graph's chat as for turn 5, turns for other frameworks included", async () => {
  const { client, sentBytes } = memoryService();
  const graph = chatGraph(new ThreadkeepSaver({ client, turns: "messages" }));
  const answer = "It is warm in Lisbon today. ".repeat(10);
  const asked = (turn: number) => new HumanMessage(`Question ${1_000 + turn}: how warm is it?`);
  /** What the last of so many turns sends; those before the last five were there at once. */
  const bytesOfTurn = async (count: number): Promise<number> => {
    const config = { configurable: { thread_id: `${1_000 + count}` } };
    const turns = Array.from({ length: count - 5 }, (_, at) => [asked(at), new AIMessage(answer)]);
    if (turns.length > 0) await graph.updateState(config, { messages: turns.flat() });
    let before = 0;
    for (let turn = turns.length + 1; turn <= count; turn += 1) {
      before = sentBytes();
      await graph.invoke({ messages: [asked(turn)] }, config);
    }
    const bytes = sentBytes() - before;
    const { values } = await graph.getState(config);
    expect(values.messages).toHaveLength(2 * count);
    // Another process, that reads all of it anew, has the same.
    expect((await chatGraph(new ThreadkeepSaver({ client })).getState(config)).values).toEqual(values);
    return bytes;
  };
  const [early, late] = [await bytesOfTurn(5), await bytesOfTurn(200)];
  expect(late).toBeLessThan(early * 1.05);
  // A state of turn 200 has 400 messages.
  expect(late).toBeLessThan(10_000);
});
