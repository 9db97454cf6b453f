/** Converts what people paste into messages: lines with names, JSON messages, or an export of Threadkeep. */

import type { NewMessage } from "../../src/api/message.ts";

export type Transcript =
  | { readonly kind: "messages"; readonly messages: readonly NewMessage[] }
  /** Messages in OpenAI's format, which the service converts itself. */
  | { readonly kind: "openai"; readonly messages: readonly object[] }
  | { readonly kind: "export"; readonly lines: string };

const EXPORT = /^\s*\{[^\n]*"format"\s*:\s*"threadkeep-session"/;
const ROLES = new Set(["system", "developer", "user", "assistant", "tool"]);
const SPEAKERS: Readonly<Record<string, NewMessage["role"]>> = {
  user: "user",
  human: "user",
  you: "user",
  me: "user",
  customer: "user",
  assistant: "assistant",
  ai: "assistant",
  bot: "assistant",
  agent: "assistant",
  model: "assistant",
  chatgpt: "assistant",
  claude: "assistant",
  gemini: "assistant",
  system: "system",
};
/** Matches "Ada: hello", with or without emphasis around the name. */
const SAID = /^\s*(?:\*\*|__)?([\p{L}\p{N}][\p{L}\p{N} ._'-]{0,40}?)(?:\*\*|__)?\s*:(?:\*\*|__)?\s+(.*)$/u;

export function readTranscript(text: string): Transcript | { readonly fault: string } {
  if (EXPORT.test(text)) return { kind: "export", lines: text };
  const begin = text.trimStart()[0];
  if (begin === "[" || begin === "{") return readJson(text);
  return readLines(text);
}

function readJson(text: string): Transcript | { fault: string } {
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    try {
      values = text
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map((line) => JSON.parse(line) as unknown);
    } catch {
      return { fault: "This is no JSON that can be read: it ends early, or a comma is wrong." };
    }
  }
  const list = Array.isArray(values)
    ? values
    : isObject(values) && Array.isArray(values["messages"])
      ? values["messages"]
      : [values];
  const messages = list.filter(
    (value): value is Record<string, unknown> => isObject(value) && ROLES.has(String(value["role"])),
  );
  if (messages.length === 0) {
    return {
      fault:
        "There are no messages in it: each needs a role and a content. Exports of ChatGPT and claude.ai are read by: npm run import.",
    };
  }
  const isOpenai = messages.some(
    ({ role, content, tool_calls: calls }) => calls !== undefined || role === "tool" || typeof content !== "string",
  );
  if (isOpenai) return { kind: "openai", messages };
  return {
    kind: "messages",
    messages: messages.map(({ role, content }) => ({ role: role as NewMessage["role"], content: String(content) })),
  };
}

function readLines(text: string): Transcript | { fault: string } {
  const messages: { name: string; lines: string[] }[] = [];
  for (const line of text.split("\n")) {
    const [, name, words = ""] = SAID.exec(line) ?? [];
    const current = messages.at(-1);
    if (name !== undefined) messages.push({ name, lines: [words] });
    else if (current !== undefined) current.lines.push(line);
  }
  const said = messages.filter(({ lines }) => lines.join("").trim() !== "");
  const [first] = said;
  if (first === undefined) return { fault: "Begin each turn with who says it, such as “User: hello”." };
  return {
    kind: "messages",
    messages: said.map(({ name, lines }) => {
      const content = lines.join("\n").trim();
      const known = SPEAKERS[name.toLowerCase()];
      if (known !== undefined) return { role: known, content };
      // In a conversation of named people, the first speaker becomes the user, the others the assistant.
      return { role: name === first.name ? "user" : "assistant", author: name, content };
    }),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
