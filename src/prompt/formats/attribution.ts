import { fileNote } from "./files.ts";
import type { PartOf, Spoken } from "./turns.ts";

type TextPart = PartOf<"text">;

/** The text with its author's name, where the format has no field for it. */
export function attributeText(author: string | undefined, text: string): string {
  return author === undefined ? text : `${author}: ${text}`;
}

/** The parts with their author's name before the first text. */
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

/** The texts of the parts, and what stands for the files; reasoning, and what a provider ran, are left out. */
export function joinTexts(parts: readonly Spoken[]): string {
  return parts
    .flatMap((part) => (part.type === "text" ? [part.text] : part.type === "file" ? [fileNote(part).text] : []))
    .join("\n");
}
