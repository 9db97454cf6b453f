import { MAX_FRAME_BYTES } from "../../src/api/limits.ts";
import type { ServerFrame } from "../../src/api/live.ts";
import { httpSurface } from "./http-surface.ts";
import type { ProvidedService } from "./provided.ts";
import type { SessionSurface } from "./session-surface.ts";

/** What frames on a socket offer. */
export const FRAME_OPERATIONS = ["append", "context", "branch"] as const satisfies readonly (keyof SessionSurface)[];

const FRAME_ID = "asked";

/** Frames on the live feed's WebSocket, which the tenant's key opens: with a ticket they could write what a user may. Whatever frames do not offer, or have no room for, is sent over HTTP. */
export function socketSurface(service: Pick<ProvidedService, "url" | "apiKey">): SessionSurface {
  const http = httpSurface(service);

  async function ask<T>(sessionId: string, frame: object): Promise<T> {
    // A feed needs an existing session.
    await http.create({ id: sessionId });
    const url = new URL(`/v1/sessions/${sessionId}/live`, service.url.replace("http", "ws"));
    // Node's own WebSocket accepts headers; a browser's does not, and its type neither.
    const socket: WebSocket = Reflect.construct(WebSocket, [
      url,
      { headers: { authorization: `Bearer ${service.apiKey}` } },
    ]);
    try {
      const answer = await answerTo<T>(socket, frame);
      if ("result" in answer) return answer.result;
      throw Object.assign(new Error(answer.error.detail), answer.error);
    } finally {
      socket.close();
    }
  }

  return {
    ...http,
    append: (id, body) =>
      JSON.stringify(body).length < MAX_FRAME_BYTES - 1_000
        ? ask(id, { type: "append", id: FRAME_ID, ...body })
        : http.append(id, body),
    context: (id, request) => ask(id, { type: "context", id: FRAME_ID, ...request }),
    branch: (id, request) => ask(id, { type: "branch", id: FRAME_ID, ...request }),
  };
}

type Answered<T> = { readonly result: T } | { readonly error: { readonly detail: string } };

function answerTo<T>(socket: WebSocket, frame: object): Promise<Answered<T>> {
  return new Promise((resolve, reject) => {
    socket.addEventListener("open", () => socket.send(JSON.stringify(frame)));
    socket.addEventListener("message", ({ data }) => {
      const received: ServerFrame = JSON.parse(String(data));
      if (!("id" in received) || received.id !== FRAME_ID) return;
      if (received.type === "answer") resolve({ result: received.result as T });
      else if (received.type === "error") resolve({ error: received.error });
    });
    socket.addEventListener("close", ({ code, reason }) => reject(new Error(`closed with ${code} ${reason}`)));
  });
}
