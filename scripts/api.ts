// A small typed client of the HTTP API for the programs in this folder. It retries what is worth retrying, and its
// error messages are meant for people. Applications use threadkeep-client instead.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import { headerText } from "../client/src/user-id.ts";
import { appendResultSchema } from "../src/api/append.ts";
import type { AppendResult } from "../src/api/append.ts";
import { contextSchema, textContextSchema } from "../src/api/context.ts";
import type { Context } from "../src/api/context.ts";
import { problemSchema } from "../src/api/errors.ts";
import { jobSchema } from "../src/api/job.ts";
import { messageSchema } from "../src/api/message.ts";
import type { Message, NewMessage } from "../src/api/message.ts";
import { pageSchema } from "../src/api/page.ts";
import type { Page } from "../src/api/page.ts";
import { sessionStateSchema } from "../src/api/session.ts";
import type { NewSession, SessionState } from "../src/api/session.ts";
import { summarySchema } from "../src/api/summary.ts";
import { TRANSFER_FORMAT, TRANSFER_MEDIA_TYPE, TRANSFER_VERSION } from "../src/api/transfer.ts";

/** How long a request may take before it counts as unanswered: longer than any wait the API offers. */
const REQUEST_TIMEOUT_MS = 30_000;
/** How long an unanswered request is repeated before the service counts as out of reach. */
const DEFAULT_PATIENCE_MS = 60_000;
const FIRST_RETRY_DELAY_MS = 100;
const MAX_RETRY_DELAY_MS = 5_000;
/** A `Retry-After` beyond this is not waited for: the person is told instead. */
const MAX_RETRY_AFTER_MS = 300_000;
/** An internal error may be temporary, but is not repeated for as long as a restart takes. */
const MAX_INTERNAL_FAULT_RETRIES = 3;
const REFUSED_FOR_NOW = new Set([408, 425, 429, 502, 503, 504]);

const summarizeResultSchema = z.object({
  job: jobSchema.nullish(),
  summary: summarySchema.nullish(),
});
export type SummarizeResult = z.infer<typeof summarizeResultSchema>;

const messagePageSchema = pageSchema(messageSchema);

/** The service refused, and repeating the request would not help. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The service did not answer, or asked to wait, for longer than the caller is willing to wait. */
export class ServiceOutOfReach extends Error {
  override readonly name = "ServiceOutOfReach";
}

export interface RetryNotice {
  readonly reason: string;
  readonly delayMs: number;
  /** Since the first attempt at this request, in ms. */
  readonly elapsedMs: number;
}

