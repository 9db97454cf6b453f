import { z } from "zod";
import { healthStatusSchema } from "./health.ts";

/** What an operator is told of. docs/operate.md has a section for each, by this name. */
export const ALERT_KINDS = [
  "sessions-away",
  "postgres-away",
  "summarizer-away",
  "queue-backlog",
  "work-late",
  "jobs-failing",
  "budget-used-up",
] as const;
export const alertKindSchema = z.enum(ALERT_KINDS);
export type AlertKind = z.infer<typeof alertKindSchema>;

export const alertSchema = z
  .object({
    id: z.string().describe("Of this alert; when the same trouble comes back, it is another one"),
    kind: alertKindSchema,
    startedAt: z.string().describe("When it was told"),
    since: z.string().describe("When the trouble was first seen"),
    lastSeenAt: z.string(),
    detail: z.string(),
    measures: z.record(z.string(), z.number()).describe("What was last found, by names that end in their units"),
    runbook: z.string().describe("Where it stands what to do"),
  })
  .meta({ id: "Alert" });
export type Alert = z.infer<typeof alertSchema>;

export const alertListSchema = z
  .object({
    data: z.array(alertSchema).describe("Those that stand, the oldest first"),
    hasMore: z.literal(false),
    nextCursor: z.null(),
    checkedAt: z
      .string()
      .nullable()
      .describe("When the thresholds were last checked; more than minutes ago: the cron does not run"),
    pendingNotices: z.int().describe("Notices that the webhook has not taken yet"),
  })
  .meta({ id: "AlertList" });
export type AlertList = z.infer<typeof alertListSchema>;

const noticeFields = {
  v: z.literal(1),
  id: z.string().describe("The same each time that this notice is sent"),
  at: z.string().describe("When it was made"),
};

/** What a webhook is sent. */
export const alertNoticeSchema = z
  .discriminatedUnion("type", [
    z.object({ ...noticeFields, type: z.literal("alert.started"), alert: alertSchema }),
    z.object({ ...noticeFields, type: z.literal("alert.ended"), alert: alertSchema, endedAt: z.string() }),
    z.object({
      ...noticeFields,
      type: z.literal("digest"),
      status: healthStatusSchema,
      standing: z.array(alertSchema),
      started: z.int().describe("Alerts that started since the last digest"),
      ended: z.int().describe("Alerts that ended since the last digest"),
    }),
  ])
  .meta({ id: "AlertNotice" });
export type AlertNotice = z.infer<typeof alertNoticeSchema>;

/** One kind of trouble as it was last looked for. */
export interface AlertState {
  readonly kind: AlertKind;
  /** Set while it stands. */
  readonly alert: Alert | null;
  /** Looks in a row that found it, and that did not. */
  readonly badLooks: number;
  readonly goodLooks: number;
  /** The first look of the row that found it, in ms since 1970. */
  readonly since: number;
}

/** What is kept from one check to the next. */
export interface AlertBook {
  /** Counts the checks: of two at a time one is kept. */
  readonly rev: number;
  /** ms since 1970; null before the first check. */
  readonly checkedAt: number | null;
  /** When the last digest was made, in ms since 1970. */
  readonly digestAt: number | null;
  readonly started: number;
  readonly ended: number;
  readonly states: readonly AlertState[];
}

export const EMPTY_ALERT_BOOK: AlertBook = {
  rev: 0,
  checkedAt: null,
  digestAt: null,
  started: 0,
  ended: 0,
  states: [],
};

/** A notice that the webhook has to take yet. */
export interface PendingNotice {
  readonly notice: AlertNotice;
  /** How often it was sent, this time included. */
  readonly attempts: number;
}
