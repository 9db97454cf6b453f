import { ThreadkeepError } from "../api/errors.ts";
import { MAX_MCP_BATCH } from "../api/limits.ts";

/**
 * The number of JSON-RPC requests in a body. Clients of the protocol version 2025-03-26 may send several; each counts
 * against rate limits.
 * @throws {ThreadkeepError} `validation_failed` if there are too many
 */
export function requestsIn(body: unknown): number {
  if (!Array.isArray(body)) return 1;
  if (body.length <= MAX_MCP_BATCH) return Math.max(1, body.length);
  throw new ThreadkeepError({
    code: "validation_failed",
    detail: `A body may contain at most ${MAX_MCP_BATCH} requests. Nothing was done; send fewer at a time.`,
    errors: [{ path: "", detail: `must have at most ${MAX_MCP_BATCH} entries` }],
  });
}
