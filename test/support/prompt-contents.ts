import { z } from "zod";
import type { ContextFormat, ContextIn } from "../../src/api/context.ts";
import { NO_RESULT } from "../../src/prompt/formats/turns.ts";

/** The contents of a prompt, read from each format in the same way. */

/** A prompt with the format that it is in. */
export type Rendered = {
  readonly [F in ContextFormat]: { readonly format: F; readonly prompt: ContextIn<F> };
}[ContextFormat];

/** The calls of a prompt by their keys, each with its result. */
export function answersIn({ format, prompt }: Rendered): Map<string, string> {
  const answers = new Map<string, string>();
  const add = (input: unknown, result: unknown): void => {
    const key = z.object({ key: z.string() }).safeParse(input);
    if (key.success) answers.set(key.data.key, JSON.stringify(result) ?? "");
  };
  if (format === "openai-chat") {
    const { messages } = prompt;
    for (const message of messages) {
      for (const call of (message.role === "assistant" ? message.tool_calls : undefined) ?? []) {
        const result = messages.find((other) => other.role === "tool" && other.tool_call_id === call.id);
        add(JSON.parse(call.function.arguments), result?.content);
      }
    }
  } else if (format === "openai-responses") {
    const { input } = prompt;
    for (const item of input) {
      if (item.type !== "function_call") continue;
      const result = input.find((other) => other.type === "function_call_output" && other.call_id === item.call_id);
      add(JSON.parse(item.arguments), result);
    }
  } else if (format === "anthropic") {
    const blocks = prompt.messages.flatMap(({ content }) => [...content]);
    for (const block of blocks) {
      if (block.type !== "tool_use") continue;
      add(
        block.input,
        blocks.find((other) => other.type === "tool_result" && other.tool_use_id === block.id),
      );
    }
  } else if (format === "ai-sdk") {
    const parts = prompt.messages.flatMap(({ content }) => (typeof content === "string" ? [] : [...content]));
    for (const part of parts) {
      if (part.type !== "tool-call") continue;
      add(
        part.input,
        parts.find((other) => other.type === "tool-result" && other.toolCallId === part.toolCallId),
      );
    }
  } else if (format === "ui") {
    for (const part of prompt.messages.flatMap(({ parts }) => parts)) {
      if (!("state" in part)) continue;
      add(part.input, "output" in part || "errorText" in part ? part : NO_RESULT);
    }
  }
  return answers;
}

/** What each role says in a prompt: tools their results, all others their words. */
export function wordsIn({ format, prompt }: Rendered): { by: string; text: string }[] {
  if (format === "openai-chat") {
    return prompt.messages.map((message) => ({
      by: message.role === "developer" ? "system" : message.role,
      text: JSON.stringify(message.content ?? ""),
    }));
  }
  if (format === "openai-responses") {
    const system = { by: "system", text: prompt.instructions ?? "" };
    return [
      system,
      ...prompt.input.map((item) =>
        item.type === "message"
          ? { by: item.role === "developer" ? "system" : item.role, text: JSON.stringify(item.content) }
          : { by: item.type === "function_call_output" ? "tool" : "assistant", text: JSON.stringify(item) },
      ),
    ];
  }
  if (format === "anthropic") {
    const { system = "", messages } = prompt;
    const said = messages.flatMap(({ role, content }) =>
      content.map((block) => ({ by: block.type === "tool_result" ? "tool" : role, text: JSON.stringify(block) })),
    );
    return [{ by: "system", text: system }, ...said];
  }
  if (format === "ai-sdk") {
    const { system = "", messages } = prompt;
    return [
      { by: "system", text: system },
      ...messages.map(({ role, content }) => ({ by: role, text: JSON.stringify(content) })),
    ];
  }
  return [];
}

/** Every text that a model reads in a prompt, without files. */
export function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  if (typeof value !== "object" || value === null) return [];
  const type = "type" in value ? value.type : undefined;
  if (typeof type === "string" && FILES.has(type)) return [];
  return Object.entries(value).flatMap(([key, entry]) => (SILENT.has(key) ? [] : textsOf(entry)));
}

const FILES = new Set(["file", "image", "document", "image_url", "input_image", "input_file"]);
const SILENT = new Set(["type", "role", "providerExecuted"]);
