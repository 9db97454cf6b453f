/**
 * Server-sent events from a session's socket: the same events in the same order. Each is acknowledged once the client
 * has read it.
 */

import { MAX_UNACKNOWLEDGED_EVENTS } from "../api/limits.ts";

/**
 * How often a comment is sent, in ms. Proxies close a connection that is silent for about a minute, and only a write
 * reveals that a client has disconnected.
 */
const HEARTBEAT_MS = 10_000;
/** How many events are acknowledged at a time: well before the feed would pause. */
const ACKNOWLEDGE_EVERY = MAX_UNACKNOWLEDGED_EVENTS / 8;

export const EVENT_STREAM_TYPE = "text/event-stream";

/** The fields of a frame that are used here. */
interface Frame {
  readonly type: string;
  readonly rev?: number;
  readonly since?: number;
}

/**
 * Creates the stream. For a slow reader, at most the feed's limit of unacknowledged events is held in memory; the rest
 * stays in the log.
 * @param socket not accepted yet
 */
export function eventStreamAnswer(socket: WebSocket): Response {
  const encoder = new TextEncoder();
  const waiting: Frame[] = [];
  let unacknowledged = 0;
  const state = { isClosed: false };
  let wake: () => void = () => undefined;

  const acknowledge = (rev: number): void => {
    unacknowledged += 1;
    if (state.isClosed || (unacknowledged < ACKNOWLEDGE_EVERY && waiting.length > 0)) return;
    unacknowledged = 0;
    socket.send(JSON.stringify({ type: "ack", rev }));
  };
  const end = (): void => {
    state.isClosed = true;
    wake();
  };
  socket.addEventListener("message", ({ data }) => {
    if (typeof data !== "string") return;
    waiting.push(JSON.parse(data));
    wake();
  });
  socket.addEventListener("close", end);
  socket.addEventListener("error", end);
  socket.accept();

  let heartbeat: ReturnType<typeof setInterval> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      heartbeat = setInterval(() => {
        // A stream with unread data needs no heartbeat.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(": still here\n\n"));
      }, HEARTBEAT_MS);
    },
    async pull(controller) {
      while (waiting.length === 0 && !state.isClosed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const frame = waiting.shift();
      if (frame === undefined) {
        clearInterval(heartbeat);
        controller.close();
        return;
      }
      controller.enqueue(encoder.encode(eventText(frame)));
      if (frame.type !== "hello" && frame.rev !== undefined) acknowledge(frame.rev);
    },
    cancel() {
      clearInterval(heartbeat);
      socket.close(1000);
      end();
    },
  });
  return new Response(body, { headers: { "Content-Type": EVENT_STREAM_TYPE } });
}

/**
 * The id of an event is where a reconnecting client continues. After `hello` that is where the feed began; with its
 * `rev`, the events in between would be missed.
 */
function eventText(frame: Frame): string {
  const id = frame.type === "hello" ? frame.since : frame.rev;
  return `${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(frame)}\n\n`;
}
