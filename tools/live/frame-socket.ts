// A WebSocket client over a plain connection (RFC 6455). A hundred of Node's own clients in one thread, which inflate every frame, would
// be measured instead of the service.
import { randomBytes } from "node:crypto";
import { connect } from "node:net";

const OPCODE = { text: 1, close: 8, ping: 9, pong: 10 } as const;

export interface FrameSocket {
  send(text: string): void;
  /** Closes the connection without a closing frame, like a client that loses its network. */
  drop(): void;
}

export interface FrameHandlers {
  onText(text: string): void;
  /** Called once, also if the connection could not be opened. */
  onEnd(): void;
}

/** @param url begins with http:// */
export function openFrameSocket(url: string, headers: Record<string, string>, handlers: FrameHandlers): FrameSocket {
  const { hostname, port, pathname, search } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  let buffer: Buffer = Buffer.alloc(0);
  let isUpgraded = false;
  let isOver = false;
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    socket.destroy();
    handlers.onEnd();
  };

  socket.once("connect", () => {
    const lines = [
      `GET ${pathname}${search} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  });
  socket.on("data", (chunk) => {
    buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
    if (!isUpgraded) {
      const headEnd = buffer.indexOf("\r\n\r\n");
      if (headEnd === -1) return;
      if (!buffer.subarray(0, headEnd).toString().startsWith("HTTP/1.1 101")) {
        end();
        return;
      }
      isUpgraded = true;
      buffer = buffer.subarray(headEnd + 4);
    }
    let at = 0;
    for (;;) {
      const frame = readFrame(buffer, at);
      if (frame === null || isOver) break;
      at = frame.end;
      if (frame.opcode === OPCODE.text) handlers.onText(frame.payload.toString("utf8"));
      else if (frame.opcode === OPCODE.ping) socket.write(maskedFrame(OPCODE.pong, frame.payload));
      else if (frame.opcode === OPCODE.close) end();
    }
    buffer = buffer.subarray(at);
  });
  socket.once("close", end);
  socket.once("error", end);
  return {
    send: (text) => void socket.write(maskedFrame(OPCODE.text, Buffer.from(text, "utf8"))),
    drop: () => {
      isOver = true;
      socket.destroy();
    },
  };
}

interface ReadFrame {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly end: number;
}

/** The frame at this offset; null if it is not complete yet. The service sends neither fragments nor masked frames. */
function readFrame(buffer: Buffer, at: number): ReadFrame | null {
  if (buffer.length < at + 2) return null;
  const opcode = buffer.readUInt8(at) & 0x0f;
  const short = buffer.readUInt8(at + 1) & 0x7f;
  const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
  const start = at + 2 + lengthBytes;
  if (buffer.length < start) return null;
  const length =
    lengthBytes === 8
      ? Number(buffer.readBigUInt64BE(at + 2))
      : lengthBytes === 2
        ? buffer.readUInt16BE(at + 2)
        : short;
  const end = start + length;
  return buffer.length < end ? null : { opcode, payload: buffer.subarray(start, end), end };
}

/** Clients have to mask their frames. These frames are short: acknowledgements, and answers to pings. */
function maskedFrame(opcode: number, payload: Buffer): Buffer {
  if (payload.length > 125) throw new RangeError("frames of more than 125 bytes are not supported here");
  const mask = randomBytes(4);
  const masked = payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length]), mask, masked]);
}
