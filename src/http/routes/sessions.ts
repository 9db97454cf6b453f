import { z } from "zod";
import { erasureSchema } from "../../api/message.ts";
import { pageSchema } from "../../api/page.ts";
import {
  branchRequestSchema,
  forkRequestSchema,
  listedSessionSchema,
  newSessionSchema,
  sessionPatchSchema,
  sessionStateSchema,
} from "../../api/session.ts";
import { safeText } from "../../api/text.ts";
import {
  createSession,
  eraseSession,
  forkSession,
  listSessions,
  readSession,
  switchBranch,
  updateSession,
} from "../../usecases/sessions.ts";
import { cursorParameter, limitParameter, sessionParams } from "../parameters.ts";
import { defineRoute } from "../route.ts";

const create = defineRoute({
  method: "post",
  path: "/v1/sessions",
  operationId: "createSession",
  tag: "Sessions",
  summary: "Create a session",
  description:
    "Idempotent on `id`: an existing session is returned with 200, its metadata and settings unchanged. Appending also creates a session; create it explicitly to give it metadata or settings. Without a body it gets a ULID and the defaults. With `continueFrom`, which requires `memory:read`, it starts with the summary items of another session, which may have expired. They are carried over in the background; each names the session of its sources, and if it is erased there, it is erased here too. With a user's token, `settings` may only be tighter than those of the tenant's sessions (`setting_not_allowed`), and the number of sessions is limited (`too_many_sessions`, `quota_exceeded`).",
  request: z.object({ body: newSessionSchema.default({}) }),
  answers: {
    200: { description: "The session existed already", schema: sessionStateSchema },
    201: { description: "The session is new", schema: sessionStateSchema },
  },
  problems: [
    "setting_not_allowed",
    "too_many_sessions",
    "session_not_found",
    "session_expired",
    "session_not_ready",
    "quota_exceeded",
  ],
  async handle(call, { body }) {
    const { session, created } = await createSession(call, body);
    return { status: created ? 201 : 200, body: session };
  },
});

const fork = defineRoute({
  method: "post",
  path: "/v1/sessions/{sessionId}/fork",
  operationId: "forkSession",
  tag: "Sessions",
  summary: "Copy a session up to a message",
  description:
    "The new session has the messages up to `throughSeq`, with their ids, and the summary as of then. Its active branch ends with that message, by default with the newest message of the active branch. From then on both sessions are independent, except that messages erased in the original session are erased in the copy too. A large log is copied in the background; until that is done, every request except reading the session answers `session_not_ready`. Repeating the request with the same `id` and `throughSeq` makes no second copy. The messages count against the daily quota of all the tenant's sessions together, and with a user's token against the user's daily quota; a copy that exceeds a quota is refused before anything is copied.",
  request: z.object({ params: sessionParams, body: forkRequestSchema.default({}) }),
  answers: {
    200: { description: "The session existed already", schema: sessionStateSchema },
    201: { description: "The session is new and complete", schema: sessionStateSchema },
    202: { description: "The session is new and still being copied", schema: sessionStateSchema },
  },
  problems: [
    "setting_not_allowed",
    "too_many_sessions",
    "session_not_found",
    "session_exists",
    "session_expired",
    "session_not_ready",
    "quota_exceeded",
  ],
  async handle(call, { params, body }) {
    const { session, created } = await forkSession(call, params.sessionId, body);
    if (session.status === "copying") return { status: 202, body: session };
    return { status: created ? 201 : 200, body: session };
  },
});

const list = defineRoute({
  method: "get",
  path: "/v1/sessions",
  operationId: "listSessions",
  tag: "Sessions",
  summary: "List sessions, newest first",
  description:
    "The sessions of the caller, or of the user named in `Threadkeep-User`. Each parameter `metadata.KEY=VALUE` selects the sessions whose metadata has this text under that key.",
  request: z.object({
    query: z.strictObject({
      limit: limitParameter,
      cursor: cursorParameter,
      metadata: z
        .record(safeText, safeText)
        .optional()
        .describe("Only sessions whose metadata has this text under KEY; several keys can be given"),
    }),
  }),
  answers: {
    200: {
      description: "A page of sessions",
      schema: pageSchema(listedSessionSchema),
    },
  },
  problems: [],
  async handle(call, { query }) {
    return { status: 200, body: await listSessions(call, query) };
  },
});

const read = defineRoute({
  method: "get",
  path: "/v1/sessions/{sessionId}",
  operationId: "readSession",
  tag: "Sessions",
  summary: "Read a session's state and counters",
  description:
    "A session of another user or tenant is answered like one that does not exist. `settings` has every default filled in.",
  request: z.object({ params: sessionParams }),
  answers: { 200: { description: "The session", schema: sessionStateSchema } },
  problems: ["session_not_found", "session_expired"],
  async handle(call, { params }) {
    return { status: 200, body: await readSession(call, params.sessionId) };
  },
});

const update = defineRoute({
  method: "patch",
  path: "/v1/sessions/{sessionId}",
  operationId: "updateSession",
  tag: "Sessions",
  summary: "Replace a session's metadata or settings",
  description:
    "Fields that are left out keep their values; a given field is replaced as a whole. Settings that are set with a user's token are kept beside those of the back end, and apply where they are tighter: a user may lower `maxTokens`, `keepRecentTokens`, `summaryMaxTokens`, `summarizerTokensPerDay` and `expireAfterIdleSeconds`, and cannot change the others (`setting_not_allowed`), unless the tenant permits it. Settings of a back end replace both.",
  request: z.object({ params: sessionParams, body: sessionPatchSchema }),
  answers: {
    200: { description: "The session as it is now", schema: sessionStateSchema },
  },
  problems: ["session_not_found", "setting_not_allowed", "session_expired", "session_not_ready", "quota_exceeded"],
  async handle(call, { params, body }) {
    return { status: 200, body: await updateSession(call, params.sessionId, body) };
  },
});

const erase = defineRoute({
  method: "delete",
  path: "/v1/sessions/{sessionId}",
  operationId: "eraseSession",
  tag: "Sessions",
  summary: "Erase a session",
  description:
    "When this is answered, the session no longer exists: its messages, summaries and search index are erased, and it is no longer listed. Its rows in the archive are erased in the background, as soon as the archive can be reached. The id can be used again immediately. Forks lose the messages that they copied, and continuations the items that they took over; everything said in them since stays.",
  request: z.object({ params: sessionParams }),
  answers: { 202: { description: "Erased", schema: erasureSchema } },
  problems: ["session_not_found"],
  async handle(call, { params }) {
    return { status: 202, body: await eraseSession(call, params.sessionId) };
  },
});

const branch = defineRoute({
  method: "put",
  path: "/v1/sessions/{sessionId}/branch",
  operationId: "switchBranch",
  tag: "Sessions",
  summary: "Make another branch the active one",
  description: "Switch to another branch",
  request: z.object({ params: sessionParams, body: branchRequestSchema }),
  answers: {
    200: { description: "The session as it is now", schema: sessionStateSchema },
  },
  problems: [
    "session_not_found",
    "role_not_allowed",
    "head_seq_mismatch",
    "session_expired",
    "session_not_ready",
    "quota_exceeded",
  ],
  async handle(call, { params, body }) {
    return { status: 200, body: await switchBranch(call, params.sessionId, body) };
  },
});

export const sessionRoutes = [create, list, read, update, erase, fork, branch];
