import { z } from "zod";
import { MAX_PARTS_PER_MESSAGE } from "./limits.ts";
import { ownFields } from "./message.ts";
import { contentJson, contentText, keptWhole, safeText } from "./text.ts";

/**
 * Incoming messages of Anthropic's Messages API: what its SDK accepts and what it returns. Objects accept unknown
 * fields, because new releases of the SDK add some; known fields are validated.
 */

/**
 * Without `abort`, Zod continues after a wrong `type` and treats the variant as a possible match: the type alone tells
 * the variants of a union apart.
 */
const ABORT = { abort: true };

const textBlock = z.looseObject({ type: z.literal("text"), text: contentText, citations: contentJson.optional() });
const urlSource = z.looseObject({ type: z.literal("url"), url: contentText });
const base64Source = z.looseObject({ type: z.literal("base64"), media_type: safeText.min(1), data: contentText });
const fileSource = z.looseObject({ type: z.literal("file"), file_id: safeText.min(1) });
const imageBlock = z.looseObject({
  type: z.literal("image"),
  source: z.discriminatedUnion("type", [base64Source, urlSource, fileSource]),
});
export type AnthropicImageIn = z.infer<typeof imageBlock>;
const documentBlock = z.looseObject({
  type: z.literal("document"),
  source: z.discriminatedUnion("type", [
    base64Source,
    urlSource,
    fileSource,
    z.looseObject({ type: z.literal("text"), data: contentText }),
    z.looseObject({
      type: z.literal("content"),
      content: z.union([
        contentText,
        z.array(z.discriminatedUnion("type", [textBlock, imageBlock])).max(MAX_PARTS_PER_MESSAGE),
      ]),
    }),
  ]),
  title: contentText.nullish(),
  context: contentText.nullish(),
});
export type AnthropicDocumentIn = z.infer<typeof documentBlock>;
const searchResultBlock = z.looseObject({
  type: z.literal("search_result"),
  source: contentText,
  title: contentText,
  content: z.array(textBlock).max(MAX_PARTS_PER_MESSAGE),
});
const shown = [textBlock, imageBlock, documentBlock, searchResultBlock] as const;
const shownBlock = z.discriminatedUnion("type", shown);
export type AnthropicShownIn = z.infer<typeof shownBlock>;

/** Other content of a tool result that newer tools return, such as the tabs of a browser. It is stored as JSON. */
const otherShown = keptWhole(
  z.looseObject({
    type: safeText.regex(/^(?!(?:text|image|document|search_result)$)[a-z0-9_]+$/, ABORT),
  }),
);
const resultBlock = z.looseObject({
  type: z.literal("tool_result"),
  tool_use_id: safeText,
  content: z.union([contentText, z.array(z.union([shownBlock, otherShown])).max(MAX_PARTS_PER_MESSAGE)]).nullish(),
  is_error: z.boolean().nullish(),
});
export type AnthropicResultIn = z.infer<typeof resultBlock>;

/** A file that a user adds to the container in which Anthropic runs code. */
const containerUpload = z.looseObject({ type: z.literal("container_upload"), file_id: safeText.min(1) });

type ShownByTool = AnthropicShownIn | z.infer<typeof otherShown>;

export function isShown(block: ShownByTool): block is AnthropicShownIn {
  return SHOWN.has(block.type);
}
const SHOWN: ReadonlySet<string> = new Set(shown.map(({ shape }) => shape.type.value));

const call = { id: safeText, name: safeText.min(1), input: contentJson };
const assistantBlock = z.discriminatedUnion("type", [
  textBlock,
  z.looseObject({ type: z.literal("thinking"), thinking: contentText, signature: contentText }),
  z.looseObject({ type: z.literal("redacted_thinking"), data: contentText }),
  z.looseObject({ type: z.literal("tool_use"), ...call }),
  z.looseObject({ type: z.literal("server_tool_use"), ...call }),
  z.looseObject({ type: z.literal("mcp_tool_use"), ...call, server_name: safeText.nullish() }),
]);
const KNOWN_ANSWERS: ReadonlySet<string> = new Set(assistantBlock.options.map(({ shape }) => shape.type.value));
/** The result of a tool call that Anthropic ran itself, such as `web_search_tool_result`. */
const ownResultBlock = z.looseObject({
  type: safeText.regex(/^[a-z0-9_]+_tool_result$/, ABORT),
  tool_use_id: safeText,
  content: contentJson,
  is_error: z.boolean().nullish(),
});
/**
 * A block of a type that was introduced after this was written. It is accepted, so that a model's answer is never
 * refused.
 */
const laterBlock = keptWhole(
  z.looseObject({
    type: safeText.regex(
      /^(?!(?:text|thinking|redacted_thinking|tool_use|server_tool_use|mcp_tool_use|tool_result)$)(?![a-z0-9_]+_tool_result$)[a-z0-9_]+$/,
      ABORT,
    ),
  }),
);
const answeredBlock = z.union([assistantBlock, ownResultBlock, laterBlock]);
export type AnthropicAnswerIn = z.infer<typeof answeredBlock>;
export type AnthropicOwnResultIn = z.infer<typeof ownResultBlock>;
type KnownAnswer = z.infer<typeof assistantBlock>;

/** A type guard, because the types cannot express that the variants exclude one another. */
export function isKnownAnswer(block: AnthropicAnswerIn): block is KnownAnswer {
  return KNOWN_ANSWERS.has(block.type);
}

export function isOwnResult(block: AnthropicAnswerIn): block is AnthropicOwnResultIn {
  return block.type.endsWith("_tool_result");
}

const list = <T extends z.ZodType>(block: T) => z.array(block).max(MAX_PARTS_PER_MESSAGE);

export const anthropicMessageIn = z
  .discriminatedUnion("role", [
    z.looseObject({
      ...ownFields,
      role: z.literal("system"),
      content: z.union([contentText, list(textBlock).min(1)]),
    }),
    z.looseObject({
      ...ownFields,
      role: z.literal("user"),
      content: z.union([
        contentText,
        list(z.discriminatedUnion("type", [...shown, resultBlock, containerUpload])).min(1),
      ]),
    }),
    z.looseObject({
      ...ownFields,
      role: z.literal("assistant"),
      content: z.union([contentText, list(answeredBlock)]),
    }),
  ])
  .meta({ id: "AnthropicMessageIn" });
export type AnthropicMessageIn = z.infer<typeof anthropicMessageIn>;
