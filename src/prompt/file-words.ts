import type { Seq } from "../api/message.ts";
import { dataLength } from "./held-files.ts";

/** Describes files in words, where their bytes do not fit or cannot be sent. */

/** Longer file names are cut. */
const MAX_NAME_LENGTH = 60;
/** Longer addresses are cut. */
const MAX_ADDRESS_LENGTH = 200;

/**
 * Whether a file's data is an address: a URL, or an id at a provider (`openai:file-1`). Anything else is base64, which
 * contains no colon, or a `data:` URL.
 */
export function isAddress(data: string): boolean {
  return /^(?!data:)[a-z][a-z0-9+.-]*:/i.test(data);
}

/** Size in bytes of a file that is given as base64 or as a `data:` URL. */
export function bytesOfBase64(data: string): number {
  const base64Length = dataLength(data) - (data.startsWith("data:") ? data.indexOf(",") + 1 : 0);
  return Math.floor((base64Length * 3) / 4);
}

/**
 * Describes a file, such as `[image, 1.2 MB, message 41]`.
 * @param data base64, a `data:` URL, or an address
 */
export function fileInWords(
  { mediaType, filename, data }: { mediaType: string; filename?: string | undefined; data: string },
  seq?: Seq,
): string {
  const kind = /^(image|audio|video)(?:\/|$)/i.exec(mediaType)?.[1]?.toLowerCase() ?? "file";
  const name = filename === undefined ? "" : ` ${filename.slice(0, MAX_NAME_LENGTH).toWellFormed()}`;
  const what = isAddress(data)
    ? data.slice(0, MAX_ADDRESS_LENGTH).toWellFormed()
    : `${sizeText(bytesOfBase64(data))}${seq === undefined ? "" : `, message ${seq}`}`;
  return `[${kind}${name}, ${what}]`;
}

function sizeText(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.max(1, Math.round(bytes / 1_000))} KB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
