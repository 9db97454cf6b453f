import { isRetried, pauseBefore, retryAfterMs } from "./backoff.ts";
import { type Deadline, startDeadline } from "./deadline.ts";
import { errorOf, invalidArgument, ThreadkeepError } from "./errors.ts";
import { checkUserId, headerText } from "./user-id.ts";

/** The address of the service and the caller's credential. */
export interface ClientOptions {
  /** URL of the service, such as `https://memory.example.com`. A path is kept. */
  url: string;
  /** A tenant's API key. Use it only on a server, never in a page. */
  key?: string | undefined;
  /** Instead of a key: a user's token, or a function that returns one. The function is called before each try. */
  token?: string | (() => string | Promise<string>) | undefined;
  /**
   * The user for whom a tenant's key acts; each user has their own sessions. Any text of up to 256 characters on one
   * line, such as `auth0|65f1c`.
   */
  user?: string | undefined;
  /** Replaces the global `fetch`, for example with that of a service binding. */
  fetch?: ((input: string, init: RequestInit) => Promise<Response>) | undefined;
  /** Replaces the global `WebSocket`, where there is none. */
  webSocket?: ((url: string) => WebSocket) | undefined;
  /** Timeout of one call with all its tries, in ms; 30,000 by default. */
  timeoutMs?: number | undefined;
  /** How many times a call is tried, 1 to 10; 4 by default. */
  maxTries?: number | undefined;
  /** Wraps each call with all its tries; see `openTelemetry()` in `threadkeep-client/opentelemetry`. */
  tracing?: Tracing | undefined;
}

/** A call as tracing sees it: without text of a chat, and without credentials. */
export interface TracedCall {
  readonly method: WireRequest["method"];
  /** The path after `/v1`, with its parameters escaped. */
  readonly path: string;
  /** URL of the service. */
  readonly url: string;
}

/** Wraps a call, for example in a span. `run` sends the call, with additional headers such as `traceparent`. */
export type Tracing = <T>(
  call: TracedCall,
  run: (headers: Readonly<Record<string, string>>) => Promise<T>,
) => Promise<T>;

/** Options of every call. */
export interface CallOptions {
  /** Aborts the call, including retries and pauses. It rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Replaces the client's `timeoutMs`. */
  timeoutMs?: number | undefined;
  /** Refuse content that cannot be stored unchanged. By default it is changed, and `mended` lists where. */
  strictText?: boolean | undefined;
}

export interface WireRequest {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** The path after `/v1`, with its parameters escaped. */
  path: string;
  query?: Readonly<Record<string, string | number | undefined>>;
  /** Sent as JSON. */
  body?: unknown;
  /** JSON Lines, sent unchanged. */
  lines?: string;
  /** Whether `lines` may be sent again after a lost answer. By default they are sent once. */
  isRepeatable?: boolean;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_TRIES = 4;
const MAX_TRIES = 10;

/** Sends requests with retries, pauses and a deadline. Every request that it retries is idempotent. */
export class Connection {
  readonly #options: ClientOptions;
  readonly #base: string;
  readonly #maxTries: number;

  constructor(options: ClientOptions) {
    this.#base = readBase(options);
    this.#options = options;
    this.#maxTries = options.maxTries ?? DEFAULT_TRIES;
  }

  get webSocket(): ClientOptions["webSocket"] {
    return this.#options.webSocket;
  }

  /** A connection for another user. */
  withUser(user: string): Connection {
    return new Connection({ ...this.#options, user });
  }

  async json<T>(request: WireRequest, options: CallOptions = {}): Promise<T> {
    return this.#try(request, options, async (response) => {
      const text = await response.text();
      try {
        const value: T = JSON.parse(text);
        return value;
      } catch (cause) {
        throw unexpected(response.status, cause);
      }
    });
  }

