import { z } from "zod";
import { MAX_PAGE_SIZE } from "../../api/limits.ts";
import { safeText } from "../../api/text.ts";
import { listSessions } from "../../usecases/sessions.ts";
import { withinResult } from "../budget.ts";
import { fence, jsonLine } from "../fenced-text.ts";
import { defineTool, memoryText } from "../tool.ts";

const DEFAULT_SESSIONS = 10;
const MAX_CURSOR_LENGTH = 1_024;

export const listSessionsTool = defineTool({
  name: "list_sessions",
  title: "List sessions",
  description:
    "Lists your sessions, newest first, with their creation time and metadata. Call it when the user refers to an earlier conversation whose id you do not know. To find a session by its content, use search_memory.",
  annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  actions: ["listSessions"],
  input: z.strictObject({
    limit: z.int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_SESSIONS).describe("The maximum number of sessions"),
    cursor: safeText.min(1).max(MAX_CURSOR_LENGTH).optional().describe("nextCursor of the previous call, to continue"),
    metadata: z
      .record(safeText, safeText)
      .optional()
      .describe("Only sessions whose metadata has these values, such as {project: apollo}"),
  }),
  output: z.object({
    memory: memoryText,
    sessions: z.array(
      z.object({
        id: z.string(),
        createdAt: z.string(),
        expiredAt: z.string().optional().describe("When it expired: its messages are deleted, its summary remains"),
      }),
    ),
    nextCursor: z.string().nullable().describe("Pass it as cursor to continue; null: there are no more"),
  }),
  async run({ call }, { limit, cursor, metadata }) {
    return withinResult(limit, 1, async (count) => {
      const page = await listSessions(call, { limit: count, cursor, metadata });
      const lines = page.data.map(({ id, createdAt, metadata: known, expiredAt }) => {
        const state = expiredAt === undefined ? "" : `, expired ${expiredAt}`;
        return `[session ${id}, created ${createdAt}${state}]${Object.keys(known).length === 0 ? "" : ` ${jsonLine(known)}`}`;
      });
      const memory = fence(lines.length === 0 ? "(no sessions)" : lines.join("\n"));
      const sessions = page.data.map(({ id, createdAt, expiredAt }) => ({
        id,
        createdAt,
        ...(expiredAt === undefined ? {} : { expiredAt }),
      }));
      const { nextCursor } = page;
      const more = nextCursor === null ? "" : `For more: list_sessions with cursor ${nextCursor}`;
      return { structured: { memory, sessions, nextCursor }, text: `${memory}\n\n${more}`.trimEnd() };
    });
  },
});
