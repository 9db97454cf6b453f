/** A context in the two formats of OpenAI. */
import { z } from "zod";
import { contextMetaSchema } from "./context-meta.ts";

export const openaiImageDetailSchema = z.enum(["auto", "low", "high"]);
const openaiTextPartSchema = z.object({ type: z.literal("text"), text: z.string() });
const openaiUserPartSchema = z.discriminatedUnion("type", [
  openaiTextPartSchema,
  z.object({
    type: z.literal("image_url"),
    image_url: z.object({ url: z.string(), detail: openaiImageDetailSchema.exactOptional() }),
  }),
  z.object({
    type: z.literal("file"),
    file: z.object({
      filename: z.string().exactOptional(),
      file_data: z.string().exactOptional(),
      file_id: z.string().exactOptional().describe("Id of a file that is stored at OpenAI, in place of its data"),
    }),
  }),
]);
const openaiToolCallSchema = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
const openaiName = z.string().exactOptional();
const openaiChatMessageSchema = z
  .discriminatedUnion("role", [
    z.object({ role: z.literal("system"), content: z.string(), name: openaiName }),
    z.object({ role: z.literal("developer"), content: z.string(), name: openaiName }),
    z.object({
      role: z.literal("user"),
      content: z.union([z.string(), z.array(openaiUserPartSchema)]),
      name: openaiName,
    }),
    z.object({
      role: z.literal("assistant"),
      content: z.string().nullable().describe("null only if there are tool_calls"),
      name: openaiName,
      tool_calls: z.array(openaiToolCallSchema).min(1).exactOptional(),
    }),
    z.object({ role: z.literal("tool"), tool_call_id: z.string(), content: z.string() }),
  ])
  .meta({ id: "OpenaiChatMessage" });
export type OpenaiChatMessage = z.infer<typeof openaiChatMessageSchema>;
export const openaiChatContextSchema = z
  .object({ messages: z.array(openaiChatMessageSchema), meta: contextMetaSchema })
  .meta({ id: "OpenaiChatContext" });

const openaiInputPartSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("input_text"), text: z.string() }),
  z.object({ type: z.literal("input_image"), image_url: z.string(), detail: z.literal("auto") }),
  z.object({
    type: z.literal("input_file"),
    filename: z.string().exactOptional(),
    file_data: z.string().exactOptional(),
    file_url: z.string().exactOptional(),
  }),
]);
const openaiResponsesItemSchema = z
  .discriminatedUnion("type", [
    z.object({
      type: z.literal("message"),
      role: z.enum(["system", "developer", "user", "assistant"]),
      content: z
        .union([z.string(), z.array(openaiInputPartSchema)])
        .describe("A list only if a user's message contains a file"),
    }),
    z.object({ type: z.literal("function_call"), call_id: z.string(), name: z.string(), arguments: z.string() }),
    z.object({
      type: z.literal("function_call_output"),
      call_id: z.string(),
      output: z.union([z.string(), z.array(openaiInputPartSchema)]).describe("A list only if the tool returned a file"),
    }),
    z.object({
      type: z.literal("reasoning"),
      id: z.string(),
      summary: z.array(z.object({ type: z.literal("summary_text"), text: z.string() })),
      encrypted_content: z.string(),
    }),
  ])
  .meta({ id: "OpenaiResponsesItem" });
export type OpenaiResponsesItem = z.infer<typeof openaiResponsesItemSchema>;
export const openaiResponsesContextSchema = z
  .object({
    instructions: z.string().exactOptional().describe("The summary, if summaryRole is `system`"),
    input: z.array(openaiResponsesItemSchema),
    meta: contextMetaSchema,
  })
  .meta({ id: "OpenaiResponsesContext" });
export type OpenaiResponsesContext = z.infer<typeof openaiResponsesContextSchema>;
