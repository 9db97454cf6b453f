import { z } from "zod";
import { contextRequestSchema } from "./context.ts";
import { partFaultSchema } from "./errors.ts";
import { appendedMessageSchema, newMessagesSchema } from "./message.ts";
import { quotaSchema } from "./quota.ts";

export const appendRequestSchema = z
  .strictObject({
    messages: newMessagesSchema,
    expectedHeadSeq: z
      .int()
      .min(0)
      .optional()
      .describe("Refuse with head_seq_mismatch unless the newest message of the active branch is this one"),
    context: contextRequestSchema
      .optional()
      .describe("Return this context, taken right after the append, in the same round trip"),
  })
  .meta({ id: "AppendRequest" });
export type AppendRequest = z.infer<typeof appendRequestSchema>;

export const appendResultSchema = z
  .object({
    messages: z.array(appendedMessageSchema),
    headSeq: z.int().describe("The newest message of the active branch"),
    context: z
      .unknown()
      .optional()
      .describe("Present if asked for, in the format asked for, unless `contextError` says why it is not"),
    contextError: partFaultSchema
      .optional()
      .describe("The messages are stored, but the context that was asked for could not be made"),
    quotas: z.array(quotaSchema).optional().describe("What is left of the session's day, where it is bounded"),
  })
  .meta({ id: "AppendResult" });
export type AppendResult = z.infer<typeof appendResultSchema>;
