import { z } from "zod";
import type { AuditActor } from "../../api/audit.ts";
import { revSchema } from "../../api/live.ts";
import { scopeSchema } from "../../api/principal.ts";
import { followedSessionSchema } from "./told.ts";

/** The caller whose rate limit the frames of a socket count against: `Counted` of access/rate-limit.ts. */
export const countedSchema = z.object({ tier: z.enum(["user", "key"]), name: z.string() });

/** What a socket needs after hibernation. The runtime keeps it with the socket (`serializeAttachment`). */

const attachmentSchema = z.object({
  v: z.literal(1),
  epoch: z.string(),
  scopes: z.array(scopeSchema),
  /** Who sends its frames, for the audit log. */
  by: z.custom<AuditActor>(),
  /** Whether the sender has only a user's rights. */
  isUser: z.boolean(),
  counted: countedSchema,
  from: z.string().nullable(),
  requestId: z.string(),
  /** The trace of the request that opened the socket. */
  trace: z.string().optional(),
  /** When the socket is closed at the latest, in ms since 1970. */
  until: z.number(),
  /** When the key that opened the socket was last known to be valid, in ms since 1970. */
  keyCheckedAt: z.number(),
  /** The last event that the client acknowledged. */
  acked: revSchema,
  /**
   * The last event that the socket was sent; null while it was sent all, so that events need not update the attachment.
   */
  sent: revSchema.nullable(),
  /** In a fan-out object: the bytes of the events that were sent and not acknowledged. */
  unackedBytes: z.number().optional(),
  /** In a fan-out object: the session, and which of its fan-out objects this is. */
  followed: z.object({ session: followedSessionSchema, fanOut: z.int() }).optional(),
});

export type Attachment = z.infer<typeof attachmentSchema>;

/** Parses an attachment that the runtime kept; null if another version wrote it. */
export function parseAttachment(kept: unknown): Attachment | null {
  const parsed = attachmentSchema.safeParse(kept);
  return parsed.success ? parsed.data : null;
}
