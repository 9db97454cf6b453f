import { LAST } from "./as-user.ts";
import { MARKER } from "./hostile-value.ts";

/** How long an answer may take. */
const PATIENCE_MS = 30_000;

export interface FrameAnswers {
  /** 101 if the socket was opened. */
  readonly status: number;
  readonly texts: readonly string[];
  /** Whether the last frame was answered, or the service closed the socket. */
  readonly isOver: boolean;
}

/** Opens a socket, sends all frames without waiting, and reads until the last frame is answered or the socket is closed. */
export function sendFrames(
  url: string,
  path: string,
  bearer: string,
  frames: readonly (string | Uint8Array<ArrayBuffer>)[],
): Promise<FrameAnswers> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url.replace("http", "ws") + path, { headers: { authorization: `Bearer ${bearer}` } });
    const texts: string[] = [];
    let status = 0;
    const end = (isOver: boolean): void => {
      clearTimeout(timer);
      socket.close();
      resolve({ status, texts, isOver });
    };
    const timer = setTimeout(() => end(false), PATIENCE_MS);
    socket.addEventListener("open", () => {
      status = 101;
      for (const frame of frames) socket.send(frame);
    });
    socket.addEventListener("message", ({ data }) => {
      const text = String(data);
      texts.push(text);
      if (text.includes(`"id":"${LAST}"`) && !text.includes('"type":"appended"')) end(true);
    });
    // A refused handshake closes the connection, too. Its answer is checked over HTTP.
    socket.addEventListener("close", () => end(true));
  });
}

/** Lists what is wrong with the frames that came back on a socket. */
export function frameFaults({ texts, isOver }: FrameAnswers, secrets: readonly string[]): string[] {
  const faults = isOver ? [] : ["the last frame was not answered"];
  for (const text of texts) {
    if (secrets.some((secret) => text.includes(secret))) faults.push("holds a secret");
    if (text === "pong") continue;
    const told = readFrame(text);
    if (told === null) {
      faults.push("a frame is not JSON");
      continue;
    }
    if (told.type !== "error") continue;
    const { status = 0, code } = told.error ?? {};
    if (!(status >= 400 && status < 500) && code !== "unavailable")
      faults.push(`answered ${status} (${code ?? "no code"})`);
    // The answer to a frame contains the frame's id, whatever the id is.
    if (JSON.stringify(told.error).includes(MARKER)) faults.push("repeats what was sent");
  }
  return [...new Set(faults)];
}

interface ToldFrame {
  readonly type?: unknown;
  readonly error?: { readonly status?: number; readonly code?: string };
}

function readFrame(text: string): ToldFrame | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}
