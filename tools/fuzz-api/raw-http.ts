// HTTP/1.1 by hand: it can send what no client would send, and shows the answer exactly as it came.
import { connect } from "node:net";

export interface RawAnswer {
  readonly status: number;
  /** Header names in lower case. If a name comes twice, the last value counts. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly bodyBytes: number;
}

export interface RawRequest {
  readonly method: string;
  /** The target, exactly as the request line should contain it. */
  readonly path: string;
  /** In this order, possibly repeated. Headers that the connection needs are added. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: Uint8Array;
  /** Breaks the body off: either its announced length is too long, or its last chunk is missing. */
  readonly cutOff?: "length" | "chunks";
  readonly isChunked?: boolean;
}

const ANSWER_TIMEOUT_MS = 30_000;
const CHUNK_BYTES = 4_096;
/** How much is read of an answer without an end, such as an event stream. No 4xx answer is longer. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Returns the answer, or null if the connection was closed without one. Rejects if nothing comes within 30 s. */
export function sendRaw(url: string, request: RawRequest): Promise<RawAnswer | null> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const socket = connect(Number(port), hostname);
    const done = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(parseAnswer(Buffer.concat(chunks)));
    };
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer in ${ANSWER_TIMEOUT_MS} ms`));
    }, ANSWER_TIMEOUT_MS);
    socket.setNoDelay(true);
    socket.on("data", (data: Buffer) => {
      chunks.push(data);
      bytes += data.byteLength;
      if (bytes > MAX_ANSWER_BYTES || isWhole(Buffer.concat(chunks), request.method)) done();
    });
    socket.on("end", done);
    // A server that has answered already may close the connection while the rest of a body is on its way.
    socket.on("error", done);
    socket.on("connect", () => {
      socket.write(Buffer.concat([...piecesOf(request, `${hostname}:${port}`)]));
      if (request.cutOff !== undefined) socket.end();
    });
  });
}

function* piecesOf({ method, path, headers, body, cutOff, isChunked }: RawRequest, host: string): Generator<Buffer> {
  const has = (name: string): boolean => headers.some(([given]) => given.toLowerCase() === name);
  const chunked = isChunked === true || cutOff === "chunks";
  const lines = [
    `${method} ${path} HTTP/1.1`,
    ...(has("host") ? [] : [`Host: ${host}`]),
    ...(has("connection") ? [] : ["Connection: close"]),
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ];
  if (body !== undefined && chunked) lines.push("Transfer-Encoding: chunked");
  if (body !== undefined && !chunked && !has("content-length")) {
    lines.push(`Content-Length: ${cutOff === "length" ? body.byteLength + 1_000 : body.byteLength}`);
  }
  yield Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  if (body === undefined) return;
  if (!chunked) {
    yield Buffer.from(body);
    return;
  }
  for (let at = 0; at < body.byteLength; at += CHUNK_BYTES) {
    const chunk = body.subarray(at, at + CHUNK_BYTES);
    yield Buffer.concat([Buffer.from(`${chunk.byteLength.toString(16)}\r\n`), chunk, Buffer.from("\r\n")]);
  }
  if (cutOff === undefined) yield Buffer.from("0\r\n\r\n");
}

/** Whether the answer is complete. Not every server closes the connection when it is asked to. */
function isWhole(bytes: Buffer, method: string): boolean {
  const answer = parseAnswer(bytes);
  if (answer === null) return false;
  const { status, headers } = answer;
  if (method === "HEAD" || status === 101 || status === 204 || status === 304) return true;
  if (headers["content-type"] === "text/event-stream") return true;
  const length = headers["content-length"];
  if (length !== undefined) return answer.bodyBytes >= Number(length);
  return headers["transfer-encoding"] === "chunked" && bytes.subarray(-5).toString("latin1") === "0\r\n\r\n";
}

const CONTINUE = "HTTP/1.1 100 ";

function parseAnswer(bytes: Buffer): RawAnswer | null {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return null;
  if (bytes.subarray(0, CONTINUE.length).toString("latin1") === CONTINUE) return parseAnswer(bytes.subarray(end + 4));
  const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1]);
  if (!Number.isInteger(status)) return null;
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const rest = bytes.subarray(end + 4);
  const body = headers["transfer-encoding"] === "chunked" ? joinChunks(rest) : rest;
  return { status, headers, text: body.toString("utf8"), bodyBytes: body.byteLength };
}

function joinChunks(bytes: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const line = bytes.indexOf("\r\n", at);
    const length = line < 0 ? 0 : Number.parseInt(bytes.subarray(at, line).toString("latin1"), 16);
    if (!(length > 0)) return Buffer.concat(chunks);
    chunks.push(bytes.subarray(line + 2, line + 2 + length));
    at = line + 2 + length + 2;
  }
}
