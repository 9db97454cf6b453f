import { z } from "zod";
import { userErasureSchema, userTransferLineSchema } from "../../api/user.ts";
import { exportUser } from "../../usecases/user-export.ts";
import { eraseUser, readUserErasure } from "../../usecases/users.ts";
import { exportQuery, userParams } from "../parameters.ts";
import { defineRoute } from "../route.ts";

const exportRoute = defineRoute({
  method: "get",
  path: "/v1/users/{userId}",
  operationId: "exportUser",
  tag: "Users",
  summary: "Export everything stored about a user, as JSON Lines",
  description:
    "Streams one JSON object per line: the user, each session in the form of its own export, the failed jobs, and `user-end` with the counts. A large export comes in pages: a page that is not the last ends with `user-next`, and the same request with its `cursor` continues where it ended. The pages one after another are the whole export, and `user-end` counts all of them. An answer whose last line is neither of the two is truncated: discard it and request that page again. Cursors do not expire. The newest session comes first, so a session that begins during the export is not in it. A session that was erased during the export, has expired or is still being copied is represented by a line `unavailable`. A key of the tenant can export any user; with a user's token, or with `Threadkeep-User`, only that user can be exported. For another user, as for an unknown one, the export contains no sessions.",
  request: z.object({ params: userParams, query: exportQuery }),
  answers: {
    200: { description: "The lines", schema: userTransferLineSchema, isLines: true },
  },
  problems: ["quota_exceeded"],
  async handle(call, { params, query }) {
    return { status: 200, body: await exportUser(call, params.userId, query) };
  },
});

const erase = defineRoute({
  method: "delete",
  path: "/v1/users/{userId}",
  operationId: "eraseUser",
  tag: "Users",
  summary: "Erase a user everywhere",
  description:
    "When this is answered, no session can be created in the user's name any more (`user_erased`). Their sessions are erased within moments, with the messages and items that forks and continuations took over, then their rows in PostgreSQL and their failed jobs. While PostgreSQL cannot be reached, the erasure waits and then continues automatically. At the end every place is searched: `erased` means that nothing was found. Repeating the request returns the progress. The id can be used again about four days later, when no late write can arrive any more.",
  request: z.object({ params: userParams }),
  answers: { 202: { description: "The erasure continues in the background", schema: userErasureSchema } },
  problems: ["user_not_found"],
  async handle(call, { params }) {
    return { status: 202, body: await eraseUser(call, params.userId) };
  },
});

const readErasure = defineRoute({
  method: "get",
  path: "/v1/users/{userId}/erasure",
  operationId: "readUserErasure",
  tag: "Users",
  summary: "Read the progress of a user's erasure",
  description:
    "Includes what the last search of every place found. About four days after it is complete, the record of the erasure is deleted too.",
  request: z.object({ params: userParams }),
  answers: { 200: { description: "The erasure", schema: userErasureSchema } },
  problems: ["erasure_not_found"],
  async handle(call, { params }) {
    return { status: 200, body: await readUserErasure(call, params.userId) };
  },
});

export const userRoutes = [exportRoute, erase, readErasure];
