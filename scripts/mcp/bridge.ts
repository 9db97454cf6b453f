// Connects an MCP client that uses stdio with `/mcp`; messages are passed on unchanged.
import { SdkHttpError, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import {
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
} from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import type { BridgeTarget } from "./target.ts";

/** JSON-RPC error code for a failed connection. */
const SERVER_ERROR = -32_000;

/** Ends when the client closes its side. */
export async function runBridge({ url, headers }: BridgeTarget): Promise<void> {
  const client = new StdioServerTransport();
  const service = new StreamableHTTPClientTransport(url, { requestInit: { headers } });
  const underWay = new Map<RequestId, AbortController>();
  const handshakes = new Set<RequestId>();

  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- a transport has its one listener as a property
  service.onmessage = (message: JSONRPCMessage) => {
    if ("id" in message && message.id !== undefined) underWay.delete(message.id);
    // Clients of the 2025 protocol negotiate the version once, and every HTTP request must state it.
    if (isJSONRPCResultResponse(message) && handshakes.delete(message.id)) {
      const version = Reflect.get(message.result, "protocolVersion");
      if (typeof version === "string") service.setProtocolVersion(version);
    }
    void client.send(message);
  };
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- as above
  client.onmessage = (message: JSONRPCMessage) => {
    void forward(message);
  };

  async function forward(message: JSONRPCMessage): Promise<void> {
    const request = isJSONRPCRequest(message) ? message : undefined;
    if (request === undefined) {
      // The service has no sessions, so a request is cancelled by closing its stream.
      const given = "method" in message && message.method === "notifications/cancelled" ? message.params : undefined;
      underWay.get(given?.["requestId"] as RequestId)?.abort();
    } else if (request.method === "initialize") handshakes.add(request.id);
    const abandonment = new AbortController();
    if (request !== undefined) underWay.set(request.id, abandonment);
    try {
      await service.send(message, { requestSignal: abandonment.signal });
    } catch (error) {
      if (request === undefined || abandonment.signal.aborted) return;
      underWay.delete(request.id);
      await client.send({
        jsonrpc: "2.0",
        id: request.id,
        error: { code: SERVER_ERROR, message: wordsOf(error, url) },
      });
    }
  }

  const ended = new Promise<void>((resolve) => {
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- as above
    client.onclose = resolve;
    process.stdin.once("end", resolve);
  });
  await service.start();
  await client.start();
  await ended;
  await Promise.all([service.close(), client.close()]);
}

function wordsOf(error: unknown, url: URL): string {
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof SdkHttpError && error.status === 401)
    return `${url.origin} does not take the API key: ${reason}`;
  return `${url.origin} could not be asked: ${reason}`;
}
