import type { Content } from "../../src/api/message.ts";
import { beginning } from "../text.ts";
import { wordsOf } from "./message-parts.tsx";

/** Metadata fields in which applications put a title, most common first. */
const NAMES = ["title", "name", "subject", "topic"];
const LENGTH = 90;

/** The name of a session: its title, else its first words, else its id. */
export function titleIn(metadata: Readonly<Record<string, unknown>>, first: Content | undefined, id: string): string {
  for (const name of NAMES) {
    const value = metadata[name];
    if (typeof value === "string" && value.trim() !== "") return beginning(value, LENGTH);
  }
  const words = first === undefined ? "" : beginning(wordsOf(first), LENGTH);
  return words === "" ? id : words;
}
