/** Fetches everything that is stored about a user as one file, whose pages come one after another. */

import type { UserTransferLine } from "../../src/api/user.ts";
import { ApiError, send } from "../api.ts";

type LastLine = Extract<UserTransferLine, { type: "user-next" | "user-end" }>;

/** Longer than the last line of any page. */
const MAX_LAST_LINE_BYTES = 4_096;
/** How often a page is requested whose connection broke off. */
const ATTEMPTS = 3;

export const userPath = (owner: string): string => `/v1/users/${encodeURIComponent(owner)}`;

export async function fetchUserFile(owner: string): Promise<Blob> {
  const pages: Blob[] = [];
  for (let cursor: string | null = null; ;) {
    const { page, last }: UserPage = await fetchPage(owner, cursor);
    pages.push(page);
    if (last.type === "user-end") return new Blob(pages, { type: "application/x-ndjson" });
    cursor = last.cursor;
  }
}

interface UserPage {
  /** Without its last line, if that is only about the next page. */
  readonly page: Blob;
  readonly last: LastLine;
}

async function fetchPage(owner: string, cursor: string | null): Promise<UserPage> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const response = await send("GET", userPath(owner), { user: "", query: { cursor } });
    const page = await response.blob().catch(() => null);
    const last = page === null ? null : await readLastLine(page);
    if (page === null || last === null) continue;
    if (last.line.type === "user-end") return { page, last: last.line };
    return { page: page.slice(0, page.size - last.bytes), last: last.line };
  }
  const detail = "The connection broke off again and again, and the file is incomplete. Nothing was saved: try again.";
  throw new ApiError(0, "incomplete", detail);
}

/** The last line of a page and its length with the line end; null if the page is truncated. */
async function readLastLine(page: Blob): Promise<{ line: LastLine; bytes: number } | null> {
  const end = await page.slice(-MAX_LAST_LINE_BYTES).text();
  const text = end.trimEnd().split("\n").at(-1) ?? "";
  if (!end.endsWith("\n") || !/^\{"type":"user-(?:next|end)"/.test(text)) return null;
  const line: LastLine = JSON.parse(text);
  return { line, bytes: new Blob([text, "\n"]).size };
}
