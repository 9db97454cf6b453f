import { ThreadkeepError } from "../api/errors.ts";
import { MAX_MCP_BATCH } from "../api/limits.ts";

/** Requests that one body holds. Those of 2025-03-26 may send several at once; each counts. */
export function requestsIn(body: unknown): number {
  if (!Array.isArray(body)) return 1;
  if (body.length <= MAX_MCP_BATCH) return Math.max(1, body.length);
  throw new ThreadkeepError({
    code: "validation_failed",
    detail: `A body may hold ${MAX_MCP_BATCH} requests. Nothing was done; send fewer at a time.`,
    errors: [{ path: "", detail: `must have at most ${MAX_MCP_BATCH} entries` }],
  });
}
