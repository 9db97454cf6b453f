/** What was thrown, as an MCP client is told of it: the same problem that HTTP answers with, in words that a model can act on. */

import {
  type CallToolResult,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
} from "@modelcontextprotocol/server";
import { type Fault, PROBLEMS } from "../contracts/errors.ts";
import { problemOf } from "../contracts/problem.ts";

/** Where a tool's error has the problem as HTTP answers it. Its structured content is for results alone. */
export const PROBLEM_META_KEY = "threadkeep/problem";

/** Code, what is wrong and what to do next, each fault by its path. */
function wordsOf(fault: Fault, requestId: string): string {
  const lines = [`${fault.code}: ${fault.detail}`];
  for (const { path, detail } of fault.errors ?? []) lines.push(`- ${path === "" ? "the arguments" : path}: ${detail}`);
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
