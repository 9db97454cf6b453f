import { isRetried, pauseBefore, retryAfterMs } from "./backoff.ts";
import { type Deadline, startDeadline } from "./deadline.ts";
import { errorOf, invalidArgument, ThreadkeepError } from "./errors.ts";
import { checkUserId, headerText } from "./user-id.ts";

/** Where the service is, and who calls it. */
export interface ClientOptions {
  /** Of the service, such as `https://memory.example.com`. A path is kept. */
  url: string;
  /** A tenant's API key. It belongs on a server, never into a page. */
  key?: string | undefined;
  /** In place of a key: a user's token, or what gets one; it is asked before each try. */
  token?: string | (() => string | Promise<string>) | undefined;
  /** The user that a tenant's key speaks for: each has sessions of their own. Any text of up to 256 characters on one line, such as `auth0|65f1c`. */
  user?: string | undefined;
  /** In place of the global `fetch`, such as a service binding's. */
  fetch?: ((input: string, init: RequestInit) => Promise<Response>) | undefined;
  /** In place of the global `WebSocket`, where there is none. */
  webSocket?: ((url: string) => WebSocket) | undefined;
  /** For one call with all its tries, in ms: 30,000 by default. */
  timeoutMs?: number | undefined;
  /** Tries in all, 1 to 10: 4 by default. */
  maxTries?: number | undefined;
  /** Around each call with all its tries: `openTelemetry()` of `threadkeep-client/opentelemetry`. */
  tracing?: Tracing | undefined;
}

/** A call as whoever traces it sees it: nothing of what was said, and no credential. */
export interface TracedCall {
  readonly method: WireRequest["method"];
  /** After `/v1`, with its parameters escaped. */
  readonly path: string;
  /** Of the service. */
  readonly url: string;
}

/** Runs a call, such as in a span. `run` takes headers for each of its requests, such as the one that says which trace it belongs to. */
export type Tracing = <T>(
  call: TracedCall,
  run: (headers: Readonly<Record<string, string>>) => Promise<T>,
) => Promise<T>;

/** What every call takes besides. */
export interface CallOptions {
  /** Ends the call at once, tries and pauses included; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** In place of the client's own. */
  timeoutMs?: number | undefined;
  /** Refuse content that no store keeps as it is, in the place of mending it and telling so in `mended`. */
  strictText?: boolean | undefined;
}

export interface WireRequest {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** After `/v1`, with its parameters escaped. */
  path: string;
  query?: Readonly<Record<string, string | number | undefined>>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is. */
  lines?: string;
  /** Lines that may come twice; others are sent once. */
  isRepeatable?: boolean;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_TRIES = 4;
const MAX_TRIES = 10;

/** Requests with tries, pauses and a deadline. Whatever it sends twice changes nothing the second time. */
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

  /** The same for another user. */
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

  /** An answer that is read as it comes. The deadline holds until it begins; from there on the signal alone. */
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

/** What stands in a path must be a name: `..` would climb out of it, and an empty one would name the list. */
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
    const detail = "The token could not be had: what was given as token threw. See cause.";
    throw new ThreadkeepError({ code: "invalid_argument", detail, cause });
  }
}

function networkError(status: number | undefined, cause: unknown): ThreadkeepError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const detail = `No whole answer came (${reason}). Check the url and the network, then send it again.`;
  return new ThreadkeepError({ code: "network_error", detail, cause, ...(status === undefined ? {} : { status }) });
}

function unexpected(status: number, cause: unknown): ThreadkeepError {
  const detail = `The answer ${status} holds no JSON. Check the url, and what stands between.`;
  return new ThreadkeepError({ code: "unexpected_answer", detail, status, cause });
}
