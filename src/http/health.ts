import type { Context } from "hono";
import { z } from "zod";
import type { HttpEnv } from "./env.ts";

const healthStatusSchema = z.enum(["ok", "degraded", "down"]);

export const readinessSchema = z
  .object({
    status: healthStatusSchema.describe("degraded: it serves, and what is missing catches up by itself"),
    components: z.record(
      z.string(),
      z.object({
        status: healthStatusSchema,
        latencyMs: z.number(),
        detail: z.string().optional(),
      }),
    ),
  })
  .meta({ id: "Readiness" });
export type Readiness = z.infer<typeof readinessSchema>;

export const livenessSchema = z.object({ status: z.literal("ok") }).meta({ id: "Liveness" });

/** The process answers. Nothing else is asked: a restart mends no outage of a part. */
export function answerLiveness(): Response {
  return Response.json({ status: "ok" } satisfies z.infer<typeof livenessSchema>);
}

/** Degraded is still 200: taking a service out of rotation because its archive is behind would make an outage of a delay. */
export function answerReadiness(readiness: () => Promise<Readiness>) {
  return async (_c: Context<HttpEnv>): Promise<Response> => {
    const report = await readiness();
    return Response.json(report, { status: report.status === "down" ? 503 : 200 });
  };
}
