import { z } from "zod";
import type { Failure } from "../contracts/job.ts";
import type { Page } from "../contracts/page.ts";
import { type Call, decodeCursor, encodeCursor, invalidCursor } from "./call.ts";
import { operation } from "./operation.ts";

const cursorSchema = z.tuple([z.int(), z.string()]);

/** Background work that keeps failing, newest first. */
export const listFailures = operation(
  {
    action: "listFailedJobs",
    scopes: ["admin"],
    audit: "each",
    isSessionless: true,
    tell: (_page, _query) => ({ tenant: null }),
  },
  async (
    call: Call,
    query: { readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<Page<Failure>> => {
    const cursor = query.cursor === undefined ? null : cursorSchema.safeParse(decodeCursor(query.cursor));
    if (cursor?.success === false) throw invalidCursor();
    const after = cursor === null ? null : { at: cursor.data[0], jobId: cursor.data[1] };
    const failures = await call.parts.operations.list(query.limit + 1, after);
    const data = failures.slice(0, query.limit);
    const last = data.at(-1);
    const hasMore = failures.length > query.limit && last !== undefined;
    return {
      data,
      hasMore,
      nextCursor: hasMore ? encodeCursor([Date.parse(last.lastFailedAt), last.jobId]) : null,
    };
  },
);
