import { imageTypeSchema } from "../../api/context-anthropic.ts";
import type { Content } from "../../api/message.ts";
import { messageText } from "../message-text.ts";
import type { PartOf } from "./turns.ts";

/** Longer file names and media types are cut, so that a file's fixed token cost covers them. */
const MAX_FILE_NAME_LENGTH = 120;

function shortenFile(part: PartOf<"file">): PartOf<"file"> {
  const cut = (text: string): string => text.slice(0, MAX_FILE_NAME_LENGTH).toWellFormed();
  return {
    ...part,
    mediaType: cut(part.mediaType),
    ...(part.filename === undefined ? {} : { filename: cut(part.filename) }),
  };
}

/** The text that replaces a file in a format that cannot carry it. */
export function fileNote(part: PartOf<"file">): PartOf<"text"> {
  return { type: "text", text: messageText([shortenFile(part)]) };
}

/** The content with long file names cut. */
export function shortenFiles(content: Content): Content {
  return typeof content === "string"
    ? content
    : content.map((part) => (part.type === "file" ? shortenFile(part) : part));
}

/** The content as one text, with files replaced by notes. */
export function nameFiles(content: Content): string {
  return messageText(shortenFiles(content));
}

/** A file that can be sent to a provider: as a URL or as base64. */
export type PromptFile = {
  readonly mediaType: string;
  readonly filename: string | undefined;
} & ({ readonly url: string } | { readonly base64: string });

const DATA_URL = /^data:([^;,]*)(?:;[^,]*)?;base64,/i;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/**
 * How the base64 of each image type begins. Providers refuse an image whose declared type is wrong, so the type is
 * taken from here.
 */
const IMAGE_STARTS: readonly (readonly [string, string])[] = [
  ["iVBORw0KGgo", "image/png"],
  ["/9j/", "image/jpeg"],
  ["R0lGOD", "image/gif"],
  ["UklGR", "image/webp"],
];

/**
 * Reads a file part; null if its data is neither a web URL nor base64, because a single such file would make the
 * provider refuse the whole prompt.
 */
export function readFile(part: PartOf<"file">): PromptFile | null {
  const { filename, mediaType } = shortenFile(part);
  if (/^https?:/i.test(part.data)) return URL.canParse(part.data) ? { mediaType, filename, url: part.data } : null;
  const dataUrl = DATA_URL.exec(part.data);
  const base64 = standardBase64(dataUrl === null ? part.data : part.data.slice(dataUrl[0].length));
  if (base64 === null) return null;
  const declared = dataUrl?.[1] || mediaType;
  const image = IMAGE_STARTS.find(([start]) => base64.startsWith(start));
  return { mediaType: isImage({ mediaType: declared }) ? (image?.[1] ?? declared) : declared, filename, base64 };
}

function standardBase64(text: string): string | null {
  const compact = /\s/.test(text) ? text.replaceAll(/\s+/g, "") : text;
  if (!BASE64.test(compact)) return null;
  const bare = compact
    .replace(/(?<!=)=+$/, "")
    .replaceAll("-", "+")
    .replaceAll("_", "/");
  if (bare.length % 4 === 1) return null;
  return bare.padEnd(Math.ceil(bare.length / 4) * 4, "=");
}

/** The AI SDK writes `image` or `image/*` if it does not know the exact type. */
export function isImage(file: { readonly mediaType: string }): boolean {
  return /^image(?:\/|$)/i.test(file.mediaType);
}

/** The image's media type, if providers accept it. */
export function imageType(file: PromptFile) {
  return imageTypeSchema.safeParse(file.mediaType.toLowerCase()).data;
}

export function isSound(file: PromptFile): boolean {
  return /^(?:audio|video)(?:\/|$)/i.test(file.mediaType);
}

/** The file's URL, or a `data:` URL with its bytes. */
export function fileUrl(file: PromptFile): string {
  return "url" in file ? file.url : `data:${file.mediaType};base64,${file.base64}`;
}
