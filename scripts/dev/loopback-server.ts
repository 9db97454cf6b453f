// A local HTTP server that stands in for another system.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { LOOPBACK } from "./ports.ts";

/** Handles a request with its whole body. If it throws, the connection is cut. */
export type Serve = (request: IncomingMessage, response: ServerResponse, body: Buffer) => unknown;

export interface LoopbackServer {
  /** Without a trailing slash. */
  readonly url: string;
  readonly port: number;
  readonly server: Server;
  /** Cuts open connections. */
  close(): Promise<void>;
}

/** @param port 0 chooses a free one */
export async function serveOnLoopback(serve: Serve, port = 0): Promise<LoopbackServer> {
  const server = createServer((request, response) => {
    readWhole(request)
      .then((body) => serve(request, response, body))
      .catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, LOOPBACK, resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    url: `http://${LOOPBACK}:${address.port}`,
    port: address.port,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers?: Record<string, string>,
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/**
 * The headers, each as one string.
 * @internal Stand-ins of tests answer with the same server as the programs'.
 */
export function headersOf(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
}

/** Converts the request for handlers of the Fetch standard. */
export function fetchRequestOf(request: IncomingMessage, body: Buffer): Request {
  const { method = "GET", url = "/" } = request;
  const headers = headersOf(request);
  return new Request(`http://${headers["host"]}${url}`, {
    method,
    headers,
    ...(body.length === 0 ? {} : { body: new Uint8Array(body) }),
  });
}

async function readWhole(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
