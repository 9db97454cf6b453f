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
    "Newest first; an event appears within seconds. Writes and actions of operators are single events. Appends are recorded as ranges: once a summary covers them, when the session is erased, and within a day at the latest. Refusals are counted by principal, operation and result, with their number in `count`. No event contains text of a chat, a key or a token. Users appear as a keyed hash; the filter `user` takes the id and hashes it for you. When a user is erased, the hash key is destroyed, so nothing leads from the id to its events any more. Events are kept for `THREADKEEP_AUDIT_DAYS` days (default 400). Requires an admin key, or a tenant's key with the scope `ops`, which reads only events of its own tenant.",
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
