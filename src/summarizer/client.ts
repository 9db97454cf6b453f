/**
 * The client with which the pipeline calls a summarizer: the built-in one in the same process, or any MCP server with
 * the same tool.
 */
import {
  type CallToolResult,
  Client,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import {
  SUMMARIZE_TOOL,
  type SummarizerAnswer,
  summarizerAnswerSchema,
  type SummarizerRequest,
} from "../api/summarizer.ts";
import { oneLine } from "../api/text.ts";
import { failureKindOf, ProviderError } from "../provider/provider-error.ts";
import { parseRetryAfter } from "../provider/retry-after.ts";
import { continueTrace } from "../telemetry/trace.ts";
import { cutAtWord } from "./sentences.ts";
import { readToolFailure } from "./tool-failure.ts";

const VERSION = "1.0.0";
/** The model's name is stored with every summary. */
const MAX_MODEL_CHARACTERS = 128;

export interface SummarizerClientOptions {
  /** Sends each request: the global fetch, or the handler of the built-in agent. It should honour `request.signal`. */
  readonly fetch: (request: Request) => Promise<Response>;
  readonly url: string;
  /** Sent as a bearer token. */
  readonly token?: string;
  /** For the whole call, including connecting. */
  readonly timeoutMs: number;
  /** The client's name, as the server sees it. */
  readonly name: string;
}

export interface SummarizerClient {
  /**
   * Makes one call; nothing is kept between calls, and failures are not retried, because the queue does that.
   * @param trace the request that it is made for, sent as the header `traceparent`
   * @throws {ProviderError} or, if `signal` was aborted, the reason of that
   */
  summarize(request: SummarizerRequest, signal?: AbortSignal, trace?: string): Promise<SummarizerAnswer>;
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text.trim().replaceAll(/^```(?:json)?|```$/g, ""));
  } catch {
    return undefined;
  }
}

/** The data of the answer: structured content, or from a server that returns only text, the first text that is JSON. */
function answerData(result: CallToolResult): unknown {
  if (result.structuredContent !== undefined) return result.structuredContent;
  for (const block of result.content) {
    const data = block.type === "text" ? parsedJson(block.text) : undefined;
    if (data !== undefined) return data;
  }
  return undefined;
}

function validAnswer(data: unknown): SummarizerAnswer {
  const parsed = summarizerAnswerSchema.safeParse(data);
  if (!parsed.success) {
    const places = parsed.error.issues.map(({ path, code }) => `/${path.join("/")} ${code}`);
    throw new ProviderError("invalid_answer", places.slice(0, 3).join(", "));
  }
  const { items, model, ...rest } = parsed.data;
  // JSON can contain NUL characters and lone surrogates, which neither SQLite nor PostgreSQL stores.
  const clean = items.map((item) => ({ ...item, text: oneLine(item.text) })).filter(({ text }) => text !== "");
  return { ...rest, items: clean, model: cutAtWord(oneLine(model), MAX_MODEL_CHARACTERS) };
}

/** An HTTP response with a status other than 2xx. */
interface Refusal {
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
}

/** Uses only codes and statuses, because the messages of these errors quote bodies. */
function failureOf(error: unknown, timedOut: boolean, refusal: Refusal | null): ProviderError {
  const code = error instanceof SdkError ? error.code : null;
  if (timedOut || code === SdkErrorCode.RequestTimeout) {
    return new ProviderError("timeout", "no answer in time");
  }
  if (error instanceof ProtocolError) {
    return new ProviderError("tool_error", `the server answered with error ${error.code}`);
  }
  if (refusal !== null) {
    const { status, retryAfterSeconds } = refusal;
    return new ProviderError(failureKindOf(status), `HTTP ${status}`, { status, retryAfterSeconds });
  }
  if (code === SdkErrorCode.InvalidResult || code === SdkErrorCode.UnsupportedResultType) {
    return new ProviderError("invalid_answer", code);
  }
  return new ProviderError("unreachable", code ?? (error instanceof Error ? error.name : "failed"));
}

export function createSummarizerClient(options: SummarizerClientOptions): SummarizerClient {
  const headers: Record<string, string> =
    options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
  return {
    async summarize(request, signal, trace) {
      const timeout = AbortSignal.timeout(options.timeoutMs);
      const cancelled = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
      const last: { refusal: Refusal | null } = { refusal: null };
      const transport = new StreamableHTTPClientTransport(new URL(options.url), {
        requestInit: { headers: { ...headers, ...(trace === undefined ? {} : { traceparent: continueTrace(trace) }) } },
        fetch: async (url, init) => {
          // The transport aborts its requests only when it is closed, so the time limit must be passed to each request
          // as well.
          const ends = AbortSignal.any(init?.signal ? [cancelled, init.signal] : [cancelled]);
          // A redirect would send the chat to an address other than the configured one.
          const response = await options.fetch(new Request(url, { ...init, redirect: "manual", signal: ends }));
          last.refusal = response.ok ? null : refusalOf(response);
          return response;
        },
      });
      const client = new Client({ name: options.name, version: VERSION }, { versionNegotiation: { mode: "auto" } });
      const limits = { signal: cancelled, timeout: options.timeoutMs };
      let result: CallToolResult;
      try {
        await client.connect(transport, limits);
        result = await client.callTool({ name: SUMMARIZE_TOOL, arguments: { ...request } }, limits);
      } catch (error) {
        signal?.throwIfAborted();
        throw failureOf(error, timeout.aborted, last.refusal);
      } finally {
        await client.close();
      }
      if (result.isError === true) throw readToolFailure(result);
      return validAnswer(answerData(result));
    },
  };
}

function refusalOf(response: Response): Refusal {
  const retryAfterSeconds = parseRetryAfter(response.headers.get("retry-after"), Date.now());
  return { status: response.status, retryAfterSeconds };
}
