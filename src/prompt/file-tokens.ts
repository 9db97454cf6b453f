import type { Part, TokenCount } from "../api/message.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import { bytesOfBase64, isAddress } from "./file-words.ts";
import { heldFile } from "./held-files.ts";

/**
 * What a file takes of a budget. Providers price files by their own rules, by pixels, pages or seconds; a file is charged by its bytes
 * what the dearest of them asks, as far as bytes tell. A text is sent as its words, and costs them.
 */

/** The least that a file costs, and what is charged where its size is not known. */
export const FILE_TOKENS: TokenCount = 1_000;
/** Anthropic scales an image down to what costs about 1,600 tokens; OpenAI's tiles come to 1,445 at most. */
const LARGE_IMAGE_TOKENS: TokenCount = 1_600;
/** An image of fewer bytes has a million pixels at most, as a rule. */
const LARGE_IMAGE_BYTES = 100_000;
/** Anthropic: 1,500 to 3,000 tokens a page of a PDF. */
const PAGE_TOKENS: TokenCount = 2_000;
const PAGE_BYTES = 100_000;
/** Gemini: 32 tokens a second of sound, of which MP3 takes 16 KB. */
const SOUND_BYTES_PER_TOKEN = 500;

/** Types that a model is given as text, besides those that begin with `text/`. */
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

/** The type that the URL tells which holds a file, or else the one beside it. */
function typeOf(mediaType: string, data: string): string {
  return DATA_URL.exec(data)?.[1] || mediaType;
}

/** What a file takes whose words are sent; null if it is of another type. */
export function fileTextTokens(mediaType: string, data: string): TokenCount | null {
  return TEXT_TYPES.test(typeOf(mediaType, data)) ? textTokens(data) : null;
}

function textTokens(data: string): TokenCount | null {
  const text = decodeBase64(data.slice(DATA_URL.exec(data)?.[0].length ?? 0));
  return text === null ? null : estimateTokens(text);
}

/** The text that base64 holds; null if it is none. */
export function decodeBase64(base64: string): string | null {
  try {
    const standard = base64.replaceAll("-", "+").replaceAll("_", "/");
    return new TextDecoder().decode(Uint8Array.from(atob(standard), (unit) => unit.charCodeAt(0)));
  } catch {
    return null;
  }
}
