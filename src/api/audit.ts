import { z } from "zod";
import { PROBLEMS, type ProblemCode } from "./errors.ts";
import { REQUESTS, type RequestAction } from "./requests.ts";
import { sessionIdSchema, userIdSchema } from "./session.ts";
import { tenantIdSchema } from "./tenant.ts";
import { isoTime } from "./text.ts";

/**
 * The actions that are audited: each request by its name in the table, failed authentication, and requests beyond a rate limit.
 * @internal A test checks that it lists every action of the table of requests.
 */
export const AUDIT_ACTIONS = ["authenticate", "sendRequests", ...Object.keys(REQUESTS)] as [
  "authenticate",
  "sendRequests",
  ...RequestAction[],
];
const auditActionSchema = z.enum(AUDIT_ACTIONS);
export type AuditAction = z.infer<typeof auditActionSchema>;

/** How the action ended: `ok`, or the code of the problem that was returned. */
const auditResultSchema = z.enum(["ok", ...Object.keys(PROBLEMS)] as ["ok", ...ProblemCode[]]);
export type AuditResult = z.infer<typeof auditResultSchema>;

/**
 * `unauthenticated`: the caller presented no valid credential. `many`: several callers counted as one, because there
 * were too many to list. The others are kinds of principals.
 */
const auditActorKindSchema = z.enum(["tenant-key", "user", "admin", "unauthenticated", "many"]);

export interface AuditActor {
  readonly kind: z.infer<typeof auditActorKindSchema>;
  /** Names the credential that was presented, without its secret. */
  readonly id: string;
}

/** Who appends. `isUser`: with the rights of a user only, as a user's token or a ticket gives them. */
export interface Appender extends AuditActor {
  readonly isUser: boolean;
}

/** Details of an event. They hold positions and numbers, never text of a chat. */
const auditDetailsSchema = z.strictObject({
  count: z.int().min(1).optional().describe("How many refusals this event stands for"),
  lastAt: z.string().optional().describe("When the last of them happened"),
  fromSeq: z.int().min(1).optional().describe("The first message of a range of appended messages"),
  throughSeq: z.int().min(0).optional().describe("The last message of that range, or the last message that was copied"),
  startedAt: z.string().optional().describe("When the first message of the range was appended"),
  principals: z
    .int()
    .min(1)
    .optional()
    .describe("How many principals appended to the range. Each of them has an event of its own"),
  seq: z.int().min(1).optional().describe("The message that was edited or erased"),
  version: z.int().min(1).optional().describe("The new version that the restored summary became"),
  headSeq: z.int().min(0).optional().describe("The last message of the branch that became the active one"),
  source: z.string().optional().describe("The session that was forked"),
  messages: z.int().min(0).optional().describe("How many messages were imported"),
  created: z.boolean().optional().describe("Whether it was newly created; false: it existed already"),
  keyId: z.string().optional().describe("The key that was created or revoked"),
  jobId: z.string().optional().describe("The failed job that was retried or dropped"),
  kind: z.string().optional().describe("The kind of the job, or of the jobs that were retried"),
  reason: z.string().optional().describe("Why the operator dropped the job"),
  retried: z.int().min(0).optional().describe("How many failed jobs were retried"),
  rotatedFrom: z.string().optional().describe("The key that the new key replaces"),
});
export type AuditDetails = z.infer<typeof auditDetailsSchema>;

/**
 * An audit event on its way through a queue to the archive. It contains the user's id; the consumer replaces it with a
 * keyed hash before it stores the event.
 */
export interface RawAuditEvent {
  /** The same for every delivery of the event, so that it is stored once. */
  readonly id: string;
  readonly at: string;
  /** Null if the event is about no tenant, or if the tenant is not known. */
  readonly tenant: string | null;
  /** The user that the event is about, or `-`. */
  readonly owner: string;
  readonly actor: AuditActor;
  readonly session: string | null;
  readonly action: AuditAction;
  readonly result: AuditResult;
  readonly requestId: string | null;
  /** The network that the request came from, never the exact address: at least 256 addresses share it. */
  readonly from: string | null;
  readonly details: AuditDetails;
}

/** Only the form of a name is checked, so that events written by a later version are stored as well. */
const name = z.string().regex(/^[\w.-]{1,64}$/);

/** The body of a queue message with audit events. */
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
type AuditMessage = z.infer<typeof auditMessageSchema>;
export type QueuedAuditEvent = AuditMessage["events"][number];

/** An audit event as operators read it. */
export const auditEventSchema = z
  .object({
    id: z.string(),
    at: z.string().describe("When it happened. For a range of appends: when the last message was appended"),
    tenant: z.string().nullable().describe("The tenant that the event is about"),
    actor: z
      .object({ kind: z.string(), id: z.string() })
      .describe(
        "Who did it: `key:ID`, `deployment-key`, `admin`, `operations` (an operator who uses wrangler) or `binding`. A user appears as the keyed hash in `user`",
      ),
    user: z
      .string()
      .nullable()
      .describe(
        "The user that the event is about, as a keyed hash. Once the user is erased, nobody can compute the hash again",
      ),
    session: z.string().nullable(),
    action: z.string().describe("The operation, by its name in the API"),
    result: z.string().describe("`ok`, or the code of the problem that was returned"),
    requestId: z.string().nullable(),
    from: z
      .string()
      .nullable()
      .describe("The network that the request came from: the /24 of an IPv4 address, the /48 of an IPv6 address"),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  })
  .meta({ id: "AuditEvent" });
export type AuditEvent = z.infer<typeof auditEventSchema>;

/** Which events to read. A filter that is left out matches every event. */
export const auditFilterSchema = z.strictObject({
  tenant: tenantIdSchema.optional().describe("By default all tenants; with a tenant's key, that tenant"),
  user: userIdSchema.optional().describe("The id of a user of the given tenant"),
  session: sessionIdSchema.optional(),
  action: auditActionSchema.optional(),
  actor: z
    .string()
    .regex(/^[\w.:-]{1,200}$/, { error: "must be an actor's id as events have it, such as key:7Qm2xVb9LcTa" })
    .optional()
    .describe("The actor's id, such as `key:7Qm2xVb9LcTa` or `admin`"),
  result: auditResultSchema.optional(),
  from: isoTime.optional().describe("Only events at or after this time"),
  to: isoTime.optional().describe("Only events before this time"),
});
export type AuditFilter = z.infer<typeof auditFilterSchema>;
