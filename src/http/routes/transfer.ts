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
    "Streamed, one object a line: the session, its messages in order, the versions of its summary, their items, and an end that counts them. A file whose end says `complete: false` was overtaken by an edit: export again. Erased messages are there as tombstones.",
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
  summary: "Make a session of an export",
  description:
    "Takes what an export gives, streamed, up to 100 MB: a larger file goes in parts, which begin with `POST /v1/sessions/{sessionId}/imports`. The new session has the id in the file, or that in `sessionId`; it is there once the whole file was read and checked, and a fault in any line leaves nothing. Its messages count for the day of all the tenant's sessions together, if that is bounded: a file that it has no room for is refused. A summary is no larger than the service makes them, its `summarizer` begins with `import:`, and an item stands only if the messages that it cites bear it out: those of the file, or, where it names another session, those of that session, if it is here. The rest is left out, and counted in `droppedItems`: messages that it alone told of are named as omitted until a new summary, which is pending, tells of them; of a summary of which nothing stands, none is left. Exported again it gives the same bytes, but for such items. A user's token imports what it might have appended: messages of the role `user`, and no summaries, with settings that are no looser than the tenant's.",
  request: z.object({
    headers: strictHeaders,
    query: z.strictObject({
      sessionId: sessionIdSchema.optional().describe("Of the new session, in place of the id in the file"),
    }),
  }),
  lines: transferLineSchema,
  answers: { 201: { description: "Imported", schema: importResultSchema } },
  problems: ["role_not_allowed", "setting_not_allowed", "too_many_sessions", "session_exists", "quota_exceeded"],
  async handle(call, { headers, query }, lines) {
    return { status: 201, body: await importSession(call, lines, query.sessionId, isStrict(headers)) };
  },
});

const importParams = sessionParams.extend({ importId: idText.describe("The import's") });
const PART_PROBLEMS = ["session_not_found", "import_not_found"] as const;

const beginRoute = defineRoute({
  method: "post",
  path: "/v1/sessions/{sessionId}/imports",
  operationId: "beginImport",
  tag: "Transfer",
  summary: "Begin an import in parts",
  description:
    "For a file of any length, and for a connection that breaks. Takes the file's first line; the others follow with `POST …/lines`, as many at a time as you like, and `POST …/complete` ends it. Until then no list has the session, its state is `copying`, and its id is taken. Repeated with the same `id` it tells where the import stands, also once it is complete: go on after `throughLine`. An import that no line comes for within a day is given up, and leaves nothing. The same rules hold as for a file that is sent at once.",
  request: z.object({ params: sessionParams, body: importRequestSchema }),
  answers: { 202: { description: "Begun", schema: importStateSchema } },
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
    "The lines of the file after `afterLine`, streamed, up to 100 MB. They are saved as they come: if the connection breaks, or a line is refused, those before it may be in. Lines that are in already are passed over, so that a part may be sent again, or from its middle; where lines are missing before these, nothing is saved (`import_gap`, with `throughLine`). The last line of all is the file's end, which counts the others.",
  request: z.object({
    params: importParams,
    headers: strictHeaders,
    query: z.strictObject({
      afterLine: integerParameter(z.int().min(1)).describe(
        "The line of the file before the first of these, counted from 1 with empty ones; the first line began the import",
      ),
    }),
  }),
  lines: transferLineSchema,
  answers: { 200: { description: "How far it is", schema: importStateSchema } },
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
  summary: "Read how far an import is",
  description:
    "After a lost answer: go on with the line after `throughLine`. Of one that is complete it tells what came in.",
  request: z.object({ params: importParams }),
  answers: { 200: { description: "How far it is", schema: importStateSchema } },
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
  summary: "End an import in parts",
  description:
    "Checks that all that the file's end counts is in, and that the tenant's day has room for it; from here on the session is there, whole. Refused, the import stays open: lines may follow, or the day may pass. Repeated it tells the same.",
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
  summary: "Give an import up",
  description:
    "Nothing of it is left, and the session's id is free again. One that is complete is a session, and is erased as such.",
  request: z.object({ params: importParams }),
  answers: { 200: { description: "Given up", schema: importStateSchema } },
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
