import { z } from "zod";
import { MAX_AUTHOR_LENGTH, MAX_PARTS_PER_MESSAGE } from "./limits.ts";
import { ownFields } from "./message.ts";
import { contentJson, contentText, nameText, safeText } from "./text.ts";

/**
 * Messages of OpenAI's Chat Completions as they come in: what its SDK takes, and what it gives back. Objects are loose, because each
 * release of an SDK brings fields that we do not know; what is known is checked.
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
      reasoning_content: contentText.nullish().describe("As DeepSeek, vLLM and others give it"),
      reasoning: contentJson.optional().describe("The same under another name; what is no text is passed over"),
      tool_calls: z.array(toolCall).max(MAX_PARTS_PER_MESSAGE).nullish(),
      function_call: called.nullish(),
      audio: z.looseObject({ transcript: contentText.nullish() }).nullish().describe("Its transcript is kept"),
      annotations: z.array(contentJson).nullish(),
    }),
    z.looseObject({
      ...ownFields,
      role: z.literal("tool"),
      tool_call_id: safeText,
      content: words,
      name: safeText.nullish().describe("Of the tool"),
    }),
    z.looseObject({
      ...ownFields,
      role: z.literal("function"),
      name: safeText.min(1).describe("Of the tool"),
      content: contentText.nullable(),
    }),
  ])
  .meta({ id: "OpenaiChatMessageIn" });
export type OpenaiChatMessageIn = z.infer<typeof openaiChatMessageIn>;
