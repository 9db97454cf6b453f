import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What the stand-in was sent, and what it answered. */
export interface Received {
  /** As it came: it is what is signed. */
  body: string;
  headers: Record<string, string>;
  status: number;
}

export interface StandInWebhook {
  readonly url: string;
  close(): Promise<void>;
}

interface Mailbox {
  status: number;
  received: Received[];
}

/**
 * Stands in for whoever receives alerts, on loopback. Each test has a mailbox of its own: alerts go to `POST /hooks/NAME`, which answers
 * the status that `PUT /mailboxes/NAME` set (0: the connection is cut; else 204), and `GET /mailboxes/NAME` tells what came.
 */
export async function startStandInWebhook(): Promise<StandInWebhook> {
  const mailboxes = new Map<string, Mailbox>();
  const server = createServer((request, response) => {
    serve(mailboxes, request, response).catch((error: unknown) =>
      response.destroy(error instanceof Error ? error : undefined),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  mailboxes: Map<string, Mailbox>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [, room, name = ""] = (request.url ?? "").split("/");
  const mailbox = mailboxes.get(name) ?? { status: 204, received: [] };
  mailboxes.set(name, mailbox);
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString();
  if (room === "mailboxes") {
    if (request.method === "PUT") mailbox.status = Number(body);
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(mailbox.received));
    return;
  }
  const headers = Object.fromEntries(Object.entries(request.headers).map(([key, value]) => [key, String(value)]));
  mailbox.received.push({ body, headers, status: mailbox.status });
  if (mailbox.status === 0) response.destroy();
  else response.writeHead(mailbox.status, { location: "http://127.0.0.1:1/" }).end();
}
