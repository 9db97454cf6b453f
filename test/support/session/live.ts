import { exports } from "cloudflare:workers";
import type { ServerFrame } from "../../../src/api/live.ts";
import type { SessionRef } from "../../../src/api/session.ts";
import { TEST_WORKER_BINDINGS } from "../worker-bindings.ts";
import { until } from "./object.ts";

/** A client of a live feed, through the Worker's own entry. */
export interface LiveClient {
  readonly socket: WebSocket;
  /** Everything that came, in order. */
  readonly frames: ServerFrame[];
  /** Why it was closed; null while it is open. */
  closed(): { readonly code: number; readonly reason: string } | null;
  send(frame: object | string): void;
  /** The first matching frame, once it has come. */
  find<F extends ServerFrame = ServerFrame>(what: string, fits: (frame: ServerFrame) => boolean): Promise<F>;
}

const AUTHORIZATION = `Bearer ${TEST_WORKER_BINDINGS.THREADKEEP_API_KEY}`;

/** Requests the feed; the answer is a socket or a refusal. */
export function askLive(
  ref: Pick<SessionRef, "session">,
  query = "",
  headers: Record<string, string> = { authorization: AUTHORIZATION },
): Promise<Response> {
  const url = `http://threadkeep.test/v1/sessions/${ref.session}/live${query}`;
  return exports.default.fetch(new Request(url, { headers: { Upgrade: "websocket", ...headers } }));
}

/** @param since undefined: the events from now on */
export async function follow(ref: SessionRef, since?: number): Promise<LiveClient> {
  const response = await askLive(ref, since === undefined ? "" : `?since=${since}`);
  return clientOf(response);
}

export function clientOf(response: Response): LiveClient {
  const socket = response.webSocket;
  if (socket === null) throw new Error(`no socket: ${response.status}`);
  const frames: ServerFrame[] = [];
  let end: { code: number; reason: string } | null = null;
  socket.addEventListener("message", ({ data }) => {
    if (typeof data === "string" && data !== "pong") frames.push(JSON.parse(data));
  });
  socket.addEventListener("close", ({ code, reason }) => {
    end = { code, reason };
  });
  socket.accept();
  return {
    socket,
    frames,
    closed: () => end,
    send: (frame) => socket.send(typeof frame === "string" ? frame : JSON.stringify(frame)),
    async find<F extends ServerFrame>(what: string, fits: (frame: ServerFrame) => boolean): Promise<F> {
      await until(what, async () => frames.some(fits));
      return frames.find(fits) as F;
    },
  };
}

/** The events without other frames. */
export function eventsOf(client: LiveClient): Extract<ServerFrame, { rev: number }>[] {
  return client.frames.filter(
    (frame): frame is Extract<ServerFrame, { rev: number }> => "rev" in frame && frame.type !== "hello",
  );
}

export function revsOf(client: LiveClient): number[] {
  return eventsOf(client).map(({ rev }) => rev);
}
