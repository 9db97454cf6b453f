import { z } from "zod";
import { revSchema } from "../../api/live.ts";

/** What sockets have to know of the session. */
export const followedSessionSchema = z.object({
  tenant: z.string(),
  owner: z.string(),
  session: z.string(),
  epoch: z.string(),
  /** The revs of a later epoch begin at a higher one. */
  revBase: z.number(),
  /** Whether the tenant has the high tier of limits. */
  isHighTier: z.boolean(),
  state: z.enum(["open", "erased", "expired"]),
});
export type FollowedSession = z.infer<typeof followedSessionSchema>;

const feedHeadSchema = z.object({
  /** The rev of the last event. */
  rev: revSchema,
  /** The newest message of the active branch. */
  headSeq: z.number(),
  /** The rev of the last event that was no append: it may have changed a message of an earlier event. */
  changedAt: revSchema,
});

/** What a session's object tells a fan-out object. After an erasure or an expiry, `head` has no meaning. */
export const toldSchema = z.object({ session: followedSessionSchema, head: feedHeadSchema });
export type Told = z.infer<typeof toldSchema>;
