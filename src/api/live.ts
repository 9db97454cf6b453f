import { z } from "zod";
import { appendResultSchema, appendSchema } from "./append.ts";
import { contextRequestSchema } from "./context.ts";
import { problemSchema } from "./errors.ts";
import { MAX_FRAME_ID_LENGTH } from "./limits.ts";
import { messageSchema, seqSchema } from "./message.ts";
import { branchRequestSchema } from "./session.ts";
import { safeText } from "./text.ts";

/** The live feed of a session: what the service sends, what a client may send, and the tickets that let a browser in. */

/** An event's place in its session's feed. Rises by one with each event; it is no `seq`, and where it begins says nothing. */
export type Rev = number;

export const revSchema = z.int().min(0);

const event = <Type extends string, Shape extends z.core.$ZodLooseShape>(type: Type, shape: Shape) =>
  z.object({ type: z.literal(type), rev: revSchema, ...shape });

export const appendedEventSchema = event("appended", {
  message: messageSchema.describe("As it is now: one that was edited or erased since says so"),
});
export const editedEventSchema = event("edited", { message: messageSchema.describe("As it is now") });
export const erasedEventSchema = event("erased", {
  seq: seqSchema,
  throughSeq: seqSchema.describe("Messages seq to this one are erased; the same as seq for one"),
  id: z.string().optional().describe("The message's id, if it is one"),
});
export const branchedEventSchema = event("branched", {
  headSeq: z.int().min(0).describe("The last message of the branch that is the active one now"),
  fromSeq: z
    .int()
    .min(0)
    .describe(
      "The last message that it shares with the one before, 0 if none: what you show after it is off the branch, and what is on it comes after that",
    ),
});
export const summarizedEventSchema = event("summarized", {
  version: z.int(),
  throughSeq: z.int().describe("The summary covers messages 1 to this one"),
  degraded: z.boolean(),
});
export const summaryFailedEventSchema = event("summaryFailed", {
  throughSeq: z.int().describe("The last message that it was to cover"),
});
export const expiredEventSchema = event("expired", {});

/** What happened in the session, each with its `rev`. */
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

export const helloSchema = z
  .object({
    type: z.literal("hello"),
    headSeq: z.int().min(0).describe("seq of the newest message of the active branch, 0 if none"),
    rev: revSchema.describe("The rev of the last event so far"),
    since: revSchema.describe("The events after this one follow"),
    reset: z
      .literal(true)
      .optional()
      .describe("What was asked for is too old, or of an earlier session of this id: read the session anew"),
  })
  .meta({ id: "LiveHello" });
export type Hello = z.infer<typeof helloSchema>;

const frameId = safeText.min(1).max(MAX_FRAME_ID_LENGTH);

export const answerFrameSchema = z
  .object({
    type: z.literal("answer"),
    id: z.string().describe("That of the frame that it answers"),
    result: z
      .union([appendResultSchema, z.looseObject({})])
      .describe("As over HTTP: of an append, a context, or the session whose branch was changed"),
  })
  .meta({ id: "LiveAnswer" });
export type AnswerFrame = z.infer<typeof answerFrameSchema>;

export const errorFrameSchema = z
  .object({
    type: z.literal("error"),
    id: z.string().optional().describe("That of the frame that was refused, if it had one"),
    error: problemSchema,
  })
  .meta({ id: "LiveError" });
export type ErrorFrame = z.infer<typeof errorFrameSchema>;

/** All that the service sends. */
export const serverFrameSchema = z
  .union([helloSchema, liveEventSchema, answerFrameSchema, errorFrameSchema])
  .meta({ id: "LiveServerFrame" });
export type ServerFrame = z.infer<typeof serverFrameSchema>;

export const appendFrameSchema = appendSchema({
  type: z.literal("append"),
  id: frameId.describe("Yours; the answer has it too"),
});
export const contextFrameSchema = z.strictObject({
  type: z.literal("context"),
  id: frameId.describe("Yours; the answer has it too"),
  ...contextRequestSchema.shape,
});
export const branchFrameSchema = z.strictObject({
  type: z.literal("branch"),
  id: frameId.describe("Yours; the answer has it too"),
  ...branchRequestSchema.shape,
});
export const ackFrameSchema = z.strictObject({
  type: z.literal("ack"),
  rev: revSchema.describe("Every event up to this one has been taken in"),
});

/** All that a client may send, besides the text `ping`, which is answered `pong`. */
export const clientFrameSchema = z
  .discriminatedUnion("type", [appendFrameSchema, contextFrameSchema, branchFrameSchema, ackFrameSchema], {
    error: 'must be one of "append", "context", "branch", "ack"',
  })
  .meta({ id: "LiveClientFrame" });
export type ClientFrame = z.infer<typeof clientFrameSchema>;

export const ticketScopeSchema = z.enum(["memory:read", "memory:write"]);

export const ticketRequestSchema = z
  .strictObject({
    scopes: z
      .array(ticketScopeSchema)
      .min(1)
      .max(ticketScopeSchema.options.length)
      .refine((scopes) => scopes.includes("memory:read"), { error: "must have memory:read: the feed is read with it" })
      .optional()
      .describe(
        "What its holder may do on the socket: by default read. With `memory:write`, which you need as well, it may append what a user may: messages of the role `user`",
      ),
  })
  .meta({ id: "TicketRequest" });
export type TicketRequest = z.infer<typeof ticketRequestSchema>;

export const ticketSchema = z
  .object({
    ticket: z.string().describe("For `?ticket=` of the live feed of this session, once"),
    expiresAt: z.string(),
  })
  .meta({ id: "Ticket" });
export type Ticket = z.infer<typeof ticketSchema>;
