/**
 * An external summarizer as a process of its own: an MCP server on loopback with the one tool, which requires a bearer token and does what
 * its parent says. It shares only the SDK and the schemas of the tool with the built-in one. It has a file of its own because it is started as a program.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { fetchRequestOf, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { SUMMARIZE_TOOL, summarizerAnswerSchema, summarizerRequestSchema } from "../../src/api/summarizer.ts";
import { quoteMessages } from "../../tools/drills/quote-messages.ts";

/** What the agent does with a call. */
export type AgentBehaviour =
  /** Items that quote the messages. */
  | { does: "quote" }
  /** The tool reports a failure, in words of the conversation, as tools do. */
  | { does: "fail" }
  /** Accepts the call and never answers. */
  | { does: "hang" }
  /** A result that does not match the tool. */
  | { does: "misshape" }
  /** Half an answer, then the connection is cut. */
  | { does: "break-off" }
  /** HTTP refuses before MCP begins. */
  | { does: "refuse"; status: number; headers?: Record<string, string> };

/** What it does from now on, and the token it accepts. */
export interface ToAgent {
  readonly behaviour: AgentBehaviour;
  readonly token: string;
}

export type FromAgent =
  | { type: "listening"; port: number }
  /** A call of the tool, or one that was refused by HTTP and has no seqs. */
  | { type: "called"; does: AgentBehaviour["does"] | "unauthenticated"; seqs: number[] };

const [firstToken = "", port = "0"] = process.argv.slice(2);
let token = firstToken;
let behaviour: AgentBehaviour = { does: "quote" };

process.on("message", (message: ToAgent) => {
  ({ behaviour, token } = message);
});
process.on("disconnect", () => process.exit(0));

function tell(message: FromAgent): void {
  process.send?.(message);
}

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: "foreign-agent", version: "1.0.0" });
  server.registerTool(
    SUMMARIZE_TOOL,
    {
      inputSchema: summarizerRequestSchema,
      ...(behaviour.does === "misshape" ? {} : { outputSchema: summarizerAnswerSchema }),
    },
    async (request) => {
      tell({ type: "called", does: behaviour.does, seqs: request.messages.map(({ seq }) => seq) });
      switch (behaviour.does) {
        case "fail":
          return { isError: true, content: [{ type: "text", text: `cannot read: ${request.messages[0]?.text}` }] };
        case "hang":
          return new Promise<never>(() => undefined);
        case "misshape":
          return { structuredContent: { summary: "All is well." }, content: [{ type: "text", text: "All is well." }] };
        default: {
          const answer = quoteMessages(request, "foreign/quoting");
          return { structuredContent: { ...answer }, content: [{ type: "text", text: "done" }] };
        }
      }
    },
  );
  return server;
});

async function serve(request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<void> {
  if (request.headers.authorization !== `Bearer ${token}`) {
    tell({ type: "called", does: "unauthenticated", seqs: [] });
    response.writeHead(401, { "www-authenticate": "Bearer" }).end();
    return;
  }
  if (behaviour.does === "refuse") {
    tell({ type: "called", does: "refuse", seqs: [] });
    response.writeHead(behaviour.status, behaviour.headers).end("not now");
    return;
  }
  const answer = await handler.fetch(fetchRequestOf(request, body));
  const text = await answer.text();
  const isCut = behaviour.does === "break-off" && text.includes("structuredContent");
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  if (isCut) response.write(text.slice(0, text.length / 2), () => response.destroy());
  else response.end(text);
}

tell({ type: "listening", port: (await serveOnLoopback(serve, Number(port))).port });
