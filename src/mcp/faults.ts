/** Converts faults to MCP errors: the same problem as over HTTP, with a text that a model can act on. */

import {
  type CallToolResult,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
} from "@modelcontextprotocol/server";
import { type Fault, type ProblemCode, PROBLEMS } from "../api/errors.ts";
import { problemOf } from "../api/problem.ts";

/**
 * The key in `_meta` of an error result that holds the problem document. `structuredContent` is reserved for successful
 * results.
 */
const PROBLEM_META_KEY = "threadkeep/problem";

/** Which tool a model can call next. The fault's own text is written for HTTP. */
const NEXT_CALLS: Partial<Readonly<Record<ProblemCode, string>>> = {
  session_not_found: "list_sessions lists the sessions; append_messages creates one.",
  session_expired: "search_memory without sessionId searches its summary. Continue in a session with another id.",
  message_not_found: "search_memory and read_messages list messages with their seq and id.",
  message_conflict: "To correct a stored message, append the correction as a message with a new id.",
  head_seq_mismatch: "get_context returns the messages since then.",
};

/** The code, what is wrong and what to do next, and a line for each fault with its path. */
function wordsOf(fault: Fault, requestId: string): string {
  const lines = [`${fault.code}: ${fault.detail}`];
  for (const { path, detail } of fault.errors ?? []) lines.push(`- ${path === "" ? "the arguments" : path}: ${detail}`);
  const next = NEXT_CALLS[fault.code];
  if (next !== undefined) lines.push(next);
  if (fault.retryAfterSeconds !== undefined) lines.push(`Retry-After: ${Math.ceil(fault.retryAfterSeconds)} seconds`);
  lines.push(`requestId: ${requestId}`);
  return lines.join("\n");
}

export function toolError(fault: Fault, requestId: string): CallToolResult {
  return {
    isError: true,
    content: [{ type: "text", text: wordsOf(fault, requestId) }],
    _meta: { [PROBLEM_META_KEY]: problemOf(fault, requestId) },
  };
}

/** The error of a prompt or a resource, which cannot return error results. */
export function protocolError(fault: Fault, requestId: string, uri?: string): ProtocolError {
  const { status } = PROBLEMS[fault.code];
  const words = wordsOf(fault, requestId);
  if (uri !== undefined && (status === 404 || status === 410)) return new ResourceNotFoundError(uri, words);
  const code = status < 500 ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
  return new ProtocolError(code, words, problemOf(fault, requestId));
}
