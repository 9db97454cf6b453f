/** How a failure travels over MCP: under `error` in the structured content of the tool's result. */
import type { CallToolResult } from "@modelcontextprotocol/client";
import { z } from "zod";
import { type SummarizerFailure, summarizerFailureSchema } from "../api/summarizer.ts";
import { ProviderError } from "../provider/provider-error.ts";
import { parseRetryAfter } from "../provider/retry-after.ts";

/** Where a failed tool result may say how long to wait, for servers that do not know our `error` object. */
const RETRY_AFTER_META_KEY = "threadkeep/retryAfterSeconds";

const failedContentSchema = z.object({ error: summarizerFailureSchema });

/**
 * The failed result of the tool. Only our own words are sent, because a provider's message may quote the prompt, and
 * with it the conversation.
 */
export function writeToolFailure(error: ProviderError): CallToolResult {
  const { kind, status, retryAfterSeconds, usage } = error;
  const failure: SummarizerFailure = {
    kind: kind === "circuit_open" ? "unreachable" : kind,
    ...(status === undefined ? {} : { status }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(usage === undefined ? {} : { usage }),
  };
  return {
    isError: true,
    structuredContent: { error: failure },
    content: [{ type: "text", text: error.message }],
    ...(retryAfterSeconds === undefined ? {} : { _meta: { [RETRY_AFTER_META_KEY]: retryAfterSeconds } }),
  };
}

/**
 * Takes from a failed result only fields that cannot contain text, because the server's words may quote the
 * conversation.
 */
export function readToolFailure(result: CallToolResult): ProviderError {
  const { _meta: meta } = result;
  const told = failedContentSchema.safeParse(result.structuredContent);
  const { kind, status, retryAfterSeconds, usage } = told.success
    ? told.data.error
    : { kind: "tool_error" as const, status: undefined, retryAfterSeconds: undefined, usage: undefined };
  const pause = retryAfterSeconds ?? meta?.[RETRY_AFTER_META_KEY];
  const seconds = typeof pause === "number" ? parseRetryAfter(String(pause), 0) : undefined;
  const detail = status === undefined ? "the tool reported a failure" : `the model's provider answered HTTP ${status}`;
  return new ProviderError(kind, detail, { status, retryAfterSeconds: seconds, usage });
}
