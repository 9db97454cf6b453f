// A summarizer of the operator's own, on loopback: an MCP server with the one tool. It quotes the messages that it is given, records
// which messages each call had, and can be taken down.
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { fetchRequestOf, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { findFreePort } from "../../scripts/dev/ports.ts";
import { SUMMARIZE_TOOL, summarizerAnswerSchema, summarizerRequestSchema } from "../../src/api/summarizer.ts";
import { quoteMessages } from "./quote-messages.ts";

/** `gone`: it accepts no connections. */
type AgentState = "well" | "gone";

/** A call that was answered with success. Such a call is paid for. */
export interface PaidCall {
  /** ms since 1970 */
  readonly at: number;
  /** The first word of each message in the call. It is the message's id, which is unique over all sessions. */
  readonly messages: readonly string[];
}

export interface Agent {
  /** The value for SUMMARIZER_MCP_URL. */
  readonly url: string;
  readonly calls: readonly PaidCall[];
  be(state: AgentState): void;
  close(): Promise<void>;
}

export async function startAgent(): Promise<Agent> {
  const calls: PaidCall[] = [];
  let state: AgentState = "well";
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "drill-agent", version: "1.0.0" });
    server.registerTool(
      SUMMARIZE_TOOL,
      { inputSchema: summarizerRequestSchema, outputSchema: summarizerAnswerSchema },
      async (request) => {
        calls.push({ at: Date.now(), messages: request.messages.map(({ text }) => text.split(" ", 1)[0] ?? "") });
        return {
          structuredContent: { ...quoteMessages(request, "drill/quoting") },
          content: [{ type: "text", text: "done" }],
        };
      },
    );
    return server;
  });
  const { url, server, close } = await serveOnLoopback(
    async (request, response, body) => {
      const answer = await handler.fetch(fetchRequestOf(request, body));
      response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
    },
    await findFreePort(),
  );
  // The port stays reserved while the agent is down, because another program could take it.
  server.on("connection", (socket) => {
    if (state === "gone") socket.destroy();
  });
  return {
    url: `${url}/mcp`,
    calls,
    be(next) {
      state = next;
      // A kept connection would outlive the agent.
      server.closeAllConnections();
    },
    close,
  };
}
