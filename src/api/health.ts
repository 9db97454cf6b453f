import { z } from "zod";

/** The health of the service, or of one component. */
export const healthStatusSchema = z.enum(["ok", "degraded", "down"]);
export type HealthStatus = z.infer<typeof healthStatusSchema>;

/**
 * The components that are checked, by their names in `/readyz`.
 * @internal Tests check that every component is reported and documented.
 */
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

const componentHealthSchema = z.object({
  status: z
    .enum([...healthStatusSchema.options, "unknown"])
    .describe("unknown: the state cannot be determined at the moment. It does not affect the overall status"),
  latencyMs: z.number().optional().describe("How long the check took, in ms; for admin keys only"),
  detail: z.string().optional().describe("What is wrong; for admin keys only"),
  measures: z
    .record(z.string(), z.number())
    .optional()
    .describe("Measured values by name. Each name ends with its unit; for admin keys only"),
});
export type ComponentHealth = z.infer<typeof componentHealthSchema>;

export const readinessSchema = z
  .object({
    status: healthStatusSchema.describe(
      "degraded: requests are served, and delayed work will be caught up; down: requests cannot be served",
    ),
    checkedAt: z.string().describe("When the components were checked. The result is reused for a few seconds"),
    components: z.record(z.string(), componentHealthSchema).describe(`By name: ${COMPONENTS.join(", ")}`),
  })
  .meta({ id: "Readiness" });
export type Readiness = z.infer<typeof readinessSchema>;

/** The reason of a summary job that waits because its tenant or session has used up the budget of the day. */
export const OVER_BUDGET_REASON = "summarizer over_budget";

/** What the Operations object knows about the health of the deployment. */
export interface OperationsHealth {
  /** Jobs that keep failing, without those that wait for a budget. */
  readonly failedJobs: number;
  /** Tenants whose summaries wait because the budget of the day is used up. */
  readonly tenantsOverBudget: number;
  /** When the oldest overdue work was first scheduled, in ms since 1970; null if no work is overdue. */
  readonly oldestScheduledAt: number | null;
}
