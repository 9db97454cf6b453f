import { z } from "zod";
import { appendResultSchema, appendSchema } from "./append.ts";
import { contextRequestSchema } from "./context.ts";
import { problemSchema } from "./errors.ts";
import { MAX_FRAME_ID_LENGTH } from "./limits.ts";
import { messageSchema, seqSchema } from "./message.ts";
import { branchRequestSchema } from "./session.ts";
import { safeText } from "./text.ts";

/**
 * The live feed of a session: the frames that the service sends, the frames that a client may send, and the tickets
 * with which a browser connects.
 */

/**
 * The number of an event in its session's feed. It rises by one with each event. It is not a `seq`, and its first value
 * has no meaning.
 */
export type Rev = number;

export const revSchema = z.int().min(0);

const event = <Type extends string, Shape extends z.core.$ZodLooseShape>(type: Type, shape: Shape) =>
  z.object({ type: z.literal(type), rev: revSchema, ...shape });

const appendedEventSchema = event("appended", {
  message: messageSchema.describe("The message as it is now: if it was edited or erased since, it shows that"),
});
const editedEventSchema = event("edited", { message: messageSchema.describe("The message as it is now") });
const erasedEventSchema = event("erased", {
  seq: seqSchema,
  throughSeq: seqSchema.describe("All messages from `seq` to this one are erased; equal to `seq` if it is one message"),
  id: z.string().optional().describe("The message's id, if one message was erased"),
});
const branchedEventSchema = event("branched", {
  headSeq: z.int().min(0).describe("The last message of the branch that is now active"),
  fromSeq: z
    .int()
    .min(0)
    .describe(
      "The last message that the new branch shares with the previous one; 0 if none. Remove what you show after this message, and show the messages of the new branch that follow it",
    ),
});
const summarizedEventSchema = event("summarized", {
  version: z.int(),
  throughSeq: z.int().describe("The summary covers messages 1 to this one"),
  degraded: z.boolean(),
});
const summaryFailedEventSchema = event("summaryFailed", {
  throughSeq: z.int().describe("The last message that the failed summary would have covered"),
});
const expiredEventSchema = event("expired", {});

/**
 * An event of the session, with its `rev`.
 * @internal The service itself needs it only as a part of other schemas, or for its type; tests compare it with what clients and documents have.
 */
export const liveEventSchema = z
  .discriminatedUnion("type", [
    appendedEventSchema,
    editedEventSchema,
    erasedEventSchema,
    branchedEventSchema,
    summarizedEventSchema,
    summaryFailedEventSchema,
    expiredEventSchema,
  ])
  .meta({ id: "LiveEvent" });
export type LiveEvent = z.infer<typeof liveEventSchema>;

/** @internal The service itself needs it only as a part of other schemas, or for its type; tests compare it with what clients and documents have. */
export const helloSchema = z
  .object({
    type: z.literal("hello"),
    headSeq: z.int().min(0).describe("seq of the newest message of the active branch; 0 if none"),
    rev: revSchema.describe("The rev of the newest event"),
    since: revSchema.describe("The events after this one follow"),
    reset: z
      .literal(true)
      .optional()
      .describe(
        "The requested events are no longer available, or belong to an earlier session with this id: read the session again",
      ),
  })
  .meta({ id: "LiveHello" });
export type Hello = z.infer<typeof helloSchema>;

const frameId = safeText.min(1).max(MAX_FRAME_ID_LENGTH);

const answerFrameSchema = z
  .object({
    type: z.literal("answer"),
    id: z.string().describe("The id of the frame that this answers"),
    result: z
      .union([appendResultSchema, z.looseObject({})])
      .describe(
        "The same as over HTTP: the result of an append, a context, or the session after a change of its branch",
      ),
  })
  .meta({ id: "LiveAnswer" });
export type AnswerFrame = z.infer<typeof answerFrameSchema>;

const errorFrameSchema = z
  .object({
    type: z.literal("error"),
    id: z.string().optional().describe("The id of the frame that was refused, if it had one"),
    error: problemSchema,
  })
  .meta({ id: "LiveError" });
export type ErrorFrame = z.infer<typeof errorFrameSchema>;

/** Every frame that the service sends. */
export const serverFrameSchema = z
  .union([helloSchema, liveEventSchema, answerFrameSchema, errorFrameSchema])
  .meta({ id: "LiveServerFrame" });
export type ServerFrame = z.infer<typeof serverFrameSchema>;

const appendFrameSchema = appendSchema({
  type: z.literal("append"),
  id: frameId.describe("An id of your choice; the answer repeats it"),
});
export const contextFrameSchema = z.strictObject({
  type: z.literal("context"),
  id: frameId.describe("An id of your choice; the answer repeats it"),
  ...contextRequestSchema.shape,
});
const branchFrameSchema = z.strictObject({
  type: z.literal("branch"),
  id: frameId.describe("An id of your choice; the answer repeats it"),
  ...branchRequestSchema.shape,
});
const ackFrameSchema = z.strictObject({
  type: z.literal("ack"),
  rev: revSchema.describe("You have processed every event up to this one"),
});

/** Every frame that a client may send. It may also send the text `ping`, which is answered with `pong`. */
export const clientFrameSchema = z
  .discriminatedUnion("type", [appendFrameSchema, contextFrameSchema, branchFrameSchema, ackFrameSchema], {
    error: 'must be one of "append", "context", "branch", "ack"',
  })
  .meta({ id: "LiveClientFrame" });
export type ClientFrame = z.infer<typeof clientFrameSchema>;

const ticketScopeSchema = z.enum(["memory:read", "memory:write"]);

export const ticketRequestSchema = z
  .strictObject({
    scopes: z
      .array(ticketScopeSchema)
      .min(1)
      .max(ticketScopeSchema.options.length)
      .refine((scopes) => scopes.includes("memory:read"), { error: "must have memory:read: the feed is read with it" })
      .optional()
      .describe(
        "What the ticket allows on the socket; by default only reading. With `memory:write`, which your own credential must have as well, its holder may append what a user may: by default messages of the role `user`",
      ),
  })
  .meta({ id: "TicketRequest" });
export type TicketRequest = z.infer<typeof ticketRequestSchema>;

export const ticketSchema = z
  .object({
    ticket: z.string().describe("Use it once, as `?ticket=` in the URL of this session's live feed"),
    expiresAt: z.string(),
  })
  .meta({ id: "Ticket" });
export type Ticket = z.infer<typeof ticketSchema>;
