import { z } from "zod";
import { contextRequestSchema } from "./context.ts";
import { partFaultSchema } from "./errors.ts";
import { aiSdkMessageIn } from "./incoming-ai-sdk.ts";
import { anthropicMessageIn } from "./incoming-anthropic.ts";
import { openaiChatMessageIn } from "./incoming-openai.ts";
import { appendedMessageSchema, batchOf, mendedSchema, newMessageSchema } from "./message.ts";
import { quotaSchema } from "./quota.ts";

/**
 * The formats of messages that an append accepts: Threadkeep's own, or that of a provider, so that what its SDK
 * returned can be appended unchanged.
 */
const messageFormatSchema = z.enum(["threadkeep", "openai-chat", "anthropic", "ai-sdk"]);
type MessageFormat = z.infer<typeof messageFormatSchema>;

const UNKNOWN_FORMAT = `must be one of ${messageFormatSchema.options.map((format) => `"${format}"`).join(", ")}`;

/** The fields of an append beside its messages. They are the same in every format. */
export const appendFields = {
  expectedHeadSeq: z
    .int()
    .min(0)
    .optional()
    .describe("Refuse the append with head_seq_mismatch unless this is the newest message of the active branch"),
  context: contextRequestSchema
    .optional()
    .describe("Also return this context, taken right after the append, which saves a second request"),
};

/** The schema of an append: one variant for each format of messages. `extra` is added to every variant. */
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
        format: z
          .literal("openai-chat")
          .describe("The messages are in the format of OpenAI's SDK for Chat Completions"),
        messages: batchOf(openaiChatMessageIn),
      }),
      z.strictObject({
        ...shared,
        format: z.literal("anthropic").describe("The messages are in the format of Anthropic's SDK"),
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
/** An append as a client sends it. */
export type IncomingAppend = z.infer<typeof appendRequestSchema>;
/** An append after its messages were converted to Threadkeep's own format. */
export type AppendRequest = Pick<
  Extract<IncomingAppend, { format?: "threadkeep" | undefined }>,
  "messages" | keyof typeof appendFields
>;

/**
 * An append before it is validated. The types of the SDKs' messages are known to their packages alone, so only `role`
 * is required here.
 */
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
      .describe(
        "Present if the request asked for a context, in the requested format. If it could not be made, `contextError` says why",
      ),
    contextError: partFaultSchema
      .optional()
      .describe("Why the requested context could not be made. The messages are stored all the same"),
    mended: mendedSchema,
    quotas: z.array(quotaSchema).optional().describe("How much of today's quotas is left, if the session has any"),
  })
  .meta({ id: "AppendResult" });
export type AppendResult = z.infer<typeof appendResultSchema>;
