import type { Content, NewMessage, Part } from "../../../src/contracts/message.ts";
import type { Random } from "./random.ts";

const WORDS = (
  "harbour invoice garden lantern travel pepper window singer bottle copper marble island planet silver thunder velvet walnut " +
  "castle bridge orange jacket morning forest market letter engine mirror pocket ribbon saddle tunnel violin"
).split(" ");
const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** A word that stands nowhere else: whoever finds it later knows which text it came from. */
export function secretWord(random: Random): string {
  return `zq${Array.from({ length: 12 }, () => LETTERS[random.below(LETTERS.length)]).join("")}`;
}

export function words(random: Random, count: number): string {
  return Array.from({ length: count }, () => random.pick(WORDS)).join(" ");
}

/** Text with a secret near its start, and at times a number. */
export function sentence(random: Random, secret: string, length: number): string {
  const number = random.chance(0.3) ? ` ${random.between(10, 9_999)}` : "";
  return `${words(random, 2)} ${secret} ${words(random, length)}${number}.`;
}

const AUTHORS = ["Ada", "Bo Li", "Chidi"];

/** Mostly a line or two, seldom a page. */
function lengthOf(random: Random): number {
  return random.chance(0.06) ? random.between(150, 600) : random.between(3, 30);
}

/** A message as a client sends it, without an id. */
export function newMessage(random: Random): NewMessage {
  const text = sentence(random, secretWord(random), lengthOf(random));
  const role = random.of("user", "user", "assistant", "assistant", "system");
  return {
    role,
    content: random.chance(0.2) ? partsOf(random, text) : text,
    ...(random.chance(0.25) ? { author: random.pick(AUTHORS) ?? "Ada" } : {}),
    ...(random.chance(0.1) ? { metadata: { mark: secretWord(random) } } : {}),
    ...(random.chance(0.15) ? { occurredAt: "2026-03-01T12:00:00Z" } : {}),
  };
}

function partsOf(random: Random, text: string): Part[] {
  const parts: Part[] = [{ type: "text", text }];
  if (random.chance(0.3)) parts.push({ type: "data-card", data: { note: secretWord(random) } });
  if (random.chance(0.2)) parts.push({ type: "reasoning", text: sentence(random, secretWord(random), 5) });
  return parts;
}

/** A call of one or two tools with its results, in the order in which an agent appends them. */
export function toolExchange(random: Random): NewMessage[] {
  const count = random.between(1, 2);
  // Not a secret: the result holds it as well, and keeps it when the call is erased.
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
    content: [
      {
        type: "tool-result",
        toolCallId,
        toolName: "find",
        output: sentence(random, secretWord(random), lengthOf(random)),
      },
    ],
  }));
  return [call, ...results];
}

/** Every secret in a message, to look for when it is erased. */
export function secretsOf(value: unknown): string[] {
  return [...new Set((typeof value === "string" ? value : JSON.stringify(value ?? null)).match(/zq[a-z]{12}/g))];
}

/** Other content for an edit. */
export function editedContent(random: Random, old: Content): Content {
  const text = sentence(random, secretWord(random), lengthOf(random));
  return typeof old === "string" || random.chance(0.5) ? text : [{ type: "text", text }];
}
