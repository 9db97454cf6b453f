import type { Context } from "hono";
import { z } from "zod";
import type { Readiness } from "../api/health.ts";
import type { HttpEnv } from "./env.ts";

export const livenessSchema = z.object({ status: z.literal("ok") }).meta({ id: "Liveness" });

/** The process answers. Nothing else is asked: a restart mends no outage of a part. */
export function answerLiveness(): Response {
  return Response.json({ status: "ok" } satisfies z.infer<typeof livenessSchema>);
}

/** Degraded is still 200: taking a service out of rotation because its archive is behind would make an outage of a delay. */
export function answerReadiness(readiness: (c: Context<HttpEnv>) => Promise<Readiness>) {
  return async (c: Context<HttpEnv>): Promise<Response> => {
    const report = await readiness(c);
    return Response.json(report, { status: report.status === "down" ? 503 : 200 });
  };
}
