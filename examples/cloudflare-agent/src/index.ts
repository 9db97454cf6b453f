/**
 * A chat as an Agent, one for each chat: `POST /agents/chat-agent/ID` with the question as text, or a WebSocket there with a question
 * a message. What is said is not kept in the Agent: its memory is a session of Threadkeep, by RPC, so the model gets a context that fits,
 * however long the chat becomes.
 */

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Agent, type Connection, routeAgentRequest, type WSMessage } from "agents";
import { generateText } from "ai";
import type { Contexts } from "threadkeep-client";

export { RecallAgent } from "./recall-agent.ts";

export class ChatAgent extends Agent {
  override async onRequest(request: Request): Promise<Response> {
    if (request.method !== "POST") return new Response("POST a question, as text\n", { status: 405 });
    try {
      return Response.json(await this.#answer(await request.text()));
    } catch (error) {
      const { status, ...problem } = refusalOf(error);
      return Response.json(problem, { status });
    }
  }

  override async onMessage(connection: Connection, message: WSMessage): Promise<void> {
    try {
      connection.send(JSON.stringify(await this.#answer(String(message))));
    } catch (error) {
      connection.send(JSON.stringify(refusalOf(error)));
    }
  }

  async #answer(question: string): Promise<{ answer: string; remembered: number }> {
    const { MEMORY } = this.env;
    // The Agent's name is the session's id: the same chat, wherever the Agent wakes up.
    const session = this.name;
    await MEMORY.append(session, { messages: [{ id: crypto.randomUUID(), role: "user", content: question }] });
    const context = await MEMORY.context(session, { format: "ai-sdk", query: "auto" });
    const answer = await complete(this.env, context);
    await MEMORY.append(session, { messages: [{ id: crypto.randomUUID(), role: "assistant", content: answer }] });
    return { answer, remembered: context.messages.length };
  }
}

export default {
  async fetch(request: Request, env: Cloudflare.Env): Promise<Response> {
    // Your own login has to check who may use which chat, in onBeforeRequest and onBeforeConnect.
    const answer = await routeAgentRequest(request, env);
    return answer ?? new Response("POST /agents/chat-agent/ID or /agents/recall-agent/USER\n", { status: 404 });
  },
};

async function complete(env: Cloudflare.Env, { system, messages }: Contexts["ai-sdk"]): Promise<string> {
  const { MODEL_BASE_URL: baseURL, MODEL, MODEL_KEY } = env;
  if (baseURL === "")
    return `That is question ${messages.filter(({ role }) => role === "user").length} that I have in mind.`;
  const provider = createOpenAICompatible({
    name: "model",
    baseURL,
    ...(MODEL_KEY === undefined ? {} : { apiKey: MODEL_KEY }),
  });
  const { text } = await generateText({
    model: provider(MODEL),
    messages,
    ...(system === undefined ? {} : { instructions: system }),
  });
  return text;
}

interface Refusal {
  readonly code: string;
  readonly detail: string;
  readonly status: number;
}

/** The fields of a ThreadkeepError cross from Worker to Worker; its class does not. */
function refusalOf(error: unknown): Refusal {
  const { code = "internal", detail = "The chat failed.", status = 500 } = { ...(error as Partial<Refusal>) };
  return { code, detail, status };
}
