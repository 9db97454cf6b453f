import { z } from "zod";
import { MAX_PARTS_PER_MESSAGE } from "./limits.ts";
import { ownFields, reasoningPartSchema, textPartSchema, toolCallPartSchema, toolResultPartSchema } from "./message.ts";
import { contentText, keptWhole, safeText } from "./text.ts";

/**
 * Incoming ModelMessages of the AI SDK, such as `response.messages`, as JSON: bytes are base64 and URLs are strings.
 * Objects accept unknown fields, because new releases of the SDK add some; known fields are validated.
 */

const providerOptions = textPartSchema.shape.providerOptions;
const textPart = z.looseObject(textPartSchema.shape);
const fileData = z.union([
  contentText,
  z.discriminatedUnion("type", [
    z.looseObject({ type: z.literal("data"), data: contentText }),
    z.looseObject({ type: z.literal("url"), url: contentText }),
    z.looseObject({ type: z.literal("text"), text: contentText }),
    z.looseObject({
      type: z.literal("reference"),
      reference: z.record(safeText, safeText).refine((reference) => Object.keys(reference).length > 0, {
        error: "must name the file for a provider",
      }),
    }),
  ]),
]);
export type AiSdkFileDataIn = z.infer<typeof fileData>;
const filePart = z.looseObject({
  type: z.literal("file"),
  data: fileData,
  mediaType: safeText,
  filename: contentText.nullish(),
  providerOptions,
});
const imagePart = z.looseObject({
  type: z.literal("image"),
  image: fileData,
  mediaType: safeText.nullish(),
  providerOptions,
});
const toolResultPart = z.looseObject(toolResultPartSchema.shape);
/**
 * Parts that belong to one request or one provider. They are stored and returned, but they are not part of a prompt.
 */
const keptPart = keptWhole(
  z.looseObject({
    type: z.enum(["tool-approval-request", "tool-approval-response", "reasoning-file", "custom"]),
  }),
);
const list = <T extends z.ZodType>(part: T) => z.array(part).max(MAX_PARTS_PER_MESSAGE);

const userPart = z.discriminatedUnion("type", [textPart, imagePart, filePart]);
const assistantPart = z.discriminatedUnion("type", [
  textPart,
  filePart,
  z.looseObject(reasoningPartSchema.shape),
  z.looseObject(toolCallPartSchema.shape),
  toolResultPart,
  keptPart,
]);
const toolPart = z.discriminatedUnion("type", [toolResultPart, keptPart]);
export type AiSdkPartIn = z.infer<typeof userPart> | z.infer<typeof assistantPart>;

export const aiSdkMessageIn = z
  .discriminatedUnion("role", [
    z.looseObject({ ...ownFields, role: z.literal("system"), content: contentText }),
    z.looseObject({ ...ownFields, role: z.literal("user"), content: z.union([contentText, list(userPart).min(1)]) }),
    z.looseObject({
      ...ownFields,
      role: z.literal("assistant"),
      content: z.union([contentText, list(assistantPart)]),
    }),
    z.looseObject({ ...ownFields, role: z.literal("tool"), content: list(toolPart).min(1) }),
  ])
  .meta({ id: "AiSdkMessageIn" });
export type AiSdkMessageIn = z.infer<typeof aiSdkMessageIn>;
