import { imageTypeSchema } from "../../api/context.ts";
import type { Content } from "../../api/message.ts";
import { messageText } from "../message-text.ts";
import type { PartOf } from "./turns.ts";

/** Longer names of files and types are cut: a file's fixed charge pays for them. */
const MAX_FILE_NAME_LENGTH = 120;

function shortenFile(part: PartOf<"file">): PartOf<"file"> {
  const cut = (text: string): string => text.slice(0, MAX_FILE_NAME_LENGTH).toWellFormed();
  return {
    ...part,
    mediaType: cut(part.mediaType),
    ...(part.filename === undefined ? {} : { filename: cut(part.filename) }),
  };
}

/** What stands for a file where the format cannot carry it. */
export function fileNote(part: PartOf<"file">): PartOf<"text"> {
  return { type: "text", text: messageText([shortenFile(part)]) };
}

/** The content with the names of its files cut. */
export function shortenFiles(content: Content): Content {
  return typeof content === "string"
    ? content
    : content.map((part) => (part.type === "file" ? shortenFile(part) : part));
}

/** The content as one text, with its files named. */
export function nameFiles(content: Content): string {
  return messageText(shortenFiles(content));
}

/** A file that a provider may be handed: at an address, or in base64. */
export type PromptFile = {
  readonly mediaType: string;
  readonly filename: string | undefined;
} & ({ readonly url: string } | { readonly base64: string });

const DATA_URL = /^data:([^;,]*)(?:;[^,]*)?;base64,/i;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** What the first bytes of an image say that it is, in base64. A provider refuses one that claims another type. */
const IMAGE_STARTS: readonly (readonly [string, string])[] = [
  ["iVBORw0KGgo", "image/png"],
  ["/9j/", "image/jpeg"],
  ["R0lGOD", "image/gif"],
  ["UklGR", "image/webp"],
];

/** The file of a part; null if it is neither a web address nor base64, since one such file would have the whole prompt refused. */
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

/** The AI SDK says `image` or `image/*` where it does not know more. */
export function isImage(file: { readonly mediaType: string }): boolean {
  return /^image(?:\/|$)/i.test(file.mediaType);
}

/** The type of an image, if it is one that providers take. */
export function imageType(file: PromptFile) {
  return imageTypeSchema.safeParse(file.mediaType.toLowerCase()).data;
}

export function isSound(file: PromptFile): boolean {
  return /^(?:audio|video)(?:\/|$)/i.test(file.mediaType);
}

/** The file as an address: its own, or one that holds its bytes. */
export function fileUrl(file: PromptFile): string {
  return "url" in file ? file.url : `data:${file.mediaType};base64,${file.base64}`;
}