  /** An answer that is read while it arrives. The timeout applies until it begins; after that only the signal. */
  async stream(request: WireRequest, options: CallOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.#try(request, options, async (response) => {
      if (response.body === null) throw unexpected(response.status, null);
      return response.body;
    });
  }

  async #try<T>(request: WireRequest, options: CallOptions, read: (response: Response) => Promise<T>): Promise<T> {
    const { tracing } = this.#options;
    if (tracing === undefined) return await this.#tryAgain(request, options, read, {});
    const call = { method: request.method, path: request.path, url: this.#base };
    return await tracing(call, (headers) => this.#tryAgain(request, options, read, headers));
  }

  async #tryAgain<T>(
    request: WireRequest,
    options: CallOptions,
    read: (response: Response) => Promise<T>,
    more: Readonly<Record<string, string>>,
  ): Promise<T> {
    const deadline = startDeadline(options.timeoutMs ?? this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS, options.signal);
    try {
      for (let tries = 1; ; tries += 1) {
        const outcome = await this.#send(request, { isStrict: options.strictText === true, more }, deadline, read);
        if ("value" in outcome) return outcome.value;
        const { error, retryAfter } = outcome;
        error.tries = tries;
        const isOnce = request.lines !== undefined && request.isRepeatable !== true;
        if (retryAfter === "never" || tries >= this.#maxTries || isOnce) throw error;
        if (!(await deadline.pause(pauseBefore(tries, retryAfter, Math.random())))) throw error;
      }
    } finally {
      deadline.clear();
    }
  }

  async #send<T>(
    request: WireRequest,
    { isStrict, more }: { isStrict: boolean; more: Readonly<Record<string, string>> },
    deadline: Deadline,
    read: (response: Response) => Promise<T>,
  ): Promise<{ value: T } | { error: ThreadkeepError; retryAfter: number | null | "never" }> {
    let response: Response | null = null;
    try {
      const headers = { ...more, ...(await this.#headers(request, isStrict)) };
      deadline.check();
      const send = this.#options.fetch ?? globalThis.fetch;
      response = await send(this.urlOf(request), initOf(request, headers, deadline.signal));
      if (response.ok) return { value: await read(response) };
      const error = errorOf(response.status, await response.text());
      const wait = retryAfterMs(response.headers.get("Retry-After"), Date.now());
      return { error, retryAfter: isRetried(response.status) ? wait : "never" };
    } catch (cause) {
      deadline.check(cause);
      if (cause instanceof ThreadkeepError) return { error: cause, retryAfter: "never" };
      return { error: networkError(response?.status, cause), retryAfter: null };
    }
  }

  async #headers({ body, lines }: WireRequest, isStrict: boolean): Promise<Record<string, string>> {
    const { key, token, user } = this.#options;
    const credential = key ?? (typeof token === "function" ? await readToken(token) : token);
    return {
      Accept: "application/json",
      ...(credential === undefined ? {} : { Authorization: `Bearer ${credential}` }),
      ...(user === undefined ? {} : { "Threadkeep-User": headerText(user) }),
      ...(isStrict ? { "Threadkeep-Strict-Text": "true" } : {}),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(lines === undefined ? {} : { "Content-Type": "application/x-ndjson" }),
    };
  }

  urlOf({ path, query = {} }: Pick<WireRequest, "path" | "query">): string {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
    return `${this.#base}/v1${path}${search.size === 0 ? "" : `?${search}`}`;
  }
}

function readBase({ url, key, token, user, maxTries = 1 }: ClientOptions): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw invalidArgument("url must be the address of the service, such as https://memory.example.com.");
  }
  if (key !== undefined && token !== undefined) throw invalidArgument("Give a key or a token, not both.");
  if (!(Number.isInteger(maxTries) && maxTries >= 1 && maxTries <= MAX_TRIES)) {
    throw invalidArgument(`maxTries must be a whole number from 1 to ${MAX_TRIES}.`);
  }
  if (user !== undefined) checkUserId(user);
  const { origin, pathname } = new URL(url);
  return origin + pathname.replace(/(?<!\/)\/+$/, "");
}

/** Checks an id before it is put into a path: `..` would lead out of the path, and an empty id would name the list. */
export function checkId(id: string, name: string): string {
  if (/^(?!\.{1,2}$)[A-Za-z0-9._:-]{1,128}$/.test(id)) return encodeURIComponent(id);
  throw invalidArgument(`The ${name} must be 1 to 128 characters of A-Z a-z 0-9 . _ : - and neither . nor ..`);
}

function initOf({ method, body, lines }: WireRequest, headers: Record<string, string>, signal: AbortSignal) {
  const init: RequestInit = { method, headers, signal };
  if (body !== undefined) return { ...init, body: JSON.stringify(body) };
  return lines === undefined ? init : { ...init, body: lines };
}

async function readToken(token: () => string | Promise<string>): Promise<string> {
  try {
    return await token();
  } catch (cause) {
    const detail = "The token function threw an error: see cause.";
    throw new ThreadkeepError({ code: "invalid_argument", detail, cause });
  }
}

function networkError(status: number | undefined, cause: unknown): ThreadkeepError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const detail = `The connection failed before the answer was complete (${reason}). Check the url and the network, then try again.`;
  return new ThreadkeepError({ code: "network_error", detail, cause, ...(status === undefined ? {} : { status }) });
}

function unexpected(status: number, cause: unknown): ThreadkeepError {
  const detail = `The answer with status ${status} is not JSON. Check the url, and whether a proxy answered.`;
  return new ThreadkeepError({ code: "unexpected_answer", detail, status, cause });
}
