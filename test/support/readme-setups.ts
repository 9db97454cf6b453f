/**
 * What the reader of client/README.md has in addition to each block, as the comment before the block declares it, and what the reader types
 * next. `THREADKEEP_URL` is the service, `MODEL_URL` a scripted provider's address. It is apart from the test that
 * runs the blocks because whoever changes client/README.md changes this table alone.
 */
export interface BlockSetup {
  /** Of the section that the block stands in. */
  readonly heading: string;
  /** A module whose `given()` makes what the block needs. */
  readonly given: string;
  /** Follows the block, in its scope. */
  readonly next?: string;
}

const CLIENT = `
import { createClient } from "threadkeep-client";
const client = createClient({ url: process.env["THREADKEEP_URL"] ?? "", key: process.env["THREADKEEP_API_KEY"] ?? "" });
`;
const OPENAI = `
import OpenAI from "openai";
const openai = new OpenAI({ baseURL: process.env["MODEL_URL"] ?? "", apiKey: "k", maxRetries: 0 });
const tools = [{ type: "function", function: { name: "next_tram", parameters: { type: "object", properties: {} } } }];
`;

export const BLOCK_SETUPS: readonly BlockSetup[] = [
  {
    heading: "threadkeep-client",
    given: `${OPENAI}
export const given = async () => ({ openai, tools, model: "m", question: "When does line 28 leave?" });`,
  },
  {
    heading: "Live",
    given: `${CLIENT}
export const given = async () => {
  const session = client.session("live");
  await session.append("Is Baixa flat?");
  const ending = new AbortController();
  return { session, lastRev: 0, signal: ending.signal, show: () => ending.abort() };
};`,
  },
  {
    heading: "With the SDKs of OpenAI and Anthropic",
    given: `${CLIENT}
import Anthropic from "@anthropic-ai/sdk";
const anthropic = new Anthropic({ baseURL: process.env["MODEL_URL"] ?? "", apiKey: "k", maxRetries: 0 });
const tools: Anthropic.Tool[] = [{ name: "next_tram", input_schema: { type: "object" } }];
const run = async () => "in four minutes";
export const given = async () => ({
  anthropic, tools, run, session: client.session("anthropic"), model: "m", question: "When does line 28 leave?",
});`,
  },
  {
    heading: "With the SDKs of OpenAI and Anthropic",
    given: `${CLIENT}${OPENAI}
const run = async () => "in four minutes";
export const given = async () => ({
  openai, tools, run, session: client.session("openai"), model: "m", question: "When does line 28 leave?",
});`,
  },
  {
    heading: "With the Vercel AI SDK",
    given: `${CLIENT}
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { tool, type UIMessage } from "ai";
import { z } from "zod";
const provider = createOpenAICompatible({ name: "scripted", baseURL: process.env["MODEL_URL"] ?? "" });
const next_tram = tool({ inputSchema: z.object({}), outputSchema: z.string() });
const uiMessages: UIMessage[] = [{ id: "q1", role: "user", parts: [{ type: "text", text: "When does line 28 leave?" }] }];
export const given = async () => ({
  client, sessionId: "ai-sdk", model: provider("m"), tools: { next_tram }, uiMessages,
});`,
  },
  {
    heading: "With LangChain.js",
    given: `${CLIENT}
import { AIMessage } from "@langchain/core/messages";
import { ChatPromptTemplate, MessagesPlaceholder } from "@langchain/core/prompts";
import { RunnableLambda } from "@langchain/core/runnables";
const prompt = ChatPromptTemplate.fromMessages([new MessagesPlaceholder("history"), ["human", "{question}"]]);
const runnable = prompt.pipe(RunnableLambda.from(async (value: { messages: unknown[] }) => new AIMessage(\`Of \${value.messages.length}.\`)));
export const given = async () => ({ client, runnable, inputMessagesKey: "question", historyMessagesKey: "history" });`,
    next: `
for (const question of ["When does line 28 leave?", "And line 15?"]) {
  await chat.invoke({ question }, { configurable: { sessionId: "langchain" } });
}`,
  },
  {
    heading: "With LangGraph.js",
    given: `${CLIENT}
import { AIMessage } from "@langchain/core/messages";
import { MessagesAnnotation, StateGraph } from "@langchain/langgraph";
const workflow = new StateGraph(MessagesAnnotation)
  .addNode("model", ({ messages }) => ({ messages: [new AIMessage(\`Of \${messages.length}.\`)] }))
  .addEdge("__start__", "model");
export const given = async () => ({ client, workflow, thread_id: "langgraph", question: "When does line 28 leave?" });`,
    next: `await graph.invoke({ messages: [new HumanMessage("And line 15?")] }, { configurable: { thread_id } });`,
  },
  {
    heading: "With the OpenAI Agents SDK",
    given: `${CLIENT}
import { Agent, type Model, type ModelRequest, setTracingDisabled, Usage } from "@openai/agents-core";
setTracingDisabled(true);
const model: Model = {
  async getResponse({ input }: ModelRequest) {
    const text = \`Of \${typeof input === "string" ? 1 : input.length}.\`;
    const content = [{ type: "output_text" as const, text }];
    return { usage: new Usage(), output: [{ type: "message", role: "assistant", status: "completed", content }] };
  },
  async *getStreamedResponse() {},
};
const agent = new Agent({ name: "guide", model });
export const given = async () => ({ client, agent, sessionId: "agents", question: "When does line 28 leave?" });`,
    next: `await run(agent, "And line 15?", { session }); return finalOutput;`,
  },
  {
    heading: "With OpenTelemetry",
    given: `
export const given = async () => ({ url: process.env["THREADKEEP_URL"] ?? "", key: process.env["THREADKEEP_API_KEY"] ?? "" });`,
    next: `await threadkeep.session("traced").append("Hello");`,
  },
];
