// LangGraph's checkpointer in PostgreSQL, with a graph whose state is the messages.
import { AIMessage, type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import type { Turn } from "../talk.ts";
import type { OpenedPeer, Surroundings } from "./peer.ts";
import { sizeOfDatabase } from "./sizes.ts";

export function toLangChain({ role, content }: Turn): BaseMessage {
  return role === "user" ? new HumanMessage(content) : new AIMessage(content);
}

export async function openLangGraph({ makeDatabase }: Surroundings): Promise<OpenedPeer> {
  const url = await makeDatabase("langgraph");
  const checkpointer = PostgresSaver.fromConnString(url);
  await checkpointer.setup();
  const graph = new StateGraph(MessagesAnnotation)
    .addNode("said", () => ({}))
    .addEdge(START, "said")
    .compile({ checkpointer });
  return {
    peer: {
      name: "LangGraph PostgresSaver",
      where: "Node, over loopback",
      gives: "all messages: the state has no window",
      keeps: "all (fsync)",
      async converse(id) {
        const config = { configurable: { thread_id: id } };
        const add = (turns: readonly Turn[]): Promise<unknown> =>
          graph.updateState(config, { messages: turns.map(toLangChain) }, "said");
        return {
          fill: async (turns) => void (await add(turns)),
          append: async (turn) => void (await add([turn])),
          async next() {
            const { values } = await graph.getState(config);
            return (values as { messages: unknown[] }).messages.length;
          },
          size: () => sizeOfDatabase(url),
        };
      },
      close: () => checkpointer.end(),
    },
  };
}
