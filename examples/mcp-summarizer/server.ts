// A summarizer of your own in its own process: an MCP server with the one tool that Threadkeep calls. `npm run example -- mcp-summarizer`
// starts it on PORT (8790), for callers with SUMMARIZER_MCP_TOKEN. It uses the official SDK (@modelcontextprotocol/sdk) and no code of Threadkeep.
import { createServer, type IncomingMessage } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

const { PORT = "8790", SUMMARIZER_MCP_TOKEN: token = "" } = process.env;
if (token === "") {
  console.error(
    "Set SUMMARIZER_MCP_TOKEN, here and where Threadkeep is started: whoever shows it may have chats summarized here.",
  );
  process.exit(1);
}
/** A call has at most 32,000 tokens of a chat. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

const kind = z.enum(["fact", "preference", "decision", "task", "question", "event", "instruction"]);
const status = z.enum(["current", "done", "superseded"]);
const item = z.object({ id: z.string().optional(), kind, text: z.string(), sourceSeqs: z.array(z.int()), status });
const input = {
  previous: z.array(item).describe("The items so far"),
  messages: z.array(z.object({ seq: z.int(), role: z.string(), text: z.string() })).describe("What was said since"),
  maxTokens: z.int().describe("Budget of all items together"),
};
type Item = z.infer<typeof item>;
interface Conversation {
  readonly previous: readonly Item[];
  readonly messages: readonly { readonly seq: number; readonly role: string; readonly text: string }[];
  readonly maxTokens: number;
}

/**
 * Your own model or rules go here. What is given back is the new list, whole: an item that is left out is forgotten, and one with the `id` of an
 * item of before continues it. Threadkeep drops what its `sourceSeqs` do not say, so quote or reword, and invent nothing.
 */
function summarize({ previous, messages, maxTokens }: Conversation): Item[] {
  const items = [...previous];
  for (const { seq, role, text } of messages) {
    if (role !== "user") continue;
    for (const sentence of text.match(/[^.!?\n]+[.!?]?/g) ?? []) {
      const told = sentence.trim();
      const says = kindOf(told);
      if (says !== null) items.push({ kind: says, text: told, sourceSeqs: [seq], status: "current" });
    }
  }
  while (tokensOf(items) > maxTokens) items.shift();
  return items;
}

function kindOf(sentence: string): Item["kind"] | null {
  if (/\b(?:decided|let us|let's|we will|book)\b/i.test(sentence)) return "decision";
  if (/\b(?:always|never|from now on)\b/i.test(sentence)) return "instruction";
  if (/\b(?:like|prefer|allergic|hate|love)\b/i.test(sentence)) return "preference";
  return /\d|\bI am\b|\bmy\b/i.test(sentence) ? "fact" : null;
}

/** About four characters a token, and a few tokens more for each item. */
function tokensOf(items: readonly Item[]): number {
  return items.reduce((sum, { text }) => sum + text.length / 4 + 8, 0);
}

function createSummarizer(): McpServer {
  const server = new McpServer({ name: "example-summarizer", version: "1.0.0" });
  server.registerTool(
    "summarize_conversation",
    { inputSchema: input, outputSchema: { items: z.array(item), model: z.string() } },
    (conversation) => {
      const items = summarize(conversation);
      // Each summary names `model` as its maker; with `usage: {inputTokens, outputTokens}` the tokens are counted, too.
      return {
        structuredContent: { items, model: "example/rules" },
        content: [{ type: "text", text: `${items.length} items` }],
      };
    },
  );
  return server;
}

const http = createServer(async (request, response) => {
  if (request.headers.authorization !== `Bearer ${token}`) {
    response.writeHead(401, { "WWW-Authenticate": "Bearer" }).end();
    return;
  }
  if (request.method !== "POST" || request.url !== "/mcp") {
    response.writeHead(request.url === "/mcp" ? 405 : 404, { Allow: "POST" }).end();
    return;
  }
  const body = await readJson(request);
  if (body === undefined) {
    response.writeHead(400).end("Send JSON of at most 4 MiB\n");
    return;
  }
  // One server for each request, without state between requests, so many processes can serve one URL.
  const server = createSummarizer();
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
  response.on("close", () => void server.close());
  await server.connect(transport);
  await transport.handleRequest(request, response, body);
});

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    return undefined;
  }
}

http.listen(Number(PORT), "127.0.0.1", () => {
  const address = http.address();
  const port = typeof address === "object" && address !== null ? address.port : PORT;
  console.log(`The summarizer listens at http://127.0.0.1:${port}/mcp`);
});
