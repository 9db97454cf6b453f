import type { Part, TokenCount } from "../api/message.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import { bytesOfBase64, isAddress } from "./file-words.ts";
import { heldFile } from "./held-files.ts";

/**
 * Estimates the tokens of files. Providers price files by pixels, pages or seconds. We have only the bytes, and
 * estimate from them what the most expensive provider would charge. Text files are sent as text and cost what their
 * text costs.
 */

/**
 * The minimum for any file, and the cost of a file of unknown size.
 * @internal Tests go up to it and past it.
 */
export const FILE_TOKENS: TokenCount = 1_000;
/** Anthropic scales an image down to about 1,600 tokens; OpenAI's tiles cost 1,445 at most. */
const LARGE_IMAGE_TOKENS: TokenCount = 1_600;
/** An image with fewer bytes than this usually has at most a million pixels. */
const LARGE_IMAGE_BYTES = 100_000;
/** Anthropic: 1,500 to 3,000 tokens per PDF page. */
const PAGE_TOKENS: TokenCount = 2_000;
const PAGE_BYTES = 100_000;
/** Gemini: 32 tokens per second of audio, which takes 16 KB as MP3. */
const SOUND_BYTES_PER_TOKEN = 500;

/** Media types that are sent to a model as text, besides `text/*`. */
const TEXT_TYPES = /^(?:text\/|application\/(?:json|xml|yaml|x-yaml|javascript|csv|sql|x-sh|toml)\b)/i;
const DATA_URL = /^data:([^;,]*)(?:;[^,]*)?;base64,/i;

export function fileTokens({ mediaType, data }: Extract<Part, { type: "file" }>): TokenCount {
  if (isAddress(data)) return FILE_TOKENS;
  const bytes = bytesOfBase64(data);
  const type = typeOf(mediaType, data);
  if (/^image(?:\/|$)/i.test(type)) return bytes > LARGE_IMAGE_BYTES ? LARGE_IMAGE_TOKENS : FILE_TOKENS;
  if (/^application\/pdf/i.test(type)) return Math.max(FILE_TOKENS, Math.ceil(bytes / PAGE_BYTES) * PAGE_TOKENS);
  if (/^(?:audio|video)(?:\/|$)/i.test(type)) return Math.max(FILE_TOKENS, Math.ceil(bytes / SOUND_BYTES_PER_TOKEN));
  const held = heldFile(data);
  const isText = TEXT_TYPES.test(type);
  if (isText && held !== null) return Math.max(FILE_TOKENS, held.textTokens ?? bytes);
  return Math.max(FILE_TOKENS, (isText ? textTokens(data) : null) ?? 0);
}

/** The media type in the `data:` URL, or else the declared one. */
function typeOf(mediaType: string, data: string): string {
  return DATA_URL.exec(data)?.[1] || mediaType;
}

/** Tokens of a text file; null if the file is of another type. */
export function fileTextTokens(mediaType: string, data: string): TokenCount | null {
  return TEXT_TYPES.test(typeOf(mediaType, data)) ? textTokens(data) : null;
}

function textTokens(data: string): TokenCount | null {
  const text = decodeBase64(data.slice(DATA_URL.exec(data)?.[0].length ?? 0));
  return text === null ? null : estimateTokens(text);
}

/** Decodes base64 (standard or URL-safe) as UTF-8; null if it is not base64. */
export function decodeBase64(base64: string): string | null {
  try {
    const standard = base64.replaceAll("-", "+").replaceAll("_", "/");
    return new TextDecoder().decode(Uint8Array.from(atob(standard), (unit) => unit.charCodeAt(0)));
  } catch {
    return null;
  }
}
