import type { Context } from "hono";
import { z } from "zod";
import type { Readiness } from "../api/health.ts";
import type { HttpEnv } from "./env.ts";

export const livenessSchema = z.object({ status: z.literal("ok") }).meta({ id: "Liveness" });

/** Answers that the process runs. Other components are not checked, because a restart would not repair them. */
export function answerLiveness(): Response {
  return Response.json({ status: "ok" } satisfies z.infer<typeof livenessSchema>);
}

/**
 * Answers 200 also when degraded: taking the service out of rotation because its archive is behind would turn a delay
 * into an outage.
 */
export function answerReadiness(readiness: (c: Context<HttpEnv>) => Promise<Readiness>) {
  return async (c: Context<HttpEnv>): Promise<Response> => {
    const report = await readiness(c);
    return Response.json(report, { status: report.status === "down" ? 503 : 200 });
  };
}
