/** A context in Anthropic's format. */
import { z } from "zod";
import { contextMetaSchema } from "./context-meta.ts";
import { safeJson } from "./text.ts";

/** The `ttl` values that Anthropic's prompt cache accepts. */
export const cacheTtlSchema = z.enum(["5m", "1h"]);
export type CacheTtl = z.infer<typeof cacheTtlSchema>;

/** The image types that Anthropic and OpenAI both take. */
export const imageTypeSchema = z.enum(["image/png", "image/jpeg", "image/gif", "image/webp"]);

const anthropicCacheControl = z
  .object({ type: z.literal("ephemeral"), ttl: cacheTtlSchema })
  .exactOptional()
  .describe("Present at the end of the stable prefix if the request has `cacheControl`");
const anthropicUrlSourceSchema = z.object({ type: z.literal("url"), url: z.string() });
/** A file that is stored at Anthropic. */
const anthropicHeldSourceSchema = z.object({ type: z.literal("file"), file_id: z.string() });
const anthropicTextBlockSchema = z.object({
  type: z.literal("text"),
  text: z.string(),
  cache_control: anthropicCacheControl,
});
const anthropicImageBlockSchema = z.object({
  type: z.literal("image"),
  cache_control: anthropicCacheControl,
  source: z.discriminatedUnion("type", [
    anthropicUrlSourceSchema,
    anthropicHeldSourceSchema,
    z.object({ type: z.literal("base64"), media_type: imageTypeSchema, data: z.string() }),
  ]),
});
const anthropicDocumentBlockSchema = z.object({
  type: z.literal("document"),
  cache_control: anthropicCacheControl,
  title: z.string().exactOptional(),
  source: z.discriminatedUnion("type", [
    anthropicUrlSourceSchema,
    anthropicHeldSourceSchema,
    z.object({ type: z.literal("base64"), media_type: z.literal("application/pdf"), data: z.string() }),
    z.object({ type: z.literal("text"), media_type: z.literal("text/plain"), data: z.string() }),
  ]),
});
const anthropicSaidBlockSchemas = [
  anthropicTextBlockSchema,
  anthropicImageBlockSchema,
  anthropicDocumentBlockSchema,
] as const;
export type AnthropicSaidBlock = z.infer<(typeof anthropicSaidBlockSchemas)[number]>;
const anthropicUserBlockSchema = z.discriminatedUnion("type", [
  ...anthropicSaidBlockSchemas,
  z.object({
    type: z.literal("tool_result"),
    tool_use_id: z.string(),
    content: z
      .union([z.string(), z.array(z.discriminatedUnion("type", anthropicSaidBlockSchemas))])
      .exactOptional()
      .describe("A list only if the tool returned a file"),
    is_error: z.literal(true).exactOptional(),
    cache_control: anthropicCacheControl,
  }),
]);
export type AnthropicUserBlock = z.infer<typeof anthropicUserBlockSchema>;
const anthropicAssistantBlockSchema = z.discriminatedUnion("type", [
  anthropicTextBlockSchema,
  z.object({
    type: z.literal("tool_use"),
    id: z.string(),
    name: z.string(),
    input: z.record(z.string(), safeJson),
    cache_control: anthropicCacheControl,
  }),
  z.object({ type: z.literal("thinking"), thinking: z.string(), signature: z.string() }),
  z.object({ type: z.literal("redacted_thinking"), data: z.string() }),
  z.object({
    type: z.literal("server_tool_use"),
    id: z.string(),
    name: z.literal("web_search"),
    input: z.record(z.string(), safeJson),
  }),
  z.object({
    type: z.literal("web_search_tool_result"),
    tool_use_id: z.string(),
    content: z.array(
      z.object({
        type: z.literal("web_search_result"),
        url: z.string(),
        title: z.string(),
        encrypted_content: z.string(),
        page_age: z.string().nullable(),
      }),
    ),
  }),
]);
export type AnthropicAssistantBlock = z.infer<typeof anthropicAssistantBlockSchema>;
const anthropicMessageSchema = z
  .discriminatedUnion("role", [
    z.object({ role: z.literal("user"), content: z.array(anthropicUserBlockSchema).min(1) }),
    z.object({ role: z.literal("assistant"), content: z.array(anthropicAssistantBlockSchema).min(1) }),
  ])
  .meta({ id: "AnthropicMessage" });
export type AnthropicMessage = z.infer<typeof anthropicMessageSchema>;
export const anthropicContextSchema = z
  .object({
    system: z.string().exactOptional(),
    messages: z.array(anthropicMessageSchema).describe("In alternating turns, starting with the user's"),
    meta: contextMetaSchema,
  })
  .meta({ id: "AnthropicContext" });
export type AnthropicContext = z.infer<typeof anthropicContextSchema>;
