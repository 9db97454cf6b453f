import { z } from "zod";
import { healthStatusSchema } from "./health.ts";

/** The kinds of alerts that an operator gets. docs/operate.md has a section with the same name for each of them. */
export const ALERT_KINDS = [
  "sessions-away",
  "postgres-away",
  "summarizer-away",
  "queue-backlog",
  "work-late",
  "jobs-failing",
  "budget-used-up",
] as const;
/** @internal The service itself needs it only as a part of other schemas, or for its type; tests compare it with what clients and documents have. */
export const alertKindSchema = z.enum(ALERT_KINDS);
export type AlertKind = z.infer<typeof alertKindSchema>;

const alertSchema = z
  .object({
    id: z.string().describe("Id of this alert. If the same fault returns after the alert has ended, it gets a new id"),
    kind: alertKindSchema,
    startedAt: z.string().describe("When the alert was raised"),
    since: z.string().describe("When the fault was first seen"),
    lastSeenAt: z.string(),
    detail: z.string(),
    measures: z
      .record(z.string(), z.number())
      .describe("The values last measured, by name. Each name ends with its unit"),
    runbook: z.string().describe("URL of the instructions for this alert"),
  })
  .meta({ id: "Alert" });
export type Alert = z.infer<typeof alertSchema>;

export const alertListSchema = z
  .object({
    data: z.array(alertSchema).describe("The current alerts, oldest first"),
    hasMore: z.literal(false),
    nextCursor: z.null(),
    checkedAt: z
      .string()
      .nullable()
      .describe(
        "When the thresholds were last checked. If this is more than a few minutes ago, the cron trigger does not run",
      ),
    pendingNotices: z.int().describe("Notices that the webhook has not accepted yet"),
  })
  .meta({ id: "AlertList" });
export type AlertList = z.infer<typeof alertListSchema>;

const noticeFields = {
  v: z.literal(1),
  id: z.string().describe("Id of the notice. It stays the same when the notice is sent again"),
  at: z.string().describe("When the notice was created"),
};

/** The body of a request to the operator's webhook. */
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

/** The result of the checks for one kind of alert. */
export interface AlertState {
  readonly kind: AlertKind;
  /** The alert, while it is active; else null. */
  readonly alert: Alert | null;
  /** How many checks in a row found the fault. */
  readonly badLooks: number;
  /** How many checks in a row did not find it. */
  readonly goodLooks: number;
  /** When the first of the current run of bad checks found the fault, in ms since 1970. */
  readonly since: number;
}

/** What the checks of alerts store from one run to the next. */
export interface AlertBook {
  /** Rises by one with each check. If two checks run at the same time, only one of them can save its result. */
  readonly rev: number;
  /** ms since 1970; null before the first check. */
  readonly checkedAt: number | null;
  /** When the last digest was made, in ms since 1970. */
  readonly digestAt: number | null;
  /** Alerts that started since the last digest. */
  readonly started: number;
  /** Alerts that ended since the last digest. */
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

/** A notice that the webhook has not accepted yet. */
export interface PendingNotice {
  readonly notice: AlertNotice;
  /** How many times it was sent, including this time. */
  readonly attempts: number;
}
