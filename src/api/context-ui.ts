/** A context in the AI SDK's format for pages. */
import { z } from "zod";
import { providerOptionsSchema } from "./context-ai-sdk.ts";
import { contextMetaSchema } from "./context-meta.ts";
import { safeJson } from "./text.ts";

const providerMetadata = providerOptionsSchema.exactOptional();
const uiCall = {
  toolCallId: z.string(),
  input: safeJson,
  providerExecuted: z.literal(true).exactOptional(),
  callProviderMetadata: providerMetadata,
};
const uiApproval = {
  id: z.string(),
  requestReason: z.string().exactOptional(),
  isAutomatic: z.boolean().exactOptional(),
  signature: z.string().exactOptional(),
  inputSchemaInput: safeJson.exactOptional(),
  descriptor: safeJson.exactOptional(),
};
const uiAnswer = { ...uiApproval, reason: z.string().exactOptional() };
const uiGiven = z.object({ ...uiAnswer, approved: z.literal(true) }).exactOptional();
const uiStates = [
  z.object({ state: z.literal("input-available"), ...uiCall }),
  z.object({ state: z.literal("output-available"), output: safeJson, approval: uiGiven, ...uiCall }),
  z.object({ state: z.literal("output-error"), errorText: z.string(), approval: uiGiven, ...uiCall }),
  z.object({ state: z.literal("approval-requested"), approval: z.object(uiApproval), ...uiCall }),
  z.object({
    state: z.literal("approval-responded"),
    approval: z.object({ ...uiAnswer, approved: z.boolean() }),
    ...uiCall,
  }),
  z.object({
    state: z.literal("output-denied"),
    approval: z.object({ ...uiAnswer, approved: z.literal(false) }),
    ...uiCall,
  }),
] as const;
const uiToolType = { type: z.templateLiteral(["tool-", z.string()]) };
const uiDynamicToolType = { type: z.literal("dynamic-tool"), toolName: z.string() };
const uiToolPartSchema = z.union([
  uiStates[0].extend(uiToolType),
  uiStates[1].extend(uiToolType),
  uiStates[2].extend(uiToolType),
  uiStates[3].extend(uiToolType),
  uiStates[4].extend(uiToolType),
  uiStates[5].extend(uiToolType),
  uiStates[0].extend(uiDynamicToolType),
  uiStates[1].extend(uiDynamicToolType),
  uiStates[2].extend(uiDynamicToolType),
  uiStates[3].extend(uiDynamicToolType),
  uiStates[4].extend(uiDynamicToolType),
  uiStates[5].extend(uiDynamicToolType),
]);
const uiPartSchema = z.union([
  z.object({ type: z.literal("text"), text: z.string(), providerMetadata }),
  z.object({ type: z.literal("reasoning"), text: z.string(), providerMetadata }),
  z.object({
    type: z.literal("file"),
    mediaType: z.string(),
    url: z.string(),
    filename: z.string().exactOptional(),
    providerMetadata,
  }),
  z.object({ type: z.literal("step-start") }),
  uiToolPartSchema,
  z.object({
    type: z.templateLiteral(["data-", z.string()]),
    id: z.string().exactOptional(),
    data: safeJson,
  }),
]);
export type UiPart = z.infer<typeof uiPartSchema>;
const uiMessageSchema = z
  .object({
    id: z.string(),
    role: z.enum(["system", "user", "assistant"]),
    metadata: z
      .record(z.string(), safeJson)
      .exactOptional()
      .describe(
        "The message's own metadata, with its author as `author` unless that key is used already. If other messages follow the same message, `threadkeep` contains this message's `seq` and its `siblings`, as when a message is read",
      ),
    parts: z.array(uiPartSchema).min(1),
  })
  .meta({ id: "UiMessage" });
export type UiMessage = z.infer<typeof uiMessageSchema>;
export const uiContextSchema = z
  .object({ messages: z.array(uiMessageSchema), meta: contextMetaSchema })
  .meta({ id: "UiContext" });
