import type {
  AnthropicAssistantBlock,
  AnthropicContext,
  AnthropicMessage,
  AnthropicUserBlock,
  CacheTtl,
} from "../../api/context-anthropic.ts";
import { searchBlocks, thinkingBlock, toResultBlock, toSaidBlock } from "./anthropic-blocks.ts";
import { attributeParts, attributeText, joinTexts } from "./attribution.ts";
import type { ToolFiles } from "./audience.ts";
import { NOTHING_SAID } from "./merged-turns.ts";
import type { Opening } from "./opening.ts";
import { type CallLimits, createCallNamer, inputObject, type NamedCall } from "./tool-parts.ts";
import type { AssistantTurn, OnTurn, Spoken, Turn } from "./turns.ts";

/** Anthropic refuses other ids: "String should match pattern '^[a-zA-Z0-9_-]+$'". */
const CALL_LIMITS: CallLimits = { maxIdLength: 64, foreignInId: /[^a-zA-Z0-9_-]/, maxNameLength: 128 };

/**
 * The user message that precedes an answer at the beginning of the window, because the first message must be the
 * user's. It is one token, which the message overhead already covers.
 * @internal Tests expect the sentence by name.
 */
export const FIRST_USER_NOTE = NOTHING_SAID;

/**
 * Makes system text and messages for Anthropic's Messages API: roles alternate, beginning with the user; adjacent
 * messages of one role are merged; a call's result is in the very next message. Only reasoning with Anthropic's
 * signature is included, because any other would be refused.
 */
export function toAnthropic(
  turns: readonly Turn[],
  { summary, summaryRole }: Opening,
  toolFiles: ToolFiles,
  onTurn: OnTurn,
): Omit<AnthropicContext, "meta"> {
  const nameCalls = createCallNamer(CALL_LIMITS);
  const system: string[] = [];
  const messages: AnthropicMessage[] = [];
  if (summary !== null) {
    if (summaryRole === "system") system.push(summary);
    else sayAsUser(messages, [{ type: "text", text: summary }]);
  }
  for (const [index, turn] of turns.entries()) {
    onTurn(index, messages.length);
    if (turn.role === "user") sayAsUser(messages, attributeParts(turn.author, turn.parts).map(toSaidBlock));
    else if (turn.role === "assistant") {
      const calls = nameCalls(turn);
      sayAsAssistant(messages, assistantBlocks(turn, calls));
      sayAsUser(
        messages,
        calls.map((call) => toResultBlock(call, toolFiles)),
      );
    } else system.push(attributeText(turn.author, turn.text));
  }
  trimLastAnswer(messages);
  return { ...(system.length === 0 ? {} : { system: system.join("\n\n") }), messages };
}

function sayAsUser(messages: AnthropicMessage[], blocks: AnthropicUserBlock[]): void {
  const last = messages.at(-1);
  if (blocks.length === 0) return;
  if (last?.role === "user") last.content.push(...blocks);
  else messages.push({ role: "user", content: blocks });
}

function sayAsAssistant(messages: AnthropicMessage[], blocks: AnthropicAssistantBlock[]): void {
  // An answer with thinking blocks must begin with them. Blocks before them become an answer of their own.
  const reasoned = blocks.findIndex(isThinking);
  if (reasoned > 0 && !isThinking(blocks[0])) {
    sayAsAssistant(messages, blocks.slice(0, reasoned));
    sayAsAssistant(messages, blocks.slice(reasoned));
    return;
  }
  if (blocks.length === 0) return;
  const isNewAnswer = messages.at(-1)?.role === "assistant" && isThinking(blocks[0]);
  if (messages.length === 0 || isNewAnswer) sayAsUser(messages, [{ type: "text", text: FIRST_USER_NOTE }]);
  const last = messages.at(-1);
  if (last?.role === "assistant") last.content.push(...blocks);
  else messages.push({ role: "assistant", content: blocks });
}

function isThinking(block: AnthropicAssistantBlock | undefined): boolean {
  return block?.type === "thinking" || block?.type === "redacted_thinking";
}

function assistantBlocks(turn: AssistantTurn, calls: readonly NamedCall[]): AnthropicAssistantBlock[] {
  return [
    ...spokenBlocks(turn),
    ...calls.map(({ id, name, call }) => ({ type: "tool_use" as const, id, name, input: inputObject(call.input) })),
  ];
}

/** The blocks of an answer, in order. Adjacent texts are joined. */
function spokenBlocks(turn: AssistantTurn): AnthropicAssistantBlock[] {
  const blocks: AnthropicAssistantBlock[] = [];
  let said: Spoken[] = [];
  let author = turn.author;
  const flush = (): void => {
    const text = joinTexts(said);
    if (text !== "") {
      blocks.push({ type: "text", text: attributeText(author, text) });
      author = undefined;
    }
    said = [];
  };
  for (const part of turn.parts) {
    if (part.type === "reasoning") {
      flush();
      const block = thinkingBlock(part);
      if (block !== null) blocks.push(block);
    } else if (part.type === "provider-step") {
      flush();
      blocks.push(...(searchBlocks(part.call, part.result) ?? []));
    } else said.push(part);
  }
  flush();
  return blocks;
}

/**
 * Sets the marker up to which Anthropic caches the prompt. Thinking blocks accept no marker, so the last block before
 * them gets it.
 * @param last the last message to cache
 */
export function markCached(last: AnthropicMessage | undefined, ttl: CacheTtl): void {
  const index = last?.content.findLastIndex((block) => CACHED_BLOCKS.some((type) => type === block.type)) ?? -1;
  if (last === undefined || index === -1) return;
  const mark = { cache_control: { type: "ephemeral" as const, ttl } };
  if (last.role === "user") last.content[index] = { ...at(last.content, index), ...mark };
  else {
    const block = at(last.content, index);
    if (block.type === "text" || block.type === "tool_use") last.content[index] = { ...block, ...mark };
  }
}

const CACHED_BLOCKS = ["text", "image", "document", "tool_use", "tool_result"] as const;

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new Error(`nothing stands at ${index}`);
  return item;
}

/** Anthropic refuses a prompt whose last message is an assistant's text that ends with white space. */
function trimLastAnswer(messages: AnthropicMessage[]): void {
  const last = messages.at(-1);
  const block = last?.role === "assistant" ? last.content.at(-1) : undefined;
  if (last?.role === "assistant" && block?.type === "text") {
    last.content[last.content.length - 1] = { ...block, text: block.text.trimEnd() };
  }
}
