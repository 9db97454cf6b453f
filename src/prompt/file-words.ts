import type { Seq } from "../api/message.ts";
import { dataLength } from "./held-files.ts";

/** Files in words: what stands for one where its bytes have no room, or no place. */

/** A longer name is cut. */
const MAX_NAME_LENGTH = 60;
/** So is an address. */
const MAX_ADDRESS_LENGTH = 200;

/** Whether a file lies elsewhere: at a web address, or with a provider (`openai:file-1`). What is no address is base64, which has no colon. */
export function isAddress(data: string): boolean {
  return /^(?!data:)[a-z][a-z0-9+.-]*:/i.test(data);
}

/** The bytes of a file, by its base64 or by the URL that holds it. */
export function bytesOfBase64(data: string): number {
  const base64Length = dataLength(data) - (data.startsWith("data:") ? data.indexOf(",") + 1 : 0);
  return Math.floor((base64Length * 3) / 4);
}

/**
 * `[image, 1.2 MB, message 41]`
 * @param data base64, a URL that holds it, or an address
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
