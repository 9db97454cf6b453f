import type {
  AiSdkMessage,
  Context,
  ContextFormat,
  ContextMeta,
  OpenaiChatMessage,
  RenderedContext,
} from "../contracts/context.ts";
import type { Content, Part } from "../contracts/message.ts";
import { renderItems } from "./items.ts";
import { messageText, toolOutputText } from "./message-text.ts";

type ContextMessage = Context["messages"][number];

export interface RenderOptions {
  readonly format: ContextFormat;
  /** The role that the summary speaks with. */
  readonly summaryRole: "user" | "system";
}

/** A context in the form that a caller's model API takes: summary first, then the messages. */
export function renderContext(context: Context, options: RenderOptions): RenderedContext {
  const summary = summaryText(context);
  switch (options.format) {
    case "threadkeep":
      return context;
    case "openai-chat": {
      const opening: OpenaiChatMessage[] = summary === null ? [] : [{ role: options.summaryRole, content: summary }];
      return {
        messages: [...opening, ...context.messages.flatMap(toOpenaiChat)],
        meta: metaOf(context),
      };
    }
    case "ai-sdk":
      return { ...toAiSdk(context, summary, options.summaryRole), meta: metaOf(context) };
    case "text": {
      const lines = context.messages.map(toTextLine);
      return {
        text: [...(summary === null ? [] : [summary]), ...lines].join("\n\n"),
        meta: metaOf(context),
      };
    }
  }
}

function summaryText(context: Context): string | null {
  const items = context.summary?.items ?? [];
  return items.some((item) => item.status !== "superseded") ? renderItems(items) : null;
}

function metaOf(context: Context): ContextMeta {
  return {
    sessionId: context.sessionId,
    headSeq: context.headSeq,
    atSeq: context.atSeq,
    summaryThroughSeq: context.summary?.throughSeq ?? 0,
    summaryPending: context.summaryPending,
    omitted: context.omitted,
    tokens: context.tokens,
  };
}

/** The text with its author's name, where the format has no field for it. */
function attributed(author: string | undefined, text: string): string {
  return author === undefined ? text : `${author}: ${text}`;
}

/** The parts with the author's name before the first text. */
function attributedParts(author: string | undefined, parts: readonly Part[]): Part[] {
  const first = parts.findIndex((part) => part.type === "text");
  return parts.map((part, index) =>
    index === first && part.type === "text" ? { ...part, text: attributed(author, part.text) } : part,
  );
}

function toTextLine(message: ContextMessage): string {
  const author = message.author === undefined ? "" : ` ${message.author}`;
  return `[${message.role}${author}] ${messageText(message.content)}`;
}

/** OpenAI takes names of this form alone. */
const OPENAI_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

function toOpenaiChat(message: ContextMessage): OpenaiChatMessage[] {
  const { author, content, role } = message;
  const parts: readonly Part[] = typeof content === "string" ? [{ type: "text", text: content }] : content;
  if (role === "tool") {
    return parts
      .filter((part) => part.type === "tool-result")
      .map((part) => ({
        role: "tool",
        tool_call_id: part.toolCallId,
        content: toolOutputText(part.output),
      }));
  }
  const named = author !== undefined && OPENAI_NAME.test(author);
  const text = attributed(named ? undefined : author, plainText(parts));
  const name = named ? { name: author } : {};
  const calls = role === "assistant" ? parts.filter((part) => part.type === "tool-call") : [];
  const messages: OpenaiChatMessage[] = [];
  if (calls.length > 0) {
    messages.push({
      role,
      content: plainText(parts) === "" ? null : text,
      ...name,
      tool_calls: calls.map((part) => ({
        id: part.toolCallId,
        type: "function",
        function: { name: part.toolName, arguments: JSON.stringify(part.input) },
      })),
    });
  } else if (role === "user" && parts.some((part) => part.type === "file")) {
    messages.push({
      role,
      content: attributedParts(named ? undefined : author, parts).flatMap(openaiUserPart),
      ...name,
    });
  } else messages.push({ role, content: text, ...name });
  // The AI SDK lets an assistant's message hold the results of its own calls; here each is a message.
  for (const part of parts) {
    if (part.type !== "tool-result") continue;
    messages.push({
      role: "tool",
      tool_call_id: part.toolCallId,
      content: toolOutputText(part.output),
    });
  }
  return messages;
}

function plainText(parts: readonly Part[]): string {
  return parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");
}

function fileUrl(part: Extract<Part, { type: "file" }>): string {
  return /^(?:https?|data):/.test(part.data) ? part.data : `data:${part.mediaType};base64,${part.data}`;
}

function openaiUserPart(part: Part): Record<string, unknown>[] {
  if (part.type === "text") return [{ type: "text", text: part.text }];
  if (part.type !== "file") return [];
  if (part.mediaType.startsWith("image/")) {
    return [{ type: "image_url", image_url: { url: fileUrl(part) } }];
  }
  return [{ type: "file", file: { filename: part.filename ?? "file", file_data: fileUrl(part) } }];
}

/** Outputs that the AI SDK's ModelMessage knows by their `type`. */
const AI_SDK_OUTPUTS = new Set(["text", "json", "error-text", "error-json", "execution-denied", "content"]);

function aiSdkPart(part: Part): Record<string, unknown>[] {
  switch (part.type) {
    case "text":
    case "file":
    case "reasoning":
    case "tool-call":
      return [{ ...part }];
    case "tool-result": {
      const { output } = part;
      const known =
        output !== null &&
        typeof output === "object" &&
        !Array.isArray(output) &&
        typeof output["type"] === "string" &&
        AI_SDK_OUTPUTS.has(output["type"]);
      const wrapped = typeof output === "string" ? { type: "text", value: output } : { type: "json", value: output };
      return [{ ...part, output: known ? output : wrapped }];
    }
    default:
      return [];
  }
}

function contentForAiSdk(content: Content, author: string | undefined): string | Record<string, unknown>[] {
  return typeof content === "string"
    ? attributed(author, content)
    : attributedParts(author, content).flatMap(aiSdkPart);
}

function toAiSdk(
  context: Context,
  summary: string | null,
  summaryRole: "user" | "system",
): { system?: string; messages: AiSdkMessage[] } {
  const system: string[] = [];
  const messages: AiSdkMessage[] = [];
  if (summary !== null) {
    if (summaryRole === "system") system.push(summary);
    else messages.push({ role: "user", content: summary });
  }
  for (const message of context.messages) {
    if (message.role === "system" || message.role === "developer") {
      system.push(attributed(message.author, messageText(message.content)));
    } else {
      const content = contentForAiSdk(message.content, message.author);
      if (message.role !== "assistant" || typeof content === "string") {
        messages.push({ role: message.role, content });
        continue;
      }
      // Results stand in a message of their own: that is where every provider of the AI SDK looks for them.
      const results = content.filter((part) => part["type"] === "tool-result");
      const rest = content.filter((part) => part["type"] !== "tool-result");
      if (rest.length > 0) messages.push({ role: "assistant", content: rest });
      if (results.length > 0) messages.push({ role: "tool", content: results });
    }
  }
  return { ...(system.length > 0 ? { system: system.join("\n\n") } : {}), messages };
}
