// Requests over keep-alive connections. It neither retries nor parses, so that the client adds as little as possible to the measured
// time. The programs next to this directory use scripts/api.ts instead.
import { Agent, request } from "node:http";

/** Longer than any answer that is still worth measuring. */
const REQUEST_TIMEOUT_MS = 30_000;

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
  /** From the call to the last byte of the answer. */
  readonly ms: number;
}

export interface Target {
  readonly url: string;
  readonly apiKey: string;
}

/** An answer that was not the expected one, or none. */
export class RequestFailure extends Error {
  override readonly name = "RequestFailure";
  /** A short code without ids, such as `503 overloaded` or `ECONNRESET`, by which failures are counted. */
  readonly kind: string;

  constructor(kind: string, message: string) {
    super(message);
    this.kind = kind;
  }
}

export class BenchClient {
  readonly #agent: Agent;
  readonly #host: string;
  readonly #port: string;
  readonly #base: string;
  readonly #authorization: string;

  constructor(target: Target, maxConnections: number) {
    const url = new URL(target.url);
    if (url.protocol !== "http:") throw new RequestFailure("url", `${target.url}: the benchmark supports http:// only`);
    this.#host = url.hostname;
    this.#port = url.port === "" ? "80" : url.port;
    this.#base = url.pathname.replace(/\/+$/, "");
    this.#authorization = `Bearer ${target.apiKey}`;
    this.#agent = new Agent({ keepAlive: true, maxSockets: maxConnections, noDelay: true, scheduling: "fifo" });
  }

  close(): void {
    this.#agent.destroy();
  }

  /**
   * Fails unless the answer has one of the expected statuses.
   * @param user the user that the application acts for; omit it to act for the tenant itself
   */
  async send(
    method: string,
    resource: string,
    body: string | null,
    expected: readonly number[],
    user?: string,
  ): Promise<Answer> {
    const answer = await this.#exchange(method, resource, body, user);
    if (!expected.includes(answer.status)) throw refusalOf(method, resource, answer);
    return answer;
  }

  #exchange(method: string, resource: string, body: string | null, user: string | undefined): Promise<Answer> {
    const headers = {
      authorization: this.#authorization,
      ...(user === undefined ? {} : { "threadkeep-user": user }),
      ...(body === null ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    };
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => reject(connectionFailure(method, resource, error));
      const startedAt = performance.now();
      const sent = request(
        {
          agent: this.#agent,
          host: this.#host,
          port: this.#port,
          path: this.#base + resource,
          method,
          timeout: REQUEST_TIMEOUT_MS,
          headers,
        },
        (response) => {
          const pieces: Buffer[] = [];
          response.on("data", (piece: Buffer) => pieces.push(piece));
          response.on("error", fail);
          response.on("end", () => {
            const ms = performance.now() - startedAt;
            resolve({ status: response.statusCode ?? 0, body: Buffer.concat(pieces), ms });
          });
        },
      );
      sent.on("error", fail);
      sent.on("timeout", () => sent.destroy(new Error(`no answer within ${REQUEST_TIMEOUT_MS / 1_000} s`)));
      sent.end(body ?? undefined);
    });
  }
}

function connectionFailure(method: string, resource: string, error: Error): RequestFailure {
  const code = "code" in error && typeof error.code === "string" ? error.code : error.message;
  return new RequestFailure(code, `${method} ${resource}: ${error.message}`);
}

function refusalOf(method: string, resource: string, answer: Answer): RequestFailure {
  const text = answer.body.toString("utf8").slice(0, 500);
  return new RequestFailure(
    `${answer.status} ${problemCode(text)}`.trim(),
    `${method} ${resource}: ${answer.status} ${text}`,
  );
}

function problemCode(text: string): string {
  return /"code":"(\w+)"/.exec(text)?.[1] ?? "";
}
