import type { Content, Part, TokenCount } from "../api/message.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import { fileTokens } from "./file-tokens.ts";
import { guardName, guardText } from "./guarded-text.ts";
import { outputFiles, outputText, promptedOutput, toToolOutput } from "./tool-output.ts";

/**
 * What a chat format adds around one message: role, separators. Bounds every format we render: `[assistant] ` and the blank line
 * before it take up to 5.7 in the text format, more than OpenAI's 4.
 */
export const MESSAGE_OVERHEAD_TOKENS = 6;
/** What an author's name adds besides its own tokens: brackets or a colon. */
const AUTHOR_OVERHEAD_TOKENS = 2;
/** Type, ids and punctuation of one part that is not plain text. */
const PART_OVERHEAD_TOKENS = 12;

/** What is done to texts and names on their way into a prompt of one text. */
interface Guard {
  text(text: string, isLineStart: boolean): string;
  name(name: string): string;
}
const WORD_FOR_WORD: Guard = { text: (text) => text, name: (name) => name };
const GUARDED: Guard = { text: guardText, name: guardName };

function partText(part: Part, guard: Guard, isLineStart: boolean): string {
  switch (part.type) {
    case "text":
    case "reasoning":
      return guard.text(part.text, isLineStart);
    case "tool-call":
      return `[calls ${guard.name(part.toolName)}] ${guard.text(JSON.stringify(part.input), false)}`;
    case "tool-result":
      return `[result of ${guard.name(part.toolName)}] ${guard.text(outputText(promptedOutput(part.output)), false)}`;
    case "file": {
      const name = part.filename === undefined ? "" : ` ${guard.name(part.filename)}`;
      return `[file${name}, ${guard.name(part.mediaType)}]`;
    }
    default:
      // data-* parts belong to the user interface and are never prompted.
      return "";
  }
}

function textOf(content: Content, guard: Guard): string {
  if (typeof content === "string") return guard.text(content, false);
  let text = "";
  for (const part of content) {
    const next = partText(part, guard, text !== "");
    text += text === "" || next === "" ? next : `\n${next}`;
  }
  return text;
}

/** The message as one text, word for word: for summaries and search. */
export function messageText(content: Content): string {
  return textOf(content, WORD_FOR_WORD);
}

/** The same for a prompt of one text, after a heading of ours: nothing in it reads like another heading, or like a tag of ours. */
export function guardedMessageText(content: Content): string {
  return textOf(content, GUARDED);
}

/** Tokens of a text, also where it has to be guarded. */
function textTokens(text: string): TokenCount {
  const guarded = guardText(text, true);
  const tokens = estimateTokens(text);
  return guarded === text ? tokens : Math.max(tokens, estimateTokens(guarded));
}

/** Whether a summarizer is told of a message: of one without text it is not, and of one that was erased. */
export function isTold(content: Content | null): content is Content {
  return content !== null && messageText(content) !== "";
}

/** What large parts take, once it was counted: a context asks several times, and of megabytes each time takes seconds. */
const COUNTED = new WeakMap<Part, TokenCount>();
/** Smaller ones are counted as fast as they are looked up. */
const MIN_KEPT_TOKENS: TokenCount = 2_000;

/** Tells what content takes that was counted before: of a single part it need not be counted again. */
export function noteTokens(content: Content | null, tokens: TokenCount): void {
  const [only, ...others] = typeof content === "string" || content === null ? [] : content;
  if (only !== undefined && others.length === 0 && tokens >= MIN_KEPT_TOKENS) COUNTED.set(only, tokens);
}

/** Estimated tokens of one part, as the dearest of our formats renders it. */
export function partTokens(part: Part): TokenCount {
  const known = COUNTED.get(part);
  if (known !== undefined) return known;
  const tokens = countPart(part);
  if (tokens >= MIN_KEPT_TOKENS) COUNTED.set(part, tokens);
  return tokens;
}

function countPart(part: Part): TokenCount {
  if (part.type.startsWith("data-")) return 0;
  if (part.type === "file") return fileTokens(part);
  const said = "providerOptions" in part ? optionsTokens(part) : 0;
  if (part.type === "text" || part.type === "reasoning") return textTokens(part.text) + said + PART_OVERHEAD_TOKENS;
  const ids = part.type === "tool-call" || part.type === "tool-result" ? estimateTokens(part.toolCallId) : 0;
  return textTokens(partText(part, WORD_FOR_WORD, false)) + ids + said + PART_OVERHEAD_TOKENS;
}

/** What the files take that tools show, where they are sent as files. */
export function toolFileTokens(content: Content): TokenCount {
  if (typeof content === "string") return 0;
  let tokens = 0;
  for (const part of content) {
    if (part.type !== "tool-result") continue;
    for (const file of outputFiles(toToolOutput(part.output))) tokens += fileTokens(file);
  }
  return tokens;
}

/** What only a provider reads, such as the signature of its reasoning, goes back to it, and counts. */
function optionsTokens({ providerOptions }: { readonly providerOptions?: unknown }): TokenCount {
  return providerOptions === undefined ? 0 : estimateTokens(JSON.stringify(providerOptions));
}

/** Estimated tokens of a message's content. */
export function contentTokens(content: Content): TokenCount {
  if (typeof content === "string") return textTokens(content);
  let tokens = 0;
  for (const part of content) tokens += partTokens(part);
  return tokens;
}

/** What a message takes of a context's budget: content, author and the format around them. */
export function messageCost(message: {
  readonly tokens: TokenCount;
  readonly author?: string | undefined;
}): TokenCount {
  const author = message.author === undefined ? 0 : estimateTokens(message.author) + AUTHOR_OVERHEAD_TOKENS;
  return message.tokens + author + MESSAGE_OVERHEAD_TOKENS;
}

/** The ids of the tool calls that a message makes, and of those whose results it holds. */
export function toolIds(content: Content | null): { calls: string[]; results: string[] } {
  const calls: string[] = [];
  const results: string[] = [];
  if (content === null || typeof content === "string") return { calls, results };
  for (const part of content) {
    if (part.type === "tool-call") calls.push(part.toolCallId);
    else if (part.type === "tool-result") results.push(part.toolCallId);
  }
  return { calls, results };
}
