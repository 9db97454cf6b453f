import { z } from "zod";
import { alertListSchema, alertNoticeSchema } from "../../api/alert.ts";
import { listAlerts } from "../../usecases/alerts.ts";
import { defineRoute } from "../route.ts";

const list = defineRoute({
  method: "get",
  path: "/v1/admin/alerts",
  operationId: "listAlerts",
  tag: "Operations",
  summary: "List the alerts that stand",
  description:
    "Every minute it is looked whether sessions, PostgreSQL and the summarizer answer, and whether messages, late work, failed jobs or used-up budgets pile up. What is found twice in a row becomes an alert, what is found no more three times in a row is over; the start and the end are each posted to `THREADKEEP_ALERT_WEBHOOK`, as an `AlertNotice`, until it answers with 2xx. `docs/operate.md` says what to do about each, and how to check the signature of a notice.",
  request: z.object({}),
  answers: {
    200: { description: "All that stand", schema: alertListSchema },
  },
  alsoDescribes: [alertNoticeSchema],
  problems: ["unavailable"],
  async handle(call) {
    return { status: 200, body: await listAlerts(call) };
  },
});

export const alertRoutes = [list];
