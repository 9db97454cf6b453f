import { z } from "zod";
import { auditEventSchema, auditFilterSchema } from "../../api/audit.ts";
import { pageSchema } from "../../api/page.ts";
import { readAudit } from "../../usecases/audit.ts";
import { cursorParameter, limitParameter } from "../parameters.ts";
import { defineRoute } from "../route.ts";

const read = defineRoute({
  method: "get",
  path: "/v1/admin/audit",
  operationId: "readAudit",
  tag: "Operations",
  summary: "Read who did what to which session",
  description:
    "Newest first; an event is here within seconds. What writes and what operators do is told one by one; appends as ranges, once a summary covers them, the session was silent for half an hour, or it is erased; refusals by principal, operation and result, with their number in `count`. No event holds anything that was said, a key or a token. Users appear as a keyed hash: filter by `user` with the id, and it is hashed for you. When a user is erased the key is destroyed, and nothing leads from the id to its events. Events are kept for `THREADKEEP_AUDIT_DAYS`, 400 by default. Needs an admin key, or a key of a tenant with the scope `ops`, which reads what is about its own tenant.",
  request: z.object({
    query: auditFilterSchema.extend({ limit: limitParameter, cursor: cursorParameter }),
  }),
  answers: {
    200: { description: "A page of events", schema: pageSchema(auditEventSchema) },
  },
  problems: ["unavailable"],
  async handle(call, { query }) {
    return { status: 200, body: await readAudit(call, query) };
  },
});

export const auditRoutes = [read];
