import type { Content, Part, TokenCount } from "../api/message.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import { fileTokens } from "./file-tokens.ts";
import { guardName, guardText } from "./guarded-text.ts";
import { outputFiles, outputText, promptedOutput, toToolOutput } from "./tool-output.ts";

/**
 * Tokens that a chat format adds around one message: role and separators. An upper bound for every format that we
 * render: `[assistant] ` and the blank line before it take up to 5.7 tokens in the text format, more than OpenAI's 4.
 */
export const MESSAGE_OVERHEAD_TOKENS = 6;
/** Tokens that an author's name adds besides its own: brackets or a colon. */
const AUTHOR_OVERHEAD_TOKENS = 2;
/** Tokens for type, ids and punctuation of one part. */
const PART_OVERHEAD_TOKENS = 12;

/** How texts and names are escaped for a prompt that is one text. */
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
      // Data parts (`data-*`) are for the user interface, and never sent to a model.
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

/** A message as one text, unescaped: for summaries and search. */
export function messageText(content: Content): string {
  return textOf(content, WORD_FOR_WORD);
}

/**
 * A message as one text, for use after a heading in a one-text prompt: nothing in it can be mistaken for a heading or
 * for one of our tags.
 */
export function guardedMessageText(content: Content): string {
  return textOf(content, GUARDED);
}

/** Tokens of a text in whichever format takes more: plain or guarded. */
function textTokens(text: string): TokenCount {
  const guarded = guardText(text, true);
  const tokens = estimateTokens(text);
  return guarded === text ? tokens : Math.max(tokens, estimateTokens(guarded));
}

/** Whether a message is given to the summarizer: not if it was erased or has no text. */
export function isTold(content: Content | null): content is Content {
  return content !== null && messageText(content) !== "";
}

/**
 * Cache of the token counts of large parts. A context needs them several times, and counting megabytes takes seconds.
 */
const COUNTED = new WeakMap<Part, TokenCount>();
/** Smaller parts are counted about as fast as they are looked up. */
const MIN_KEPT_TOKENS: TokenCount = 2_000;

/** Fills the cache with a known count. A message with a single part need not be counted again. */
export function noteTokens(content: Content | null, tokens: TokenCount): void {
  const [only, ...others] = typeof content === "string" || content === null ? [] : content;
  if (only !== undefined && others.length === 0 && tokens >= MIN_KEPT_TOKENS) COUNTED.set(only, tokens);
}

/** Estimated tokens of one part, in the format in which it takes most. */
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

/** Tokens of the files in tool results, for providers that take them as files. */
export function toolFileTokens(content: Content): TokenCount {
  if (typeof content === "string") return 0;
  let tokens = 0;
  for (const part of content) {
    if (part.type !== "tool-result") continue;
    for (const file of outputFiles(toToolOutput(part.output))) tokens += fileTokens(file);
  }
  return tokens;
}

/** Data that only a provider reads, such as the signature of its reasoning, is sent back to it and counts as input. */
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

/** Tokens that a message takes of a context's budget: content, author, and the format around them. */
export function messageCost(message: {
  readonly tokens: TokenCount;
  readonly author?: string | undefined;
}): TokenCount {
  const author = message.author === undefined ? 0 : estimateTokens(message.author) + AUTHOR_OVERHEAD_TOKENS;
  return message.tokens + author + MESSAGE_OVERHEAD_TOKENS;
}

/** The ids of the tool calls in a message, and the call ids of its tool results. */
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
