/**
 * An Agent whose model decides by itself what to remember: Threadkeep's MCP server gives it the tools. One for each user:
 * `POST /agents/recall-agent/USER` with what the user says as text. Nothing is kept in the Agent, so each request is a new conversation for the
 * model, and all that it knows of the ones before it has from the memory.
 */

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Agent } from "agents";
import { generateText, isStepCount } from "ai";

const INSTRUCTIONS =
  "You have a memory by tools. Before you answer, look up what you may have been told; after that, write down what was said. The session of this user is called notes.";
/** Enough steps to search, read more, and store the turn. */
const MAX_STEPS = 8;

export class RecallAgent extends Agent {
  override async onRequest(request: Request): Promise<Response> {
    if (request.method !== "POST") return new Response("POST what the user says, as text\n", { status: 405 });
    const { MODEL_BASE_URL: baseURL, MODEL, MODEL_KEY } = this.env;
    if (baseURL === "") return new Response("Set MODEL_BASE_URL: a model calls the tools here\n", { status: 503 });
    await this.#connect();
    const provider = createOpenAICompatible({
      name: "model",
      baseURL,
      ...(MODEL_KEY === undefined ? {} : { apiKey: MODEL_KEY }),
    });
    const { text, steps } = await generateText({
      model: provider(MODEL),
      instructions: INSTRUCTIONS,
      prompt: await request.text(),
      tools: this.mcp.getAITools(),
      stopWhen: isStepCount(MAX_STEPS),
    });
    const called = steps.flatMap(({ toolCalls }) => toolCalls.map(({ toolName }) => toolName));
    return Response.json({ answer: text, called });
  }

  /** Adding an existing server changes nothing, and reconnects to one that was lost. */
  async #connect(): Promise<void> {
    const { THREADKEEP_URL, THREADKEEP_API_KEY } = this.env;
    await this.addMcpServer("threadkeep", `${THREADKEEP_URL}/mcp`, {
      // Part of each tool's name: tool_threadkeep_get_context.
      id: "threadkeep",
      transport: {
        type: "streamable-http",
        // The Agent's name is the user's id. Your own login has to make sure that it is the caller's.
        headers: { Authorization: `Bearer ${THREADKEEP_API_KEY}`, "Threadkeep-User": this.name },
      },
    });
  }
}
