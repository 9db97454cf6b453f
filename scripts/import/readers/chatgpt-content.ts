// Reads the content of a message in ChatGPT's export, in any of its forms, and what of it cannot be imported.
import { asText, isRecord, recordsOf } from "../entry.ts";

export interface ChatgptContent {
  readonly kind: "said" | "reasoning" | "custom instructions" | "memory of other chats";
  readonly text: string;
  /** The forms of content that were replaced by notes or dropped. */
  readonly noted: readonly string[];
}

export function readContent(
  content: unknown,
  metadata: Record<string, unknown>,
): ChatgptContent | { readonly unknownForm: unknown } {
  const noted: string[] = [];
  const body = bodyOf(content, metadata, noted);
  if ("unknownForm" in body) return body;
  const texts = [...attachmentTexts(metadata, noted), ...body.texts, ...codeImages(metadata, noted)];
  const joined = texts.filter((text) => text !== undefined && text !== "").join("\n");
  return { kind: body.kind, text: withoutMarks(joined, noted), noted };
}

interface Body {
  readonly kind: ChatgptContent["kind"];
  readonly texts: readonly (string | undefined)[];
}

const said = (...texts: readonly (string | undefined)[]): Body => ({ kind: "said", texts });

function bodyOf(
  content: unknown,
  metadata: Record<string, unknown>,
  noted: string[],
): Body | { readonly unknownForm: unknown } {
  if (content === null || content === undefined) return said();
  if (typeof content === "string") return said(content);
  if (!isRecord(content)) return { unknownForm: typeof content };
  const form = content["content_type"];
  const field = (name: string): string | undefined => asText(content[name]);
  switch (form) {
    case "user_editable_context":
      return { kind: "custom instructions", texts: instructionTexts(content) };
    case "model_editable_context":
      return { kind: "memory of other chats", texts: memoryTexts(content) };
    case "thoughts":
      return {
        kind: "reasoning",
        texts: recordsOf(content["thoughts"]).map(
          (thought) => asText(thought["content"]) ?? asText(thought["summary"]),
        ),
      };
    case "reasoning_recap":
      return { kind: "reasoning", texts: [field("content")] };
    case "tether_quote":
    case "sonic_webpage":
      return said(field("title"), field("url"), field("text") ?? field("snippet"));
    case "tether_browsing_display":
      return said(field("result") ?? field("summary"));
    case "system_error":
      return said(field("name"), field("text"));
    case "computer_output":
      noted.push("screenshot, kept as a note");
      return said("[screenshot]");
    default:
  }
  const { parts } = content;
  if (Array.isArray(parts)) return said(...partTexts(parts, metadata, noted));
  // Content types such as code and execution_output have their text in different fields.
  const fields = ["text", "content", "result", "output_str"];
  return fields.some((name) => name in content) ? said(...fields.map(field)) : { unknownForm: form };
}

/** Custom instructions, which nobody said in this chat. Newer exports lack the mark that hides them. */
export function isSetForAllChats(content: unknown): boolean {
  return (
    isRecord(content) &&
    (content["content_type"] === "user_editable_context" || content["content_type"] === "model_editable_context")
  );
}

/** What the person told ChatGPT about themselves, and how to answer. */
function instructionTexts(content: Record<string, unknown>): (string | undefined)[] {
  const profile = asText(content["user_profile"]);
  const wishes = asText(content["user_instructions"]);
  return [
    profile === undefined ? undefined : `About me:\n${profile}`,
    wishes === undefined ? undefined : `How to answer me:\n${wishes}`,
  ];
}

function memoryTexts(content: Record<string, unknown>): (string | undefined)[] {
  const memory = asText(content["model_set_context"]);
  return [memory === undefined ? undefined : `Remembered of earlier chats:\n${memory}`];
}

interface Attachment {
  readonly id: string | undefined;
  readonly name: string;
}

function attachmentsOf(metadata: Record<string, unknown>): Attachment[] {
  return recordsOf(metadata["attachments"]).map((file) => ({
    id: asText(file["id"]),
    name: (asText(file["name"]) ?? "without a name").slice(0, 200),
  }));
}

/** Attached files, of which the export has only the names. Pictures among them are named at their place in the text. */
function attachmentTexts(metadata: Record<string, unknown>, noted: string[]): string[] {
  const pictures = /\.(png|jpe?g|gif|webp|heic)$/i;
  return attachmentsOf(metadata)
    .filter(({ name }) => !pictures.test(name))
    .map(({ name }) => {
      noted.push("attached file, kept as a note of its name");
      return `[file: ${name}]`;
    });
}

/** Pictures drawn by code are stored with its output instead of a part of the message. */
function codeImages(metadata: Record<string, unknown>, noted: string[]): string[] {
  const result = metadata["aggregate_result"];
  const images = recordsOf(isRecord(result) ? result["messages"] : null).filter(
    (each) => each["image_url"] !== undefined,
  );
  return images.map(() => {
    noted.push("image made by code, kept as a note");
    return "[image]";
  });
}

/** Speech has a transcript, and a recording beside it. */
function partTexts(
  parts: readonly unknown[],
  metadata: Record<string, unknown>,
  noted: string[],
): (string | undefined)[] {
  const isTranscribed = parts.some((part) => isRecord(part) && part["content_type"] === "audio_transcription");
  return parts.map((part) => {
    if (typeof part === "string") return part;
    if (!isRecord(part)) {
      if (part !== null) noted.push(`part of the form ${typeof part}, left out`);
      return undefined;
    }
    const form = asText(part["content_type"])?.slice(0, 40);
    if (form === "audio_transcription") return asText(part["text"]);
    if (form === "image_asset_pointer") {
      noted.push("image asset, kept as a note");
      return imageNote(part, metadata);
    }
    if (form?.includes("audio") === true) {
      noted.push(isTranscribed ? "audio asset, its transcript is kept" : "audio asset, kept as a note");
      return isTranscribed ? undefined : "[audio]";
    }
    const text = asText(part["text"]);
    if (text !== undefined) return text;
    noted.push(`part of the form ${form ?? "untyped"}, kept as a note`);
    return `[${form ?? "untyped"}]`;
  });
}

function imageNote(part: Record<string, unknown>, metadata: Record<string, unknown>): string {
  const pointer = asText(part["asset_pointer"]) ?? "";
  const file = attachmentsOf(metadata).find(({ id }) => id !== undefined && pointer.endsWith(id));
  return file === undefined ? "[image]" : `[image: ${file.name}]`;
}

/** Marks that ChatGPT's page turns into links: private-use characters around them, or the older brackets. */
const MARKS = /\ue200([^\ue200\ue201]{0,2000})\ue201|【\d{1,4}(?::\d{1,4})?†[^【】]{0,200}】/gu;
/** Private-use characters that the page does not show. */
const INVISIBLE = /[\ue200-\ue206]/gu;
const SEPARATOR = "\ue202";

/** Removes citations, which mean nothing to a reader; of marks for things and addresses the words are kept. */
function withoutMarks(text: string, noted: string[]): string {
  const readable = text.replace(MARKS, (_mark, inside: string | undefined) => {
    const [kind = "", first = ""] = (inside ?? "cite").split(SEPARATOR);
    if (kind === "url") return first;
    if (kind === "entity") {
      const name = entityName(first);
      if (name !== undefined) return name;
    }
    noted.push(`mark of the page (${kind.slice(0, 20) || "empty"}), taken out`);
    return "";
  });
  return readable.replace(INVISIBLE, "");
}

/** `["city", "Lisbon", …]` */
function entityName(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? asText(value[1]) : undefined;
  } catch {
    return undefined;
  }
}
