import { z } from "zod";
import { contextRequestSchema } from "./context.ts";
import { partFaultSchema } from "./errors.ts";
import { aiSdkMessageIn } from "./incoming-ai-sdk.ts";
import { anthropicMessageIn } from "./incoming-anthropic.ts";
import { openaiChatMessageIn } from "./incoming-openai.ts";
import { appendedMessageSchema, batchOf, mendedSchema, newMessageSchema } from "./message.ts";
import { quotaSchema } from "./quota.ts";

/** The shapes that messages come in: our own, or a provider's, so that an answer of its SDK is appended as it is. */
export const messageFormatSchema = z.enum(["threadkeep", "openai-chat", "anthropic", "ai-sdk"]);
export type MessageFormat = z.infer<typeof messageFormatSchema>;

const UNKNOWN_FORMAT = `must be one of ${messageFormatSchema.options.map((format) => `"${format}"`).join(", ")}`;

/** What stands beside the messages, whatever shape they have. */
export const appendFields = {
  expectedHeadSeq: z
    .int()
    .min(0)
    .optional()
    .describe("Refuse with head_seq_mismatch unless the newest message of the active branch is this one"),
  context: contextRequestSchema
    .optional()
    .describe("Return this context, taken right after the append, in the same round trip"),
};

/** An append in each shape that messages come in, with what else stands beside them. */
export function appendSchema<Extra extends z.core.$ZodLooseShape>(extra: Extra) {
  const shared = { ...extra, ...appendFields };
  return z.discriminatedUnion(
    "format",
    [
      z.strictObject({
        ...shared,
        format: z.literal("threadkeep").optional(),
        messages: batchOf(newMessageSchema),
      }),
      z.strictObject({
        ...shared,
        format: z.literal("openai-chat").describe("The messages are OpenAI's, as its SDK takes and gives them"),
        messages: batchOf(openaiChatMessageIn),
      }),
      z.strictObject({
        ...shared,
        format: z.literal("anthropic").describe("The messages are Anthropic's, as its SDK takes and gives them"),
        messages: batchOf(anthropicMessageIn),
      }),
      z.strictObject({
        ...shared,
        format: z.literal("ai-sdk").describe("The messages are ModelMessages of the AI SDK"),
        messages: batchOf(aiSdkMessageIn),
      }),
    ],
    { error: ({ code }) => (code === "invalid_union" ? UNKNOWN_FORMAT : undefined) },
  );
}

export const appendRequestSchema = appendSchema({}).meta({ id: "AppendRequest" });
/** An append as it comes in. */
export type IncomingAppend = z.infer<typeof appendRequestSchema>;
/** An append as it is stored. */
export type AppendRequest = Pick<
  Extract<IncomingAppend, { format?: "threadkeep" | undefined }>,
  "messages" | keyof typeof appendFields
>;

/** An append before it is looked at: what an SDK gives is of types that only its own package knows. */
export type OfferedAppend =
  | (AppendRequest & { readonly format?: "threadkeep" | undefined })
  | (Omit<AppendRequest, "messages"> & {
      readonly format: Exclude<MessageFormat, "threadkeep">;
      readonly messages: readonly { readonly role: string }[];
    });

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
    mended: mendedSchema,
    quotas: z.array(quotaSchema).optional().describe("What is left of the session's day, where it is bounded"),
  })
  .meta({ id: "AppendResult" });
export type AppendResult = z.infer<typeof appendResultSchema>;