export interface ApiOptions {
  readonly url: string;
  readonly key: string;
  /** The user that a tenant's key speaks for. */
  readonly user?: string | undefined;
  readonly patienceMs?: number | undefined;
  /** The longest wait between two tries (5,000). */
  readonly maxRetryDelayMs?: number | undefined;
  readonly onRetry?: ((notice: RetryNotice) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly sleep?: (ms: number) => Promise<unknown>;
  readonly now?: () => number;
}

interface SummarizeOptions {
  readonly waitMs?: number;
  readonly keepRecentTokens?: number;
}

/** Every method except `ready` repeats requests that got no answer; all of them are idempotent. */
export interface Api {
  readonly url: string;
  ready(): Promise<boolean>;
  /** Null if there is no such session. */
  session(id: string): Promise<SessionState | null>;
  createSession(session: NewSession & { id: string }): Promise<void>;
  /** Creates a session with an earlier creation date, which the list of sessions shows; false if it exists already. */
  beginSession(session: NewSession & { id: string }, createdAt: string): Promise<boolean>;
  switchBranch(id: string, headSeq: number): Promise<void>;
  append(id: string, messages: readonly NewMessage[]): Promise<AppendResult>;
  messages(id: string, afterSeq: number, limit: number): Promise<Page<Message>>;
  context(id: string, maxTokens: number): Promise<Context>;
  contextText(id: string, maxTokens: number): Promise<string>;
  summarize(id: string, options: SummarizeOptions): Promise<SummarizeResult>;
}

export function createApi(options: ApiOptions): Api {
  const base = options.url.replace(/\/+$/, "");
  const send = createSender(base, options);
  const sessionPath = (id: string): string => `/v1/sessions/${encodeURIComponent(id)}`;
  return {
    url: base,
    async ready() {
      try {
        const answer = await fetch(`${base}/readyz`, { signal: AbortSignal.timeout(2_000) });
        await answer.arrayBuffer();
        return answer.ok;
      } catch {
        return false;
      }
    },
    async session(id) {
      try {
        return sessionStateSchema.parse(await send("GET", sessionPath(id)));
      } catch (error) {
        if (error instanceof ApiProblem && error.code === "session_not_found") return null;
        throw error;
      }
    },
    async createSession(session) {
      await send("POST", "/v1/sessions", session);
    },
    async beginSession({ id, metadata = {}, settings = {} }, createdAt) {
      // An import without messages, because only an import may set an earlier date.
      const first = { type: "session", format: TRANSFER_FORMAT, formatVersion: TRANSFER_VERSION, id, createdAt };
      const end = { type: "end", messages: 0, summaries: 0, items: 0, complete: true };
      const lines = [{ ...first, metadata, settings }, end].map((line) => `${JSON.stringify(line)}\n`);
      try {
        await send("POST", `/v1/import?sessionId=${encodeURIComponent(id)}`, new JsonLines(lines.join("")));
        return true;
      } catch (error) {
        if (error instanceof ApiProblem && error.code === "session_exists") return false;
        throw error;
      }
    },
    async switchBranch(id, headSeq) {
      await send("PUT", `${sessionPath(id)}/branch`, { headSeq });
    },
    async append(id, messages) {
      return appendResultSchema.parse(await send("POST", `${sessionPath(id)}/messages`, { messages }));
    },
    async messages(id, afterSeq, limit) {
      return messagePageSchema.parse(
        await send("GET", `${sessionPath(id)}/messages?afterSeq=${afterSeq}&limit=${limit}`),
      );
    },
    async context(id, maxTokens) {
      return contextSchema.parse(await send("GET", `${sessionPath(id)}/context?maxTokens=${maxTokens}`));
    },
    async contextText(id, maxTokens) {
      const answer = await send("GET", `${sessionPath(id)}/context?maxTokens=${maxTokens}&format=text`);
      return textContextSchema.parse(answer).text;
    },
    async summarize(id, summarizeOptions) {
      return summarizeResultSchema.parse(await send("POST", `${sessionPath(id)}/summarize`, summarizeOptions));
    },
  };
}

/** A request body that is JSON Lines already. */
class JsonLines {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Send = (method: string, resource: string, body?: unknown) => Promise<unknown>;

interface Refusal {
  readonly reason: string;
  readonly retryAfterMs?: number;
  readonly isInternal?: boolean;
}

function createSender(base: string, options: ApiOptions): Send {
  const now = options.now ?? (() => performance.now());
  const sleep =
    options.sleep ??
    ((ms: number) => setTimeout(ms, undefined, options.signal === undefined ? {} : { signal: options.signal }));
  const patienceMs = options.patienceMs ?? DEFAULT_PATIENCE_MS;

  return async (method, resource, body) => {
    const startedAt = now();
    let internalFaults = 0;
    for (let attempt = 1; ; attempt += 1) {
      options.signal?.throwIfAborted();
      const result = await tryOnce(base, options, method, resource, body);
      if ("value" in result) return result.value;
      if (result.isInternal === true) internalFaults += 1;
      const delayMs = result.retryAfterMs ?? backOff(attempt, options.maxRetryDelayMs ?? MAX_RETRY_DELAY_MS);
      const elapsedMs = now() - startedAt;
      // A service that says when to come back is running, so these waits do not count as being out of reach.
      const isTooLong =
        result.retryAfterMs === undefined ? elapsedMs + delayMs > patienceMs : result.retryAfterMs > MAX_RETRY_AFTER_MS;
      if (isTooLong || internalFaults > MAX_INTERNAL_FAULT_RETRIES) {
        throw new ServiceOutOfReach(
          `${base} did not take ${method} ${resource} in ${attempt} tries over ${Math.round(elapsedMs / 1_000)} s: ${result.reason}`,
        );
      }
      options.onRetry?.({ reason: result.reason, delayMs, elapsedMs });
      await sleep(delayMs);
    }
  };
}

/** Doubles from attempt to attempt, with jitter so that parallel requests do not all come back at once. */
function backOff(attempt: number, maxDelayMs: number): number {
  const full = Math.min(maxDelayMs, FIRST_RETRY_DELAY_MS * 2 ** (attempt - 1));
  return Math.round(full * (0.5 + Math.random() / 2));
}

async function tryOnce(
  base: string,
  options: ApiOptions,
  method: string,
  resource: string,
  body: unknown,
): Promise<{ readonly value: unknown } | Refusal> {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(`${base}${resource}`, {
      method,
      headers: {
        authorization: `Bearer ${options.key}`,
        ...(body === undefined
          ? {}
          : { "content-type": body instanceof JsonLines ? TRANSFER_MEDIA_TYPE : "application/json" }),
        ...(options.user === undefined ? {} : { "threadkeep-user": headerText(options.user) }),
      },
      ...(body === undefined ? {} : { body: body instanceof JsonLines ? body.text : JSON.stringify(body) }),
      signal,
    });
    // The body may break off too if the service dies, so it is read within the same error handling.
    text = await answer.text();
  } catch (error) {
    options.signal?.throwIfAborted();
    return { reason: networkReason(error) };
  }
  if (answer.ok) return { value: parseAnswer(text, method, resource) };
  const problem = readProblem(text);
  if (REFUSED_FOR_NOW.has(answer.status)) {
    const retryAfterMs = readRetryAfter(answer.headers.get("retry-after"));
    const reason = `HTTP ${answer.status}${problem === null ? "" : `, ${problem.code}: ${problem.detail}`}`;
    return retryAfterMs === undefined ? { reason } : { reason, retryAfterMs };
  }
  if (answer.status >= 500) {
    return { reason: `HTTP ${answer.status}${requestIdOf(problem)}`, isInternal: true };
  }
  throw toApiProblem(answer.status, problem);
}

function parseAnswer(text: string, method: string, resource: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiProblem(
      200,
      "not_threadkeep",
      `${method} ${resource} was not answered with JSON: is this the URL of a Threadkeep service?`,
    );
  }
}

