import { z } from "zod";
import { readStats, type Stats } from "../../usecases/stats.ts";
import { type Gauge, OPEN_METRICS_TYPE, writeOpenMetrics } from "../open-metrics.ts";
import { defineRoute, RawAnswer } from "../route.ts";

const read = defineRoute({
  method: "get",
  path: "/metrics",
  operationId: "readMetrics",
  tag: "Operations",
  summary: "Read current metrics",
  description:
    "Metrics as OpenMetrics text: failed jobs that have not recovered, the backlogs of the queues, and how runs of operations ended. Metrics of a component that cannot be reached are left out, which `threadkeep_part_up` shows. With an admin key of all tenants; with a tenant's key with the scope `ops`, of that tenant.",
  request: z.object({}),
  answers: {
    200: {
      description: "The metrics",
      mediaType: OPEN_METRICS_TYPE,
      schema: z.string(),
    },
  },
  problems: [],
  async handle(call) {
    const text = writeOpenMetrics(gaugesOf(await readStats(call), Date.now()));
    const headers = { "Content-Type": OPEN_METRICS_TYPE, "Cache-Control": "no-store" };
    return { status: 200, body: new RawAnswer(new Response(text, { headers })) };
  },
});

export const metricsRoutes = [read];

/**
 * @param now ms since 1970
 * @internal A test gives it numbers that a running service has not.
 */
export function gaugesOf({ failed, tenants, backlogs, runs }: Stats, now: number): Gauge[] {
  const age = (at: number | null): number[] => (at === null ? [] : [Math.max(0, (now - at) / 1000)]);
  return [
    {
      name: "threadkeep_part_up",
      help: "Whether a component that provides the metrics answered.",
      samples: [{ labels: { part: "operations" }, value: failed === null ? 0 : 1 }],
    },
    {
      name: "threadkeep_failed_jobs",
      help: "Jobs that failed three times or gave up, and have not recovered.",
      samples: (failed?.counts ?? []).map(({ kind, state, count }) => ({ labels: { kind, state }, value: count })),
    },
    {
      name: "threadkeep_failed_jobs_oldest_seconds",
      unit: "seconds",
      help: "How long the job that has been failing longest has been failing.",
      samples: age(failed?.oldestAt ?? null).map((value) => ({ value })),
    },
    {
      name: "threadkeep_tenants",
      help: "Tenants that were created.",
      samples: tenants === null ? [] : [{ value: tenants }],
    },
    {
      name: "threadkeep_queue_messages",
      help: "Messages that wait in a queue.",
      samples: backlogs.map(({ queue, messages }) => ({ labels: { queue }, value: messages })),
    },
    {
      name: "threadkeep_queue_bytes",
      unit: "bytes",
      help: "Bytes of the messages that wait in a queue.",
      samples: backlogs.map(({ queue, bytes }) => ({ labels: { queue }, value: bytes })),
    },
    {
      name: "threadkeep_queue_oldest_seconds",
      unit: "seconds",
      help: "How long the oldest message in a queue has waited.",
      samples: backlogs.flatMap(({ queue, oldestAt }) => age(oldestAt).map((value) => ({ labels: { queue }, value }))),
    },
    {
      name: "threadkeep_operation_runs",
      help: "Runs of operations among the newest thousand, without dry runs.",
      samples: runs.map(({ op, status, count }) => ({ labels: { op, status }, value: count })),
    },
    {
      name: "threadkeep_operation_last_end_seconds",
      unit: "seconds",
      help: "Time since the last run with this status ended.",
      samples: runs.flatMap(({ op, status, lastEndedAt }) =>
        age(lastEndedAt).map((value) => ({ labels: { op, status }, value })),
      ),
    },
  ];
}
