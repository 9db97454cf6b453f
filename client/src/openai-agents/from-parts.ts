import type { AgentInputItem } from "@openai/agents-core";
import type { Content, Json, JsonObject, Part, Role } from "../contract.ts";
import { KEPT_PART, readKept } from "./kept.ts";
import { isWebAddress } from "./to-parts.ts";

type AssistantContent = Extract<AgentInputItem, { role: "assistant" }>["content"][number];
type UserContent = Exclude<Extract<AgentInputItem, { role: "user" }>["content"], string>[number];
type ListedOutput = Extract<
  Extract<AgentInputItem, { type: "function_call_result" }>["output"],
  readonly unknown[]
>[number];

/**
 * Converts a message of any framework to items: items that were stored by this package are restored unchanged, other
 * parts are converted.
 */
export function toItems(role: Role, content: Content): AgentInputItem[] {
  if (typeof content === "string") return saidBy(role, content === "" ? [] : [{ type: "text", text: content }]);
  const items: AgentInputItem[] = [];
  let parts: Part[] = [];
  for (const part of content) {
    if (part.type === KEPT_PART && "data" in part) {
      const kept = readKept({ type: KEPT_PART, data: part.data }, parts);
      if (kept === null) continue;
      items.push(...kept.map((item) => asItem(item)));
      parts = [];
    } else parts.push(part);
  }
  return [...items, ...saidBy(role, parts)];
}

/** The value was stored as an item. */
function asItem(item: object): AgentInputItem {
  return item as AgentInputItem;
}

/** Converts parts that another framework has stored to items. */
function saidBy(role: Role, parts: readonly Part[]): AgentInputItem[] {
  switch (role) {
    case "system":
    case "developer": {
      const content = parts.flatMap((part) => (isText(part) ? [part.text] : [])).join("\n");
      return content === "" ? [] : [{ type: "message", role: "system", content }];
    }
    case "user": {
      const content = parts.flatMap((part) => userContent(part));
      const [first] = content;
      if (first === undefined) return [];
      const isPlain = content.length === 1 && first.type === "input_text";
      return [{ type: "message", role, content: isPlain ? first.text : content }];
    }
    default:
      return stepItems(parts);
  }
}

function isText(part: Part): part is Extract<Part, { type: "text" }> {
  return part.type === "text";
}

function userContent(part: Part): UserContent[] {
  if (isText(part)) return [{ type: "input_text", text: part.text }];
  if (part.type !== "file" || !("mediaType" in part)) return [];
  const { mediaType, data, filename } = part;
  const held = heldBy(data);
  if (held !== null && held.provider !== "openai")
    return [{ type: "input_text", text: `[file, ${data.slice(0, 200)}]` }];
  if (mediaType.startsWith("image/")) {
    const detail = detailOf(part.providerOptions);
    const image = held === null ? urlOf(data, mediaType === "image/*" ? "image/png" : mediaType) : { id: held.id };
    return [{ type: "input_image", image, ...(detail === undefined ? {} : { detail }) }];
  }
  if (mediaType.startsWith("audio/") && held === null && !isWebAddress(data)) {
    const format = mediaType.slice("audio/".length).replace("mpeg", "mp3");
    return [{ type: "audio", audio: data.slice(data.startsWith("data:") ? data.indexOf(",") + 1 : 0), format }];
  }
  const file = held !== null ? { id: held.id } : isWebAddress(data) ? { url: data } : urlOf(data, mediaType);
  return [{ type: "input_file", file, ...(filename === undefined ? {} : { filename }) }];
}

function detailOf(options: Record<string, Json> | undefined): string | undefined {
  const openai = options?.["openai"];
  const detail = isObject(openai) ? openai["imageDetail"] : undefined;
  return typeof detail === "string" ? detail : undefined;
}

/** The provider that stores a file, and the file's id; null for a web address or inline data. */
function heldBy(data: string): { provider: string; id: string } | null {
  const [, provider = "", id = ""] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(data.slice(0, 1_000)) ?? [];
  return provider === "" || /^(?:data|https?)$/i.test(provider) ? null : { provider, id };
}

function urlOf(data: string, mediaType: string): string {
  return isWebAddress(data) || data.startsWith("data:") ? data : `data:${mediaType};base64,${data}`;
}

