import type { IncomingMessage, ServerResponse } from "node:http";
import { headersOf, sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";

/** The requests of the stand-in, and its answers. */
export interface Received {
  /** Exactly as it came, because that is what is signed. */
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
 * Stands in for a receiver of alerts, on loopback. Each test has its own mailbox: alerts go to `POST /hooks/NAME`, which answers with
 * the status that `PUT /mailboxes/NAME` set (0: the connection is cut; else 204), and `GET /mailboxes/NAME` returns what came.
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
