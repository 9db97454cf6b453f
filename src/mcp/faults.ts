/** What was thrown, as an MCP client is told of it: the same problem that HTTP answers with, in words that a model can act on. */

import {
  type CallToolResult,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
} from "@modelcontextprotocol/server";
import { type Fault, type ProblemCode, PROBLEMS } from "../api/errors.ts";
import { problemOf } from "../api/problem.ts";

/** Where a tool's error has the problem as HTTP answers it. Its structured content is for results alone. */
export const PROBLEM_META_KEY = "threadkeep/problem";

/** What a model can do next with the tools that it has: the words of a fault are those of HTTP. */
const NEXT_CALLS: Partial<Readonly<Record<ProblemCode, string>>> = {
  session_not_found: "list_sessions tells which sessions there are; append_messages creates one.",
  session_expired: "search_memory without sessionId finds what its summary holds. Go on in a session of another id.",
  message_not_found: "search_memory and read_messages tell which messages there are, each with its place and id.",
  message_conflict: "To correct what is stored, append the correction as a message with an id of its own.",
  head_seq_mismatch: "get_context tells what was said since.",
};

/** Code, what is wrong and what to do next, each fault by its path. */
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

/** Of a prompt or a resource, which have no results that are errors. */
export function protocolError(fault: Fault, requestId: string, uri?: string): ProtocolError {
  const { status } = PROBLEMS[fault.code];
  const words = wordsOf(fault, requestId);
  if (uri !== undefined && (status === 404 || status === 410)) return new ResourceNotFoundError(uri, words);
  const code = status < 500 ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
  return new ProtocolError(code, words, problemOf(fault, requestId));
}
