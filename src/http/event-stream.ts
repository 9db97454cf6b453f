/** Server-sent events of a socket: the same events in the same order, each acknowledged once the client has taken it. */

import { MAX_UNACKNOWLEDGED_EVENTS } from "../api/limits.ts";

/** Proxies close a connection that says nothing for a minute or so, and that a client has gone is noticed by a write alone. */
const HEARTBEAT_MS = 10_000;
/** So many events are acknowledged at a time: the feed goes on long before it would pause. */
const ACKNOWLEDGE_EVERY = MAX_UNACKNOWLEDGED_EVENTS / 8;

export const EVENT_STREAM_TYPE = "text/event-stream";

/** What is read here of a frame. */
interface Frame {
  readonly type: string;
  readonly rev?: number;
  readonly since?: number;
}

/**
 * The stream. What a slow reader has not taken is never more than what the feed sends unacknowledged; the rest waits in the log.
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
        // A reader that takes nothing needs no sign of life.
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

/** Its id is where a client goes on: after hello that is where the feed began, or what comes next would be missed. */
function eventText(frame: Frame): string {
  const id = frame.type === "hello" ? frame.since : frame.rev;
  return `${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(frame)}\n\n`;
}
