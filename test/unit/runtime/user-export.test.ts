import { describe, expect, it } from "vitest";
import { USER_SESSIONS } from "../../../src/api/limits.ts";
import type { UserTransferLine } from "../../../src/api/user.ts";
import { exportUser, MAX_PAGE_STEPS } from "../../../src/usecases/user-export.ts";
import { NOON } from "./node-session.ts";
import { callWith } from "./stand-in.ts";

/** Calls that one request may make on an account whose limit was not raised. */
const MAX_CALLS = 1_000;
const at = new Date(NOON).toISOString();
const ok = <T>(value: T) => ({ ok: true, value });

/** What is stored of Ada, in objects that count their calls. */
function storedOf({ sessions = 1, messages = 1, text = "Hello.", failures = 0 }) {
  const names = Array.from({ length: sessions }, (_, index) => `chat-${index}`);
  let calls = 0;
  const object = (id: string) => ({
    async beginExport() {
      calls += 1;
      return ok({ line: { type: "session", id }, epoch: "e", headSeq: messages, branchHeadSeq: messages, changes: 0 });
    },
    async exportPage(_: object, afterSeq: number) {
      calls += 1;
      return ok([{ type: "message", seq: afterSeq + 1, content: text }]);
    },
    async endExport() {
      calls += 1;
      return ok({ lines: [], next: null, end: { type: "end", messages, complete: true } });
    },
  });
  const parts = {
    sessions: { get: ({ session }: { session: string }) => object(session) },
    directory: {
      async list(_: string, __: string, { limit, cursor }: { limit: number; cursor: { session: string } | null }) {
        calls += 1;
        const from = cursor === null ? 0 : names.indexOf(cursor.session) + 1;
        const data = names.slice(from, from + limit).map((id) => ({ id, createdAt: at, metadata: {} }));
        const last = data.at(-1);
        const hasMore = last !== undefined && from + limit < sessions;
        return { data, hasMore, next: hasMore ? { createdAt: NOON, session: last.id } : null };
      },
    },
    operations: {
      async list(limit: number, after: { jobId: string } | null) {
        calls += 1;
        const from = after === null ? 0 : Number(after.jobId) + 1;
        const count = Math.max(0, Math.min(limit, failures - from));
        return Array.from({ length: count }, (_, index) => ({ jobId: `${from + index}`, lastFailedAt: at }));
      },
    },
  };
  const call = callWith(parts, { owner: "ada" });
  return {
    async page(cursor?: string): Promise<{ lines: UserTransferLine[]; calls: number }> {
      const before = calls;
      const lines: UserTransferLine[] = [];
      for await (const line of await exportUser(call, "ada", { cursor })) lines.push(line);
      return { lines, calls: calls - before };
    },
  };
}

async function pagesOf({ page }: ReturnType<typeof storedOf>) {
  const pages = [await page()];
  for (let last = pages[0]?.lines.at(-1); last?.type === "user-next"; last = pages.at(-1)?.lines.at(-1)) {
    pages.push(await page(last.cursor));
  }
  return pages;
}

describe("a page of a user's export", () => {
  it("makes few calls, however many sessions and failed jobs the user has, and no line is lost or repeated", async () => {
    const pages = await pagesOf(storedOf({ sessions: USER_SESSIONS, failures: 950 }));
    expect(Math.max(...pages.map(({ calls }) => calls))).toBeLessThan(MAX_CALLS / 2);
    const lines = pages.flatMap((page) => page.lines);
    const sessions = lines.flatMap((line) => (line.type === "session" ? [line.id] : []));
    expect(sessions).toEqual(Array.from({ length: USER_SESSIONS }, (_, index) => `chat-${index}`));
    const failures = lines.flatMap((line) => (line.type === "failure" ? [Number(line.jobId)] : []));
    expect(failures).toEqual(Array.from({ length: 950 }, (_, index) => index));
    expect(lines.filter(({ type }) => type === "user" || type === "user-end")).toMatchObject([
      { type: "user" },
      { type: "user-end", sessions: USER_SESSIONS, unavailable: 0, failures: 950 },
    ]);
  });

  it("ends inside a session that takes more calls, and the next one continues there", async () => {
    const messages = 2.5 * MAX_PAGE_STEPS;
    const pages = await pagesOf(storedOf({ sessions: 2, messages }));
    expect(pages).toHaveLength(6);
    expect(Math.max(...pages.map(({ calls }) => calls))).toBeLessThan(MAX_CALLS / 2);
    const told = pages.flatMap(({ lines }) => lines.filter(({ type }) => type !== "user-next"));
    const session = (id: string) => [
      { type: "session", id },
      ...Array.from({ length: messages }, (_, index) => ({ type: "message", seq: index + 1, content: "Hello." })),
      { type: "end", messages, complete: true },
    ];
    expect(told.slice(1, -1)).toEqual([...session("chat-0"), ...session("chat-1")]);
  });

  it("ends after 32 MiB", async () => {
    const pages = await pagesOf(storedOf({ sessions: 4, messages: 2, text: "x".repeat(6 * 1024 * 1024) }));
    const sizes = pages.map(({ lines }) => JSON.stringify(lines).length);
    expect(sizes).toHaveLength(2);
    expect(Math.max(...sizes)).toBeLessThan(39 * 1024 * 1024);
  });

  it("has the same lines when it is requested again", async () => {
    const stored = storedOf({ sessions: 120 });
    const [, second] = await pagesOf(stored);
    const last = (await stored.page()).lines.at(-1);
    expect(last?.type === "user-next" ? (await stored.page(last.cursor)).lines : []).toEqual(second?.lines);
  });
});
