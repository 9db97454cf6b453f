import type { Content, NewMessage, Part } from "../src/api/message.ts";
import type { Random } from "./random.ts";
import { MARK } from "./unstorable.ts";

const WORDS = (
  "harbour invoice garden lantern travel pepper window singer bottle copper marble island planet silver thunder velvet walnut " +
  "castle bridge orange jacket morning forest market letter engine mirror pocket ribbon saddle tunnel violin"
).split(" ");
/** Letters that stemming does not remove. */
const LETTERS = "bcdfghjkmpqrtvwxz";

/** A word that occurs nowhere else: wherever it is found later, its text is known. */
export function secretWord(random: Random): string {
  return `zq${Array.from({ length: 12 }, () => LETTERS[random.below(LETTERS.length)]).join("")}`;
}

export function words(random: Random, count: number): string {
  return Array.from({ length: count }, () => random.pick(WORDS)).join(" ");
}

/** Text with a secret near its start, and sometimes a number. */
function sentence(random: Random, secret: string, length: number): string {
  const number = random.chance(0.3) ? ` ${random.between(10, 9_999)}` : "";
  return `${words(random, 2)} ${secret} ${words(random, length)}${number}.`;
}

const AUTHORS = ["Ada", "Bo Li", "Chidi"];
/** Repeated pages of text, so that a long message is cheap to make. */
const PAGE_WORDS = 300;
/** The size of large messages: about 10 to 60 KB. */
const LARGE_PAGES = [5, 10, 30] as const;

/** The kind of messages in a chat: some chats have large ones, and files. */
export interface ChatHabits {
  readonly largeShare: number;
  readonly fileShare: number;
}

export const PLAIN: ChatHabits = { largeShare: 0, fileShare: 0.02 };

/** Mostly a line or two, rarely a page, in some chats many pages. */
function textOf(random: Random, { largeShare }: ChatHabits): string {
  if (random.chance(largeShare)) {
    return `${sentence(random, secretWord(random), 4)} ${`${words(random, PAGE_WORDS)} `.repeat(random.of(...LARGE_PAGES))}`;
  }
  return sentence(random, secretWord(random), random.chance(0.06) ? random.between(150, 600) : random.between(3, 30));
}

/** A message as a client sends it, without an id. */
export function newMessage(random: Random, habits: ChatHabits): NewMessage {
  const role = random.of("user", "user", "assistant", "assistant", "system");
  // An answer that is edited in once it has been streamed.
  if (role === "assistant" && random.chance(0.12)) return { role, content: "" };
  const text = textOf(random, habits);
  return {
    role,
    content: random.chance(0.2 + habits.fileShare) ? partsOf(random, text, habits) : text,
    ...(random.chance(0.25) ? { author: random.pick(AUTHORS) ?? "Ada" } : {}),
    ...(random.chance(0.1) ? { metadata: { mark: secretWord(random) } } : {}),
    ...(random.chance(0.15) ? { occurredAt: "2026-03-01T12:00:00Z" } : {}),
  };
}

function partsOf(random: Random, text: string, { fileShare }: ChatHabits): Part[] {
  const parts: Part[] = [{ type: "text", text }];
  if (random.chance(0.3)) parts.push({ type: "data-card", data: { note: secretWord(random) } });
  if (random.chance(0.2)) parts.push({ type: "reasoning", text: sentence(random, secretWord(random), 5) });
  if (random.chance(fileShare)) parts.push(fileOf(random));
  return parts;
}

/** A file in the message, from some bytes to some tens of KB of base64. Half of the medium-sized files are one of three, repeatedly. */
function fileOf(random: Random): Part {
  const mediaType = random.of("image/png", "application/pdf", "text/plain");
  const secret = secretWord(random);
  const times = random.of(1, 20, 500, 2_000);
  const isShared = times === 500 && secret < "zqk";
  const filler = `${isShared ? mediaType.replace("/", "") : secret}AAAA`.repeat(isShared ? 600 : times);
  return { type: "file", mediaType, data: filler.slice(0, filler.length - (filler.length % 4)) };
}

/** Base64 that a session stores outside of the message, and how much of it fits a row: in the simulation, little. */
export const MIN_HELD_LENGTH = 1_024;
export const FILE_PAGE_BYTES = 2_048;
const DATA_HEAD = /^data:[^,]*;base64,/;

/** What a session stores outside of messages: their large files. */
export function keptFilesOf(contents: readonly (Content | null)[]): string[] {
  const parts = contents.flatMap((content) => (typeof content === "string" || content === null ? [] : content));
  const files = parts.flatMap((part) => (part.type === "file" ? [part.data.replace(DATA_HEAD, "")] : []));
  return [...new Set(files.filter(({ length }) => length >= MIN_HELD_LENGTH))].toSorted();
}

