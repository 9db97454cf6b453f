import type { IncomingMessage, ServerResponse } from "node:http";
import { headersOf, sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";

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
  const { url, close } = await serveOnLoopback((request, response, body) =>
    serve(mailboxes, request, response, body.toString()),
  );
  return { url, close };
}

function serve(
  mailboxes: Map<string, Mailbox>,
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
): void {
  const [, room, name = ""] = (request.url ?? "").split("/");
  const mailbox = mailboxes.get(name) ?? { status: 204, received: [] };
  mailboxes.set(name, mailbox);
  if (room === "mailboxes") {
    if (request.method === "PUT") mailbox.status = Number(body);
    sendJson(response, 200, mailbox.received);
    return;
  }
  mailbox.received.push({ body, headers: headersOf(request), status: mailbox.status });
  if (mailbox.status === 0) response.destroy();
  else response.writeHead(mailbox.status, { location: "http://127.0.0.1:1/" }).end();
}
