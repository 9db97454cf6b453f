import { z } from "zod";
import { alertListSchema, alertNoticeSchema } from "../../api/alert.ts";
import { listAlerts } from "../../usecases/alerts.ts";
import { defineRoute } from "../route.ts";

const list = defineRoute({
  method: "get",
  path: "/v1/admin/alerts",
  operationId: "listAlerts",
  tag: "Operations",
  summary: "List the current alerts",
  description:
    "Every minute the service checks whether sessions, PostgreSQL and the summarizer answer, and whether queue messages, overdue work, failed jobs or exhausted budgets accumulate. A fault that is found twice in a row raises an alert; an alert ends when the fault is absent three times in a row. Start and end are each posted to `THREADKEEP_ALERT_WEBHOOK` as an `AlertNotice`, repeatedly until it answers with 2xx. `docs/operate.md` tells what to do about each alert and how to verify the signature of a notice.",
  request: z.object({}),
  answers: {
    200: { description: "All current alerts", schema: alertListSchema },
  },
  alsoDescribes: [alertNoticeSchema],
  problems: ["unavailable"],
  async handle(call) {
    return { status: 200, body: await listAlerts(call) };
  },
});

export const alertRoutes = [list];
