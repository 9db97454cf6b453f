import { type CallToolResult, Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { exports } from "cloudflare:workers";
import { onTestFinished } from "vitest";
import type { Principal } from "../../src/api/principal.ts";
import type { AppOptions } from "../../src/http/app.ts";
import { requestsIn } from "../../src/mcp/batch.ts";
import { MCP_ROUTE } from "../../src/mcp/protected-resource.ts";
import { createMcpSurface } from "../../src/mcp/surface.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { appWith } from "./worker-app.ts";
import { TEST_WORKER_BINDINGS } from "./worker-bindings.ts";

/** MCP clients of the Worker of the tests, through its entry. */

export const MCP_URL = `http://threadkeep.test${MCP_ROUTE}`;

type Answer = (request: Request) => Promise<Response>;

export interface McpSender {
  /** By default the key of the tenant `test`. */
  readonly key?: string;
  readonly user?: string;
  readonly mode?: "auto" | "legacy" | { readonly pin: string };
  /** Used instead of the Worker. */
  readonly answer?: Answer;
}

export async function mcpClient({
  key = TEST_WORKER_BINDINGS.THREADKEEP_API_KEY,
  user,
  mode = "auto",
  answer = (request) => exports.default.fetch(request),
}: McpSender = {}): Promise<Client> {
  const client = new Client({ name: "worker-test", version: "1.0.0" }, { versionNegotiation: { mode } });
  const transport = new StreamableHTTPClientTransport(new URL(MCP_URL), {
    fetch: (url, init) => answer(new Request(url, init)),
    requestInit: {
      headers: { authorization: `Bearer ${key}`, ...(user === undefined ? {} : { "threadkeep-user": user }) },
    },
  });
  await client.connect(transport);
  onTestFinished(() => client.close());
  return client;
}

/** The surface on the objects of the test run, for a given caller of all requests. */
export function surfaceFor(
  principal: Principal,
  change: Partial<AppOptions> = {},
  parts: Partial<AppOptions["parts"]> = {},
): Answer {
  const log = createLog({ write: () => undefined });
  const mcp = { path: MCP_ROUTE, requestsIn, answer: createMcpSurface(log) };
  const app = appWith({ mcp, authenticate: async () => principal, ...change }, parts);
  return async (request) => app.fetch(request);
}

/** A JSON-RPC request of a client of the 2025 protocol, which needs no handshake. */
export async function postRpc(
  answer: Answer,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly headers: Headers; readonly text: string }> {
  const response = await answer(
    new Request(MCP_URL, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-protocol-version": "2025-06-18",
        ...headers,
      },
      body: typeof body === "string" ? body : JSON.stringify(body),
    }),
  );
  return { status: response.status, headers: response.headers, text: await response.text() };
}

export function callTool(client: Client, name: string, args: Record<string, unknown> = {}): Promise<CallToolResult> {
  return client.callTool({ name, arguments: args });
}

/** The text that a client shows a model; fails with it if it is an error. */
export async function toolText(client: Client, name: string, args: Record<string, unknown> = {}): Promise<string> {
  const result = await callTool(client, name, args);
  const text = textOf(result);
  if (result.isError === true) throw new Error(`${name}: ${text}`);
  return text;
}

export function textOf({ content }: Pick<CallToolResult, "content">): string {
  return content.map((block) => (block.type === "text" ? block.text : `(${block.type})`)).join("\n");
}
