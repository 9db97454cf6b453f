import { z } from "zod";
import { userErasureSchema, userTransferLineSchema } from "../../api/user.ts";
import { eraseUser, exportUser, readUserErasure } from "../../usecases/users.ts";
import { userParams } from "../parameters.ts";
import { defineRoute } from "../route.ts";

const exportRoute = defineRoute({
  method: "get",
  path: "/v1/users/{userId}",
  operationId: "exportUser",
  tag: "Users",
  summary: "Export all that is known of a user, as JSON Lines",
  description:
    "Streamed, one object a line: a head, each session as its own export gives it, failed jobs, and `user-end`, which counts them; without that the file was cut off. A session that was erased meanwhile, has expired or is still being copied is told by a line `unavailable` in the place of what is missing. A key of the tenant reads any user, whoever speaks for a user that one alone; for anybody else, as for a user whom nobody knows, there is a head and an end.",
  request: z.object({ params: userParams }),
  answers: {
    200: { description: "The lines", schema: userTransferLineSchema, isLines: true },
  },
  problems: ["quota_exceeded"],
  async handle(call, { params }) {
    return { status: 200, body: await exportUser(call, params.userId) };
  },
});

const erase = defineRoute({
  method: "delete",
  path: "/v1/users/{userId}",
  operationId: "eraseUser",
  tag: "Users",
  summary: "Erase a user everywhere",
  description:
    "From the answer on no session is created in the user's name: that is refused with `user_erased`. Their sessions go within moments, and with them what forks and continuations took along; then their rows in PostgreSQL and failed jobs. While PostgreSQL is away it waits, and goes on by itself. At the end every place is looked at: `erased` means that nothing was found. Repeated, it tells how far it is. The id may be used anew about four days later, when no late write can come any more.",
  request: z.object({ params: userParams }),
  answers: { 202: { description: "It goes on by itself", schema: userErasureSchema } },
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
  summary: "Read how far the erasure of a user is",
  description: "With what the last look at every place found. About four days after its end it is forgotten itself.",
  request: z.object({ params: userParams }),
  answers: { 200: { description: "The erasure", schema: userErasureSchema } },
  problems: ["erasure_not_found"],
  async handle(call, { params }) {
    return { status: 200, body: await readUserErasure(call, params.userId) };
  },
});

export const userRoutes = [exportRoute, erase, readErasure];