type ProblemDocument = z.infer<typeof problemSchema>;

function readProblem(text: string): ProblemDocument | null {
  try {
    const parsed = problemSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

function requestIdOf(problem: ProblemDocument | null): string {
  return problem === null ? "" : ` (${problem.code}, request ${problem.requestId})`;
}

function toApiProblem(status: number, problem: ProblemDocument | null): ApiProblem {
  if (problem === null) {
    return new ApiProblem(status, `http_${status}`, `HTTP ${status}, without a reason`);
  }
  const faults = (problem.errors ?? []).map((fault) => `${fault.path} ${fault.detail}`).join("; ");
  const detail = faults === "" ? problem.detail : `${problem.detail} (${faults})`;
  return new ApiProblem(status, problem.code, `${problem.code}: ${detail}`);
}

/** Parses seconds or a date; undefined if there is none, or it is invalid. */
function readRetryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const trimmed = header.trim();
  if (/^\d{1,9}$/.test(trimmed)) return Number(trimmed) * 1_000;
  const at = Date.parse(trimmed);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

/** fetch hides the reason (ECONNREFUSED …) in the cause of its error. */
function networkReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `no answer within ${REQUEST_TIMEOUT_MS / 1_000} s`;
  const cause = error.cause;
  if (cause instanceof Error) {
    const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
    return code === "ECONNREFUSED" ? "nothing listens there (ECONNREFUSED)" : code || cause.message;
  }
  return error.message;
}

const devFileSchema = z.object({ url: z.string(), apiKey: z.string() });
export type LocalService = z.infer<typeof devFileSchema>;

/** Reads what `npm start` wrote about the service of this checkout; null if it never ran. */
export function readLocalService(stateDirectory: string): LocalService | null {
  const file = path.join(stateDirectory, "dev.json");
  if (!existsSync(file)) return null;
  try {
    const parsed = devFileSchema.safeParse(JSON.parse(readFileSync(file, "utf8")));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
