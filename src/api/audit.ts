import { z } from "zod";
import { PROBLEMS, type ProblemCode } from "./errors.ts";
import { REQUESTS, type RequestAction } from "./requests.ts";
import { sessionIdSchema, userIdSchema } from "./session.ts";
import { tenantIdSchema } from "./tenant.ts";
import { isoTime } from "./text.ts";

/** What is audited: each request by its name in the table, a credential that is no good, and requests beyond a rate limit. */
export const AUDIT_ACTIONS = ["authenticate", "sendRequests", ...Object.keys(REQUESTS)] as [
  "authenticate",
  "sendRequests",
  ...RequestAction[],
];
export const auditActionSchema = z.enum(AUDIT_ACTIONS);
export type AuditAction = z.infer<typeof auditActionSchema>;

/** How it ended: `ok`, or the code of the problem that was answered. */
export const auditResultSchema = z.enum(["ok", ...Object.keys(PROBLEMS)] as ["ok", ...ProblemCode[]]);
export type AuditResult = z.infer<typeof auditResultSchema>;

/**
 * `unauthenticated`: showed nothing that was good; `many`: several that are counted as one, because there were too many to tell apart. The
 * others are the kinds of principals.
 */
export const auditActorKindSchema = z.enum(["tenant-key", "user", "admin", "unauthenticated", "many"]);

export interface AuditActor {
  readonly kind: z.infer<typeof auditActorKindSchema>;
  /** Names what was shown, never its secret. */
  readonly id: string;
}

/** Who appends: with a user's rights alone, which a ticket gives whoever asked for it, or not. */
export interface Appender extends AuditActor {
  readonly isUser: boolean;
}

/** What else is told: places and numbers, never what was said. */
export const auditDetailsSchema = z.strictObject({
  count: z.int().min(1).optional().describe("Refusals that this event stands for"),
  lastAt: z.string().optional().describe("The last of them"),
  fromSeq: z.int().min(1).optional().describe("The first message of a range of appends"),
  throughSeq: z.int().min(0).optional().describe("The last message, of a range or of what was copied"),
  startedAt: z.string().optional().describe("When the first message of the range was appended"),
  principals: z.int().min(1).optional().describe("How many appended to the range: each has an event of its own"),
  seq: z.int().min(1).optional().describe("The message that was edited or erased"),
  version: z.int().min(1).optional().describe("The version that a restored summary became"),
  headSeq: z.int().min(0).optional().describe("The last message of the branch that was made the active one"),
  source: z.string().optional().describe("The session that it was forked from"),
  messages: z.int().min(0).optional().describe("Messages that were imported"),
  created: z.boolean().optional().describe("Whether it is new: else it was there already"),
  keyId: z.string().optional().describe("The key that was made or revoked"),
  jobId: z.string().optional().describe("The failed job that was retried or dropped"),
  kind: z.string().optional().describe("The kind of that job, or of those that were retried"),
  reason: z.string().optional().describe("Why the operator dropped it"),
  retried: z.int().min(0).optional().describe("Failed jobs that were retried"),
  rotatedFrom: z.string().optional().describe("The key whose place the new one takes"),
});
export type AuditDetails = z.infer<typeof auditDetailsSchema>;

/** An event on its way to the archive, by a queue. It names the user, and whoever stores it puts a keyed hash in that place. */
export interface RawAuditEvent {
  /** The same each time that it is delivered. */
  readonly id: string;
  readonly at: string;
  /** Null where it is about no tenant, or nobody knows which. */
  readonly tenant: string | null;
  /** The user it is about, or `-`. */
  readonly owner: string;
  readonly actor: AuditActor;
  readonly session: string | null;
  readonly action: AuditAction;
  readonly result: AuditResult;
  readonly requestId: string | null;
  /** The network that it came from, of 256 addresses or more. */
  readonly from: string | null;
  readonly details: AuditDetails;
}

/** Names are checked for their form alone: an event of a later version is kept as well. */
const name = z.string().regex(/^[\w.-]{1,64}$/);

/** The body of a queue's message. */
export const auditMessageSchema = z.object({
  v: z.literal(1),
  events: z.array(
    z.object({
      id: z.string().min(1).max(200),
      at: isoTime,
      tenant: z.string().min(1).nullable(),
      owner: z.string().min(1),
      actor: z.object({ kind: name, id: z.string().min(1) }),
      session: z.string().nullable(),
      action: name,
      result: name,
      requestId: z.string().nullable(),
      from: z.string().nullable(),
      details: z.record(name, z.union([z.string(), z.number(), z.boolean()])),
    }),
  ),
});
export type AuditMessage = z.infer<typeof auditMessageSchema>;
export type QueuedAuditEvent = AuditMessage["events"][number];

/** An event as operators read it. */
export const auditEventSchema = z
  .object({
    id: z.string(),
    at: z.string().describe("Of a range of appends: when the last of them was appended"),
    tenant: z.string().nullable().describe("The tenant that it is about"),
    actor: z
      .object({ kind: z.string(), id: z.string() })
      .describe(
        "Who: `key:ID`, `deployment-key`, `admin`, `operations` (an operator by wrangler), `binding`; a user by the keyed hash in `user`",
      ),
    user: z
      .string()
      .nullable()
      .describe("The user it is about, as a keyed hash that nobody can undo once they are erased"),
    session: z.string().nullable(),
    action: z.string().describe("The operation, as the API names it"),
    result: z.string().describe("`ok`, or the code of the problem"),
    requestId: z.string().nullable(),
    from: z.string().nullable().describe("The network: /24 of an IPv4 address, /48 of an IPv6 one"),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  })
  .meta({ id: "AuditEvent" });
export type AuditEvent = z.infer<typeof auditEventSchema>;

/** Which events to read. What is left out is not asked of an event. */
export const auditFilterSchema = z.strictObject({
  tenant: tenantIdSchema.optional().describe("By default every tenant; with a tenant's key its own"),
  user: userIdSchema.optional().describe("The user's id, of the tenant that is named as well"),
  session: sessionIdSchema.optional(),
  action: auditActionSchema.optional(),
  actor: z
    .string()
    .regex(/^[\w.:-]{1,200}$/, { error: "must be an actor's id as events have it, such as key:7Qm2xVb9LcTa" })
    .optional()
    .describe("The actor's id, such as `key:7Qm2xVb9LcTa` or `admin`"),
  result: auditResultSchema.optional(),
  from: isoTime.optional().describe("Not before this"),
  to: isoTime.optional().describe("Before this"),
});
export type AuditFilter = z.infer<typeof auditFilterSchema>;
