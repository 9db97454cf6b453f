/** A context in the AI SDK's format for models. */
import { z } from "zod";
import { contextMetaSchema } from "./context-meta.ts";
import { type Json, safeJson } from "./text.ts";

/** Options that only one provider understands, by provider. */
export const providerOptionsSchema = z.record(z.string(), z.record(z.string(), safeJson));
export type ProviderOptions = z.infer<typeof providerOptionsSchema>;
const providerOptions = providerOptionsSchema.exactOptional();

/** The id of an uploaded file, by provider. */
const providerReferenceSchema = z.record(z.string(), z.string());
const fileIdSchema = z.union([z.string(), providerReferenceSchema]);
const taggedFileSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("data"), data: z.string() }),
  z.object({ type: z.literal("reference"), reference: providerReferenceSchema }),
  z.object({ type: z.literal("text"), text: z.string() }),
]);
const toolFileSchema = z.object({
  type: z.literal("file"),
  data: taggedFileSchema,
  mediaType: z.string(),
  filename: z.string().exactOptional(),
  providerOptions,
});
const toolContentSchemas = [
  z.object({ type: z.literal("text"), text: z.string(), providerOptions }),
  z.object({
    type: z.literal("file-data"),
    data: z.string(),
    mediaType: z.string(),
    filename: z.string().exactOptional(),
    providerOptions,
  }),
  z.object({
    type: z.literal("file-url"),
    url: z.string(),
    mediaType: z.string().exactOptional(),
    providerOptions,
  }),
  z.object({ type: z.literal("file-id"), fileId: fileIdSchema, providerOptions }),
  z.object({ type: z.literal("file-reference"), providerReference: providerReferenceSchema, providerOptions }),
  z.object({ type: z.literal("image-data"), data: z.string(), mediaType: z.string(), providerOptions }),
  z.object({ type: z.literal("image-url"), url: z.string(), providerOptions }),
  z.object({ type: z.literal("image-file-id"), fileId: fileIdSchema, providerOptions }),
  z.object({ type: z.literal("image-file-reference"), providerReference: providerReferenceSchema, providerOptions }),
  z.object({ type: z.literal("custom"), providerOptions }),
] as const;
/** An entry of a tool's output as it is stored. Stored content is JSON, so a URL is a string. */
const toolContentEntrySchema = z.discriminatedUnion("type", [
  toolFileSchema.extend({
    data: z.discriminatedUnion("type", [
      ...taggedFileSchema.options,
      z.object({ type: z.literal("url"), url: z.string() }),
    ]),
  }),
  ...toolContentSchemas,
]);
export type ToolContentEntry = z.infer<typeof toolContentEntrySchema>;
/**
 * An entry of a tool's output in a prompt. It has no `file` with a URL: there the AI SDK requires a URL object, which
 * JSON cannot carry; `file-url` takes a string.
 */
const aiSdkToolContentSchema = z.discriminatedUnion("type", [toolFileSchema, ...toolContentSchemas]);
export type AiSdkToolContent = z.infer<typeof aiSdkToolContentSchema>;

/** @param json the values of outputs that are JSON */
const toolOutputSchemas = (json: z.ZodType<Json>) =>
  [
    z.object({ type: z.literal("text"), value: z.string(), providerOptions }),
    z.object({ type: z.literal("json"), value: json, providerOptions }),
    z.object({ type: z.literal("error-text"), value: z.string(), providerOptions }),
    z.object({ type: z.literal("error-json"), value: json, providerOptions }),
    z.object({ type: z.literal("execution-denied"), reason: z.string().exactOptional(), providerOptions }),
  ] as const;
/**
 * A tool's output as in the AI SDK's ModelMessage, for stored messages. Its JSON was validated when it was appended, so
 * it is not validated again.
 */
export const toolOutputSchema = z.discriminatedUnion("type", [
  ...toolOutputSchemas(z.custom<Json>((value) => value !== undefined)),
  z.object({ type: z.literal("content"), value: z.array(toolContentEntrySchema) }),
]);
export type ToolOutput = z.infer<typeof toolOutputSchema>;
const aiSdkToolOutputSchema = z.discriminatedUnion("type", [
  ...toolOutputSchemas(safeJson),
  z.object({ type: z.literal("content"), value: z.array(aiSdkToolContentSchema) }),
]);
export type AiSdkToolOutput = z.infer<typeof aiSdkToolOutputSchema>;

const aiSdkTextPartSchema = z.object({ type: z.literal("text"), text: z.string(), providerOptions });
const aiSdkFilePartSchema = z.object({
  type: z.literal("file"),
  mediaType: z.string(),
  data: z.string().describe("A URL, or base64"),
  filename: z.string().exactOptional(),
  providerOptions,
});
const aiSdkUserPartSchema = z.discriminatedUnion("type", [aiSdkTextPartSchema, aiSdkFilePartSchema]);
export type AiSdkUserPart = z.infer<typeof aiSdkUserPartSchema>;
const aiSdkToolResultSchema = z.object({
  type: z.literal("tool-result"),
  toolCallId: z.string(),
  toolName: z.string(),
  output: aiSdkToolOutputSchema,
  providerOptions,
});
const aiSdkApprovalRequestSchema = z
  .object({
    type: z.literal("tool-approval-request"),
    approvalId: z.string(),
    toolCallId: z.string(),
    reason: z.string().exactOptional(),
    isAutomatic: z.boolean().exactOptional(),
    signature: z.string().exactOptional(),
    inputSchemaInput: safeJson.exactOptional(),
  })
  .describe(
    "A request for the user's approval in the newest step, after the user has answered and before the tool has run",
  );
const aiSdkApprovalResponseSchema = z.object({
  type: z.literal("tool-approval-response"),
  approvalId: z.string(),
  approved: z.boolean(),
  reason: z.string().exactOptional(),
});
const aiSdkToolPartSchema = z.discriminatedUnion("type", [aiSdkToolResultSchema, aiSdkApprovalResponseSchema]);
export type AiSdkToolPart = z.infer<typeof aiSdkToolPartSchema>;
const aiSdkAssistantPartSchema = z.discriminatedUnion("type", [
  aiSdkTextPartSchema,
  aiSdkFilePartSchema,
  z.object({ type: z.literal("reasoning"), text: z.string(), providerOptions }),
  z.object({
    type: z.literal("tool-call"),
    toolCallId: z.string(),
    toolName: z.string(),
    input: safeJson,
    providerExecuted: z.literal(true).exactOptional(),
    providerOptions,
  }),
  aiSdkToolResultSchema.describe("The result of a tool call that the provider ran itself"),
  aiSdkApprovalRequestSchema,
]);
export type AiSdkAssistantPart = z.infer<typeof aiSdkAssistantPartSchema>;
const aiSdkMessageSchema = z
  .discriminatedUnion("role", [
    z.object({ role: z.literal("user"), content: z.union([z.string(), z.array(aiSdkUserPartSchema)]) }),
    z.object({ role: z.literal("assistant"), content: z.union([z.string(), z.array(aiSdkAssistantPartSchema)]) }),
    z.object({ role: z.literal("tool"), content: z.array(aiSdkToolPartSchema) }),
  ])
  .meta({ id: "AiSdkMessage" });
export type AiSdkMessage = z.infer<typeof aiSdkMessageSchema>;
export const aiSdkContextSchema = z
  .object({
    system: z.string().exactOptional(),
    messages: z.array(aiSdkMessageSchema),
    meta: contextMetaSchema,
  })
  .meta({ id: "AiSdkContext" });
export type AiSdkContext = z.infer<typeof aiSdkContextSchema>;
