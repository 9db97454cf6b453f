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
    "Idempotent on `id`: a session that exists is answered with 200 as it is, its metadata and settings unchanged. Appending creates a session too; create one first to give it metadata or settings. Without a body it gets a ULID and the defaults. With `continueFrom` it begins with what the summary of another session holds, one that expired included: that comes in the background, each item names the session its sources are of, and what is erased there is erased here too; that needs `memory:read` too. With a user's token `settings` may only be tighter than what the tenant's sessions have (`setting_not_allowed`), and a user has and creates so many sessions at most (`too_many_sessions`, `quota_exceeded`).",
  request: z.object({ body: newSessionSchema.default({}) }),
  answers: {
    200: { description: "It was there already", schema: sessionStateSchema },
    201: { description: "It is new", schema: sessionStateSchema },
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
  summary: "Make a new session of the log up to a message",
  description:
    "The new session has the messages up to `throughSeq` with their ids, and the summary that held then; its active branch is the one that ends with that message, by default the head of the active branch. From there on each goes its own way. What is erased in the session it comes from is erased in it as well. A large one is copied in the background: until it is whole, all but reading its state answers `session_not_ready`. Repeating the request with the same `id` and `throughSeq` makes no second one. Its messages count for the day of all the tenant's sessions together, if that is bounded, and with a user's token for the user's day: what there is no room for is refused before anything is copied.",
  request: z.object({ params: sessionParams, body: forkRequestSchema.default({}) }),
  answers: {
    200: { description: "It was there already", schema: sessionStateSchema },
    201: { description: "It is new, and whole", schema: sessionStateSchema },
    202: { description: "It is new, and still being copied", schema: sessionStateSchema },
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
    "The sessions of the caller, or of the user named in `Threadkeep-User`. Each `metadata.KEY=VALUE` keeps those whose metadata has that text under that key.",
  request: z.object({
    query: z.strictObject({
      limit: limitParameter,
      cursor: cursorParameter,
      metadata: z
        .record(safeText, safeText)
        .optional()
        .describe("Keep the sessions whose metadata has this text under KEY; may stand for several keys"),
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
    "A session that is someone else's is answered as one that does not exist. `settings` has every default filled in.",
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
    "What is left out stays as it is; what is given replaces the whole of it. Settings of a user's token stand beside those of the back end and hold where they are tighter: a user may lower `maxTokens`, `keepRecentTokens`, `summaryMaxTokens`, `summarizerTokensPerDay` and `expireAfterIdleSeconds`, and leaves the others as they are (`setting_not_allowed`), unless its tenant opens more. Settings of a back end replace both.",
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
    "From the answer on the session does not exist: its messages, summaries and search index are gone, and it is listed no more. What the archive holds of it goes in the background, for as long as it takes to reach it. The id may be used again at once. Forks lose the messages that they took along, and continuations what was carried over; what was said in them since stays.",
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
  description:
    "A session is one log with an active branch: what leads to its `headSeq`. A message that is appended with `afterSeq` begins another, as an edited question or an answer made anew does; what stood behind the message that it follows is then off the branch: still there and readable, and in no prompt, search or summary. This goes back to such a branch, or to any message. The summary that was made of it comes back with it, and no model is asked for that; work under way for the branch that is left comes to nothing. What is appended next follows `headSeq`. `siblings` of the messages say where each alternative leads. Repeated it changes nothing. With a user's token it counts for the user's day like a message, and leaves no instruction of a system or a developer behind (`role_not_allowed`), unless its tenant opens that.",
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