/** Sizes at and around which a file leaves its message, and needs another row. */
const FILE_LENGTHS = [
  200,
  MIN_HELD_LENGTH - 4,
  MIN_HELD_LENGTH,
  FILE_PAGE_BYTES - 4,
  FILE_PAGE_BYTES,
  FILE_PAGE_BYTES + 4,
  2 * FILE_PAGE_BYTES + 400,
] as const;
const PINNED_SHARE = 0.07;
const ADDED_FILE_SHARE = 0.04;
const MARKED_SHARE = 0.05;
const REPEATED_SHARE = 0.15;

/** A unique file, or one of a few, some of which begin alike: as bare base64 or as a URL. */
function addedFile(random: Random): Part {
  const mediaType = random.of("image/png", "application/pdf", "text/plain");
  const beginning = random.chance(0.5) ? secretWord(random) : "shared";
  const length = random.of(...FILE_LENGTHS);
  const base64 = `${beginning.padEnd(length - 1, "A")}${random.of("B", "C")}`;
  return { type: "file", mediaType, data: random.chance(0.6) ? `data:${mediaType};base64,${base64}` : base64 };
}

/** Two files that differ in their last letter alone, and are longer than a row. */
export function alikeFiles(random: Random): Part[] {
  const length = random.of(FILE_PAGE_BYTES + 4, 2 * FILE_PAGE_BYTES + 400);
  const beginning = secretWord(random).padEnd(length - 1, "A");
  return ["B", "C"].map((end) => ({ type: "file", mediaType: "image/png", data: `${beginning}${end}` }));
}

function withFile(content: Content, file: Part): Content {
  if (content === "") return [file];
  return typeof content === "string" ? [{ type: "text", text: content }, file] : [...content, file];
}

function marked(random: Random, text: string): string {
  const at = random.of(0, text.indexOf(" ") + 1, text.length);
  return `${text.slice(0, at)}${MARK}${text.slice(at)}`;
}

function withMark(random: Random, content: Content): Content {
  if (typeof content === "string") return content === "" ? content : marked(random, content);
  return content.map((part) => {
    if (part.type === "text" || part.type === "reasoning") return { ...part, text: marked(random, part.text) };
    return part.type === "tool-result" && typeof part.output === "string"
      ? { ...part, output: marked(random, part.output) }
      : part;
  });
}

/** Adds to some messages a file, or characters that no store keeps. */
export function enriched(random: Random, content: Content, isSpoken: boolean): Content {
  const filed = isSpoken && random.chance(ADDED_FILE_SHARE) ? withFile(content, addedFile(random)) : content;
  return random.chance(MARKED_SHARE) ? withMark(random, filed) : filed;
}

/** The same message, sometimes pinned, and then sometimes with the text of an existing pin. */
export function asideOf(random: Random, message: NewMessage, pins: readonly NewMessage[]): NewMessage {
  const content = enriched(random, message.content, message.role !== "tool");
  if (!random.chance(PINNED_SHARE)) return content === message.content ? message : { ...message, content };
  const pin = random.chance(REPEATED_SHARE) ? random.pick(pins) : undefined;
  if (pin === undefined || message.role === "tool") return { ...message, content, pinned: true };
  const { author: _, ...rest } = message;
  const author = pin.author === undefined ? {} : { author: pin.author };
  return { ...rest, ...author, role: pin.role, content: pin.content, pinned: true };
}

/** One or two tool calls with their results, in the order in which an agent appends them. */
export function toolExchange(random: Random, habits: ChatHabits): NewMessage[] {
  const count = random.between(1, 2);
  // Not a secret, because the result contains it as well, and keeps it when the call is erased.
  const calls = Array.from({ length: count }, () => `call-${random.seed().toString(36)}`);
  const call: NewMessage = {
    role: "assistant",
    content: calls.map((toolCallId) => ({
      type: "tool-call",
      toolCallId,
      toolName: "find",
      input: { query: words(random, 3) },
    })),
  };
  const results = calls.map((toolCallId): NewMessage => ({
    role: "tool",
    content: [{ type: "tool-result", toolCallId, toolName: "find", output: textOf(random, habits) }],
  }));
  return [call, ...results];
}

/** Every secret in a message, which is searched for when it is erased. */
export function secretsOf(value: unknown): string[] {
  return [...new Set((typeof value === "string" ? value : JSON.stringify(value ?? null)).match(/zq[a-z]{12}/g))];
}

/** Other content for an edit: sometimes much longer or shorter, like a streamed or a shortened answer. */
export function editedContent(random: Random, old: Content, habits: ChatHabits): Content {
  if (old === "" && random.chance(0.8)) return sentence(random, secretWord(random), random.of(40, 150, 400));
  if (random.chance(0.08)) return "";
  const text = random.chance(0.25) ? sentence(random, secretWord(random), random.of(1, 300)) : textOf(random, habits);
  return typeof old === "string" || random.chance(0.5) ? text : [{ type: "text", text }];
}
