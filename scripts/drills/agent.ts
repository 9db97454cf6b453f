// A summarizer of somebody else, on loopback: an MCP server with the one tool, which quotes what it is given, remembers who asked for
// what, and can be gone.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import {
  SUMMARIZE_TOOL,
  type SummarizerAnswer,
  summarizerAnswerSchema,
  type SummarizerRequest,
  summarizerRequestSchema,
} from "../../src/contracts/summarizer.ts";
import { findFreePort, LOOPBACK } from "../dev/ports.ts";

const MAX_QUOTED_CHARACTERS = 120;

/** `gone`: it takes no connection. */
export type AgentState = "well" | "gone";

/** A call that was answered well: such a one is paid for. */
export interface PaidCall {
  /** ms since 1970 */
  readonly at: number;
  /** What each message that it was given begins with: its id, which is told once in all sessions. */
  readonly messages: readonly string[];
}

export interface Agent {
  /** As SUMMARIZER_MCP_URL has it. */
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
        return { structuredContent: { ...quote(request) }, content: [{ type: "text", text: "done" }] };
      },
    );
    return server;
  });
  const server = createServer((request, response) => {
    serve(handler, request, response).catch((error: unknown) =>
      response.destroy(error instanceof Error ? error : undefined),
    );
  });
  // The port stays ours while it is gone: another program could take it before it is back.
  server.on("connection", (socket) => {
    if (state === "gone") socket.destroy();
  });
  const port = await findFreePort();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, LOOPBACK, resolve);
  });
  return {
    url: `http://${LOOPBACK}:${port}/mcp`,
    calls,
    be(next) {
      state = next;
      // A connection that is kept open would outlive the agent.
      server.closeAllConnections();
    },
    close: () => closeServer(server),
  };
}

export async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function quote({ previous, messages }: SummarizerRequest): SummarizerAnswer {
  const quotes = messages.map(({ seq, text }) => ({
    kind: "fact" as const,
    text: text.slice(0, MAX_QUOTED_CHARACTERS),
    sourceSeqs: [seq],
    status: "current" as const,
  }));
  return { items: [...previous, ...quotes], model: "drill/quoting" };
}

type Handler = ReturnType<typeof createMcpHandler>;

async function serve(handler: Handler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const { method = "GET", headers } = request;
  const answer = await handler.fetch(
    new Request(`http://${headers.host}${request.url}`, {
      method,
      headers: Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]),
      ...(body.length === 0 ? {} : { body }),
    }),
  );
  const text = await answer.text();
  response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(text);
}