/** Items for what a model said and did, and for the results of its tools, in order. */
function stepItems(parts: readonly Part[]): AgentInputItem[] {
  const items: AgentInputItem[] = [];
  let said: AssistantContent[] = [];
  const say = (): void => {
    if (said.length > 0) items.push({ type: "message", role: "assistant", status: "completed", content: said });
    said = [];
  };
  const executed = new Set<string>();
  for (const [at, part] of parts.entries()) {
    if (isText(part)) {
      if (part.text !== "") said.push({ type: "output_text", text: part.text });
      continue;
    }
    if (part.type === "file" && "mediaType" in part) {
      said.push({ type: "output_text", text: `[${part.filename ?? "file"}, ${part.mediaType}]` });
      continue;
    }
    if (part.type === "reasoning" && "text" in part) {
      say();
      // OpenAI accepts only its own reasoning, and only if the item that followed it is present.
      if (isFollowed(parts, at)) pushReasoning(items, part);
      continue;
    }
    if (part.type === "tool-call" && "input" in part) {
      if (part.providerExecuted === true) {
        executed.add(part.toolCallId);
        said.push({ type: "output_text", text: `[used ${part.toolName}: ${textOf(part.input)}]` });
        continue;
      }
      say();
      const { toolCallId: callId, toolName: name, input } = part;
      items.push({ type: "function_call", callId, name, status: "completed", arguments: textOf(input) });
      continue;
    }
    if (part.type === "tool-result" && "output" in part) {
      const { toolCallId: callId, toolName: name, output } = part;
      if (part.providerExecuted === true || executed.has(callId)) {
        const [told] = [fromOutput(output)].flat();
        const text = typeof told === "string" ? told : told?.type === "input_text" ? told.text : "";
        if (text !== "") said.push({ type: "output_text", text: `[${name} answered: ${text}]` });
        continue;
      }
      say();
      items.push({ type: "function_call_result", callId, name, status: "completed", output: fromOutput(output) });
    }
  }
  say();
  return items;
}

function isFollowed(parts: readonly Part[], at: number): boolean {
  const next = parts.slice(at + 1).find(({ type }) => type !== "reasoning" && !type.startsWith("data-"));
  return next !== undefined && next.type !== "tool-result";
}

function pushReasoning(items: AgentInputItem[], part: Extract<Part, { type: "reasoning" }>): void {
  const openai = part.providerOptions?.["openai"];
  if (!isObject(openai)) return;
  const { itemId: id, reasoningEncryptedContent: encryptedContent } = openai;
  if (typeof id !== "string" || typeof encryptedContent !== "string") return;
  const content = part.text === "" ? [] : [{ type: "input_text" as const, text: part.text }];
  const last = items.at(-1);
  // The AI SDK makes one part of each paragraph of a reasoning summary.
  if (last?.type === "reasoning" && last.id === id) last.content.push(...content);
  else items.push({ type: "reasoning", id, content, providerData: { encryptedContent } });
}

function textOf(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function fromOutput(output: Json): string | ListedOutput[] {
  if (!isObject(output) || typeof output["type"] !== "string") return textOf(output);
  const { type, value, reason } = output;
  if (type === "execution-denied")
    return `The user did not let the tool run.${typeof reason === "string" ? ` ${reason}` : ""}`;
  if (type === "content" && Array.isArray(value))
    return value.flatMap((part) => (isObject(part) ? outputPart(part) : []));
  return textOf(value ?? output);
}

function outputPart(part: JsonObject): ListedOutput[] {
  const { type, text, data, url, mediaType, fileId, filename } = part;
  if (typeof text === "string") return [{ type: "input_text", text }];
  const isImage = String(type).startsWith("image") || String(mediaType).startsWith("image/");
  const held = isObject(fileId) && typeof fileId["openai"] === "string" ? { id: fileId["openai"] } : null;
  if (typeof data === "string") {
    const bytes = urlOf(
      data,
      typeof mediaType === "string" ? mediaType : isImage ? "image/png" : "application/octet-stream",
    );
    const name = typeof filename === "string" ? { filename } : {};
    return [isImage ? { type: "input_image", image: bytes } : { type: "input_file", file: bytes, ...name }];
  }
  if (held !== null) return [isImage ? { type: "input_image", image: held } : { type: "input_file", file: held }];
  if (typeof url === "string")
    return [isImage ? { type: "input_image", image: url } : { type: "input_file", file: { url } }];
  return [];
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
