import { z } from "zod";
import { sessionIdSchema } from "../../contracts/session.ts";
import { importResultSchema, transferLineSchema } from "../../contracts/transfer.ts";
import { exportSession, importSession } from "../../service/transfer.ts";
import { sessionParams } from "../parameters.ts";
import { defineRoute } from "../route.ts";
import { sample } from "../samples.ts";

const exportRoute = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/export",
  operationId: "exportSession",
  tag: "Transfer",
  scopes: ["memory:read"],
  summary: "Export a session as JSON Lines",
  description:
    "Streamed, one object a line: the session, its messages in order, the versions of its summary, their items, and an end that counts them. A file whose end says `complete: false` was overtaken by an edit: export again. Erased messages are there as tombstones.",
  request: z.object({ params: sessionParams }),
  answers: {
    200: { description: "The lines", schema: transferLineSchema, example: sample.transferLine, isLines: true },
  },
  problems: ["session_not_found", "session_expired", "session_not_ready", "quota_exceeded"],
  async handle(call, { params }) {
    return { status: 200, body: await exportSession(call, params.sessionId) };
  },
});

const importRoute = defineRoute({
  method: "post",
  path: "/v1/import",
  operationId: "importSession",
  tag: "Transfer",
  scopes: ["memory:write"],
  summary: "Make a session of an export",
  description:
    "Takes what an export gives, streamed. The new session has the id in the file, or that in `sessionId`; it is there once the whole file was read and checked, and a fault in any line leaves nothing. Its messages count for the day of all the tenant's sessions together, if that is bounded: a file that it has no room for is refused. Exported again it gives the same bytes. A user's token imports what it might have appended: messages of the role `user`, and no summaries, with settings that are no looser than the tenant's.",
  request: z.object({
    query: z.strictObject({
      sessionId: sessionIdSchema.optional().describe("Of the new session, in place of the id in the file"),
    }),
  }),
  lines: transferLineSchema,
  bodyExample: sample.transferLine,
  answers: { 201: { description: "Imported", schema: importResultSchema, example: sample.importResult } },
  problems: ["role_not_allowed", "setting_not_allowed", "too_many_sessions", "session_exists", "quota_exceeded"],
  async handle(call, { query }, lines) {
    return { status: 201, body: await importSession(call, lines, query.sessionId) };
  },
});

export const transferRoutes = [exportRoute, importRoute];
