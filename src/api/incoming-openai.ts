import { z } from "zod";
import { MAX_AUTHOR_LENGTH, MAX_PARTS_PER_MESSAGE } from "./limits.ts";
import { ownFields } from "./message.ts";
import { contentJson, contentText, nameText, safeText } from "./text.ts";

/**
 * Incoming messages of OpenAI's Chat Completions: what its SDK accepts and what it returns. Objects accept unknown
 * fields, because new releases of the SDK add some; known fields are validated.
 */

const textPart = z.looseObject({ type: z.literal("text"), text: contentText });
const refusalPart = z.looseObject({ type: z.literal("refusal"), refusal: contentText });
const userPart = z.discriminatedUnion("type", [
  textPart,
  z.looseObject({
    type: z.literal("image_url"),
    image_url: z.looseObject({ url: contentText, detail: safeText.nullish() }),
  }),
  z.looseObject({
    type: z.literal("input_audio"),
    input_audio: z.looseObject({ data: contentText, format: safeText }),
  }),
  z.looseObject({
    type: z.literal("file"),
    file: z.union([
      z.looseObject({ file_data: contentText.min(1), filename: contentText.nullish() }),
      z.looseObject({ file_id: safeText.min(1), filename: contentText.nullish() }),
    ]),
  }),
]);
export type OpenaiUserPartIn = z.infer<typeof userPart>;

const list = <T extends z.ZodType>(part: T) => z.array(part).min(1).max(MAX_PARTS_PER_MESSAGE);
const called = z.looseObject({ name: safeText.min(1), arguments: contentText });
const toolCall = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("function").optional(), id: safeText.nullish(), function: called }),
  z.looseObject({
    type: z.literal("custom"),
    id: safeText.nullish(),
    custom: z.looseObject({ name: safeText.min(1), input: contentText }),
  }),
]);

const name = nameText(MAX_AUTHOR_LENGTH).nullish();
const words = z.union([contentText, list(textPart)]);

export const openaiChatMessageIn = z
  .discriminatedUnion("role", [
    z.looseObject({ ...ownFields, role: z.literal("system"), content: words, name }),
    z.looseObject({ ...ownFields, role: z.literal("developer"), content: words, name }),
    z.looseObject({ ...ownFields, role: z.literal("user"), content: z.union([contentText, list(userPart)]), name }),
    z.looseObject({
      ...ownFields,
      role: z.literal("assistant"),
      content: z.union([contentText, list(z.discriminatedUnion("type", [textPart, refusalPart]))]).nullish(),
      name,
      refusal: contentText.nullish(),
      reasoning_content: contentText.nullish().describe("The reasoning, as DeepSeek, vLLM and others return it"),
      reasoning: contentJson
        .optional()
        .describe("The reasoning under another name. A value that is not a string is ignored"),
      tool_calls: z.array(toolCall).max(MAX_PARTS_PER_MESSAGE).nullish(),
      function_call: called.nullish(),
      audio: z.looseObject({ transcript: contentText.nullish() }).nullish().describe("Only the transcript is stored"),
      annotations: z.array(contentJson).nullish(),
    }),
    z.looseObject({
      ...ownFields,
      role: z.literal("tool"),
      tool_call_id: safeText,
      content: words,
      name: safeText.nullish().describe("Name of the tool"),
    }),
    z.looseObject({
      ...ownFields,
      role: z.literal("function"),
      name: safeText.min(1).describe("Name of the tool"),
      content: contentText.nullable(),
    }),
  ])
  .meta({ id: "OpenaiChatMessageIn" });
export type OpenaiChatMessageIn = z.infer<typeof openaiChatMessageIn>;
