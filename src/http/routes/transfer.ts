import { z } from "zod";
import { sessionIdSchema } from "../../api/session.ts";
import { idText } from "../../api/text.ts";
import { importRequestSchema, importResultSchema, importStateSchema, transferLineSchema } from "../../api/transfer.ts";
import {
  abandonImport,
  addImportLines,
  beginImport,
  completeImport,
  importSession,
  readImport,
} from "../../usecases/imports.ts";
import { exportSession } from "../../usecases/transfer.ts";
import { integerParameter, isStrict, sessionParams, strictHeaders } from "../parameters.ts";
import { defineRoute } from "../route.ts";

const exportRoute = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/export",
  operationId: "exportSession",
  tag: "Transfer",
  summary: "Export a session as JSON Lines",
  description:
    "Streams one JSON object per line: the session, its messages in order, the versions of its summary, their items, and an end line with the counts. If the end line has `complete: false`, the session was edited during the export: export it again. Erased messages are included without content.",
  request: z.object({ params: sessionParams }),
  answers: {
    200: { description: "The lines", schema: transferLineSchema, isLines: true },
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
  summary: "Create a session from an export",
  description:
    "Takes the lines of an export, streamed, up to 100 MB. Send a larger file in parts, starting with `POST /v1/sessions/{sessionId}/imports`.\n\nThe new session has the id in the file, or `sessionId`. It is visible after the whole file was read and checked; a fault in any line leaves nothing behind. Its messages count against the daily quota of all the tenant's sessions together; a file that exceeds it is refused.\n\nThe `summarizer` of imported versions starts with `import:`. A version may not be larger than the service would make it. An item is accepted only if the messages that it cites support it: messages of the file, or, if it names another session, of that session on this deployment. Other items are left out and counted in `droppedItems`. Messages that only they covered are listed as omitted until a new summary covers them, which is made in the background; if no item of a summary is accepted, the summary is left out. Except for such items, exporting the session again gives the same bytes.\n\nWith a user's token, a file may contain only what the user could have appended (messages of the role `user`), no summaries, and no looser settings than the tenant's.",
  request: z.object({
    headers: strictHeaders,
    query: z.strictObject({
      sessionId: sessionIdSchema.optional().describe("Id of the new session, instead of the id in the file"),
    }),
  }),
  lines: transferLineSchema,
  answers: { 201: { description: "Imported", schema: importResultSchema } },
  problems: ["role_not_allowed", "setting_not_allowed", "too_many_sessions", "session_exists", "quota_exceeded"],
  async handle(call, { headers, query }, lines) {
    return { status: 201, body: await importSession(call, lines, query.sessionId, isStrict(headers)) };
  },
});

const importParams = sessionParams.extend({ importId: idText.describe("The import's id") });
const PART_PROBLEMS = ["session_not_found", "import_not_found"] as const;

const beginRoute = defineRoute({
  method: "post",
  path: "/v1/sessions/{sessionId}/imports",
  operationId: "beginImport",
  tag: "Transfer",
  summary: "Start an import in parts",
  description:
    "For files of any length, and for unreliable connections. The body contains the first line of the file. Send the others with `POST …/lines`, as many at a time as you like, then `POST …/complete`. Until then the session is not listed, its status is `copying`, and its id is taken. If this request is repeated with the same `id`, it returns the progress of the import, even if that is complete: continue after `throughLine`. If no line arrives within a day, the import is abandoned and leaves nothing behind. The same rules apply as for a file that is sent at once.",
  request: z.object({ params: sessionParams, body: importRequestSchema }),
  answers: { 202: { description: "Started", schema: importStateSchema } },
  problems: ["setting_not_allowed", "too_many_sessions", "session_exists", "quota_exceeded"],
  async handle(call, { params, body }) {
    return { status: 202, body: await beginImport(call, params.sessionId, body) };
  },
});

const linesRoute = defineRoute({
  method: "post",
  path: "/v1/sessions/{sessionId}/imports/{importId}/lines",
  operationId: "addImportLines",
  tag: "Transfer",
  summary: "Send lines of an import",
  description:
    "The lines of the file after `afterLine`, streamed, up to 100 MB. They are saved as they arrive: if the connection breaks or a line is refused, the lines before it may be saved. Lines that were saved before are skipped, so a part can be sent again, whole or from its middle. If lines before these are missing, nothing is saved (`import_gap`, with `throughLine`). The last line must be the file's end line, which counts the others.",
  request: z.object({
    params: importParams,
    headers: strictHeaders,
    query: z.strictObject({
      afterLine: integerParameter(z.int().min(1)).describe(
        "The number of the line before the first one of this request, counted from 1 including empty lines. The first line of the file was sent when the import was started",
      ),
    }),
  }),
  lines: transferLineSchema,
  answers: { 200: { description: "The progress", schema: importStateSchema } },
  problems: [...PART_PROBLEMS, "import_gap", "role_not_allowed", "session_exists", "quota_exceeded"],
  async handle(call, { params, headers, query }, lines) {
    const { sessionId, importId } = params;
    return {
      status: 200,
      body: await addImportLines(call, sessionId, importId, query.afterLine, lines, isStrict(headers)),
    };
  },
});

const readRoute = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}/imports/{importId}",
  operationId: "readImport",
  tag: "Transfer",
  summary: "Read the progress of an import",
  description:
    "After a lost answer, continue with the line after `throughLine`. If the import is complete, this returns its result.",
  request: z.object({ params: importParams }),
  answers: { 200: { description: "The progress", schema: importStateSchema } },
  problems: PART_PROBLEMS,
  async handle(call, { params }) {
    return { status: 200, body: await readImport(call, params.sessionId, params.importId) };
  },
});

const completeRoute = defineRoute({
  method: "post",
  path: "/v1/sessions/{sessionId}/imports/{importId}/complete",
  operationId: "completeImport",
  tag: "Transfer",
  summary: "Complete an import in parts",
  description:
    "Checks that everything the end line counts has arrived, and that it fits into the tenant's daily quota. Then the session exists, complete. If this is refused, the import stays open: more lines can be sent, or it can be repeated the next day. Repeating it after success returns the same result.",
  request: z.object({ params: importParams }),
  answers: { 201: { description: "Imported", schema: importResultSchema } },
  problems: [...PART_PROBLEMS, "quota_exceeded"],
  async handle(call, { params }) {
    return { status: 201, body: await completeImport(call, params.sessionId, params.importId) };
  },
});

const abandonRoute = defineRoute({
  method: "delete",
  path: "/v1/sessions/{sessionId}/imports/{importId}",
  operationId: "abandonImport",
  tag: "Transfer",
  summary: "Abandon an import",
  description:
    "Deletes everything that was sent, and frees the session's id. A complete import is a session; erase that instead.",
  request: z.object({ params: importParams }),
  answers: { 200: { description: "Abandoned", schema: importStateSchema } },
  problems: [...PART_PROBLEMS, "session_exists"],
  async handle(call, { params }) {
    return { status: 200, body: await abandonImport(call, params.sessionId, params.importId) };
  },
});

export const transferRoutes = [
  exportRoute,
  importRoute,
  beginRoute,
  linesRoute,
  readRoute,
  completeRoute,
  abandonRoute,
];
