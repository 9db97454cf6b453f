import { z } from "zod";
import type { AuditActor } from "../../api/audit.ts";
import { revSchema } from "../../api/live.ts";
import { scopeSchema } from "../../api/principal.ts";

/** Whose requests the frames of a socket count with: `Counted` of access/rate-limit.ts. */
export const countedSchema = z.object({ tier: z.enum(["user", "key"]), name: z.string() });

/** What a socket must know after hibernation, which the runtime keeps with it. */

const attachmentSchema = z.object({
  v: z.literal(1),
  epoch: z.string(),
  scopes: z.array(scopeSchema),
  /** Who sends its frames. */
  by: z.custom<AuditActor>(),
  /** Whether they have a user's rights alone. */
  isUser: z.boolean(),
  counted: countedSchema,
  from: z.string().nullable(),
  requestId: z.string(),
  /** Of the request that opened it. */
  trace: z.string().optional(),
  until: z.number(),
  /** When the key that it was opened with was known to be good, ms since 1970. */
  keyCheckedAt: z.number(),
  acked: revSchema,
  /** The last event that it was sent; null while it has been sent all: then an event need not write it down. */
  sent: revSchema.nullable(),
});

export type Attachment = z.infer<typeof attachmentSchema>;

/** What the runtime kept, read again; null if it cannot be. */
export function parseAttachment(kept: unknown): Attachment | null {
  const parsed = attachmentSchema.safeParse(kept);
  return parsed.success ? parsed.data : null;
}
