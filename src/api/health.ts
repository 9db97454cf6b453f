import { z } from "zod";

/** How a service, or a part of it, does. */
export const healthStatusSchema = z.enum(["ok", "degraded", "down"]);
export type HealthStatus = z.infer<typeof healthStatusSchema>;

/** What is looked at, by the names that `/readyz` has for it. */
export const COMPONENTS = [
  "sessions",
  "operations",
  "postgres",
  "queues",
  "summarizer",
  "failedJobs",
  "pendingWork",
] as const;
export type ComponentName = (typeof COMPONENTS)[number];

export const componentHealthSchema = z.object({
  status: z
    .enum([...healthStatusSchema.options, "unknown"])
    .describe("unknown: nobody can tell now; it counts for nothing"),
  latencyMs: z.number().optional().describe("How long it took to look; for an admin's key alone"),
  detail: z.string().optional().describe("What is wrong; for an admin's key alone"),
  measures: z
    .record(z.string(), z.number())
    .optional()
    .describe("What was found, by names that end in their units; for an admin's key alone"),
});
export type ComponentHealth = z.infer<typeof componentHealthSchema>;

export const readinessSchema = z
  .object({
    status: healthStatusSchema.describe("degraded: it serves, and what is missing catches up; down: it cannot serve"),
    checkedAt: z.string().describe("When the parts were looked at: an answer serves for some seconds"),
    components: z.record(z.string(), componentHealthSchema).describe(`By name: ${COMPONENTS.join(", ")}`),
  })
  .meta({ id: "Readiness" });
export type Readiness = z.infer<typeof readinessSchema>;

/** Why a summary waits whose tenant or session has used up its budget of the day. */
export const OVER_BUDGET_REASON = "summarizer over_budget";

/** What the Operations object knows of the health of the deployment. */
export interface OperationsHealth {
  /** Jobs that keep failing, those that wait for a budget left out. */
  readonly failedJobs: number;
  /** Tenants whose summaries wait because their budget of the day is used up. */
  readonly tenantsOverBudget: number;
  /** When the oldest work was first scheduled that is known to be late, in ms since 1970; null if none is. */
  readonly oldestScheduledAt: number | null;
}
