import { fileNote } from "./files.ts";
import type { PartOf, Spoken } from "./turns.ts";

type TextPart = PartOf<"text">;

/** Puts the author's name before a text, for formats that have no field for it. */
export function attributeText(author: string | undefined, text: string): string {
  return author === undefined ? text : `${author}: ${text}`;
}

/** Puts the author's name before the first text part. */
export function attributeParts<P extends { readonly type: string }>(
  author: string | undefined,
  parts: readonly (P | TextPart)[],
): (P | TextPart)[] {
  if (author === undefined) return [...parts];
  const first = parts.findIndex((part) => part.type === "text");
  if (first < 0) return [{ type: "text", text: `${author}:` }, ...parts];
  return parts.map((part, index) =>
    index === first && isText(part) ? { ...part, text: attributeText(author, part.text) } : part,
  );
}

function isText(part: { readonly type: string }): part is TextPart {
  return part.type === "text";
}

/**
 * Joins the texts of the parts, with notes instead of files. Reasoning and the provider's own tool calls are left out.
 */
export function joinTexts(parts: readonly Spoken[]): string {
  return parts
    .flatMap((part) => (part.type === "text" ? [part.text] : part.type === "file" ? [fileNote(part).text] : []))
    .join("\n");
}
