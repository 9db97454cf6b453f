import { modelMessageSchema } from "ai";
import { z } from "zod";
import type { ContextIn } from "../../src/api/context.ts";

/** What providers refuse in a prompt, according to their documentation and their error messages. Each function lists the faults that it finds. */

export function anthropicFaults({ system, messages }: Omit<ContextIn<"anthropic">, "meta">): string[] {
  const faults: string[] = [];
  if (system?.trim() === "") faults.push("system: text must not be blank");
  const used = new Set<string>();
  for (const [at, message] of messages.entries()) {
    if (message.role !== (at % 2 === 0 ? "user" : "assistant"))
      faults.push(`${at}: roles must alternate from the user`);
    if (message.content.length === 0) faults.push(`${at}: content must not be empty`);
    for (const block of message.content) {
      if (block.type === "text" && block.text.trim() === "") faults.push(`${at}: text must not be blank`);
    }
    if (message.role === "user") {
      const before = messages[at - 1];
      const asked = before?.role === "assistant" ? before.content : [];
      const ids = asked.flatMap((block) => (block.type === "tool_use" ? [block.id] : []));
      const results = message.content.flatMap((block) => (block.type === "tool_result" ? [block] : []));
      if (results.map(({ tool_use_id: id }) => id).join() !== ids.join())
        faults.push(`${at}: not one result for each call, in order`);
      const first = message.content.findIndex(({ type }) => type !== "tool_result");
      if (first >= 0 && first < results.length) faults.push(`${at}: tool_result must come first`);
      continue;
    }
    const types = message.content.map(({ type }) => type);
    const firstCall = types.indexOf("tool_use");
    if (firstCall >= 0 && types.slice(firstCall).some((type) => type !== "tool_use")) {
      faults.push(`${at}: something stands after a call`);
    }
    if (types.at(-1)?.endsWith("thinking") === true) faults.push(`${at}: the final block cannot be thinking`);
    for (const [index, block] of message.content.entries()) {
      if (block.type === "thinking" && block.signature === "") faults.push(`${at}: thinking without a signature`);
      if (block.type === "tool_use" || block.type === "server_tool_use") {
        if (!/^[a-zA-Z0-9_-]{1,64}$/.test(block.id)) faults.push(`${at}: tool_use.id: ${block.id}`);
        if (used.has(block.id)) faults.push(`${at}: tool_use ids must be unique: ${block.id}`);
        if (!/^[a-zA-Z0-9_-]{1,128}$/.test(block.name)) faults.push(`${at}: tool_use.name: ${block.name}`);
        used.add(block.id);
      }
      if (block.type === "server_tool_use" && message.content[index + 1]?.type !== "web_search_tool_result") {
        faults.push(`${at}: a search without its result`);
      }
    }
  }
  const last = messages.at(-1);
  if (last?.role === "assistant") {
    const block = last.content.at(-1);
    if (block?.type === "text" && block.text !== block.text.trimEnd())
      faults.push("final answer ends with white space");
    if (block?.type === "tool_use") faults.push("the end: a call without a result");
  }
  return faults;
}

/** With thinking on, the last message of a tool loop has to begin with its signed reasoning, if the model gave any. */
export function thinkingFaults({ messages }: Pick<ContextIn<"anthropic">, "messages">): string[] {
  const last = messages.findLast(({ role }) => role === "assistant");
  if (last === undefined) return [];
  const types = last.content.map(({ type }) => type);
  const isReasoned = types.some((type) => type.endsWith("thinking"));
  return isReasoned && types.includes("tool_use") && types[0]?.endsWith("thinking") !== true
    ? ["a final assistant message must start with a thinking block"]
    : [];
}

export function openaiChatFaults(messages: ContextIn<"openai-chat">["messages"]): string[] {
  const faults: string[] = [];
  let open: string[] = [];
  const used = new Set<string>();
  for (const [at, message] of messages.entries()) {
    if (message.role === "tool") {
      if (open.shift() !== message.tool_call_id) faults.push(`${at}: no call has this result here`);
      if (message.content.trim() === "") faults.push(`${at}: an empty message`);
      continue;
    }
    if (open.length > 0) faults.push(`${at}: calls without results: ${open.join()}`);
    open = [];
    if (message.role === "assistant") {
      open = (message.tool_calls ?? []).map(({ id }) => id);
      if (message.content === null && open.length === 0) faults.push(`${at}: neither content nor calls`);
      for (const { id, function: called } of message.tool_calls ?? []) {
        if (id === "" || id.length > 40) faults.push(`${at}: tool_calls.id: ${id}`);
        if (used.has(id)) faults.push(`${at}: an id that came before: ${id}`);
        used.add(id);
        if (!/^[a-zA-Z0-9_-]{1,64}$/.test(called.name)) faults.push(`${at}: function.name: ${called.name}`);
        const input: unknown = JSON.parse(called.arguments);
        if (typeof input !== "object" || input === null || Array.isArray(input)) faults.push(`${at}: arguments`);
      }
    }
    if (typeof message.content === "string" && message.content.trim() === "") faults.push(`${at}: an empty message`);
    if (Array.isArray(message.content) && message.content.length === 0) faults.push(`${at}: an empty message`);
  }
  if (open.length > 0) faults.push(`the end: calls without results: ${open.join()}`);
  return faults;
}

/** The chat templates of Mistral and Gemma: one system text, then alternating turns; without tools, and never a user right after a tool. */
export function strictFaults(messages: ContextIn<"openai-chat">["messages"]): string[] {
  const faults: string[] = [];
  const turns = messages[0]?.role === "system" ? messages.slice(1) : messages;
  const counted = turns.filter((turn) => turn.role !== "tool" && !(turn.role === "assistant" && turn.tool_calls));
  for (const [at, { role }] of counted.entries()) {
    if (role !== (at % 2 === 0 ? "user" : "assistant")) faults.push(`${at}: ${role} is out of turn`);
  }
  for (const [at, { role }] of turns.entries()) {
    if (role === "user" && turns[at - 1]?.role === "tool") faults.push(`${at}: a user after a tool`);
  }
  return faults;
}

export function responsesFaults(input: ContextIn<"openai-responses">["input"]): string[] {
  const faults: string[] = [];
  const open = new Set<string>();
  const called = new Set<string>();
  for (const [at, item] of input.entries()) {
    if (item.type === "function_call") {
      if (item.call_id === "" || item.call_id.length > 64) faults.push(`${at}: call_id`);
      if (called.has(item.call_id)) faults.push(`${at}: an id that came before: ${item.call_id}`);
      called.add(item.call_id);
      open.add(item.call_id);
    } else if (item.type === "function_call_output") {
      if (!open.delete(item.call_id)) faults.push(`${at}: No tool call found for function call output`);
    } else if (open.size > 0) faults.push(`${at}: No tool output found for function call`);
    if (item.type === "message" && item.content.length === 0) faults.push(`${at}: an empty message`);
    if (item.type === "reasoning") {
      const next = input[at + 1];
      const isFollowed =
        next?.type === "function_call" ||
        next?.type === "reasoning" ||
        (next?.type === "message" && next.role === "assistant");
      if (!isFollowed) faults.push(`${at}: reasoning without its following item`);
    }
  }
  if (open.size > 0) faults.push("the end: No tool output found for function call");
  return faults;
}

const MODEL_MESSAGES = z.array(modelMessageSchema);

export function aiSdkFaults({ messages }: Pick<ContextIn<"ai-sdk">, "messages">): string[] {
  const faults: string[] = [];
  const parsed = MODEL_MESSAGES.safeParse(messages);
  if (!parsed.success) faults.push(parsed.error.message);
  const used = new Set<string>();
  let open: string[] = [];
  for (const [at, message] of messages.entries()) {
    if (message.content.length === 0) faults.push(`${at}: an empty message`);
    const asked = new Map(
      messages.flatMap(({ role, content }) =>
        role !== "assistant" || typeof content === "string"
          ? []
          : content.flatMap((part) =>
              part.type === "tool-approval-request" ? [[part.approvalId, part.toolCallId] as const] : [],
            ),
      ),
    );
    const answered =
      message.role === "tool"
        ? message.content.map((part) =>
            part.type === "tool-result" ? part.toolCallId : (asked.get(part.approvalId) ?? "unknown"),
          )
        : [];
    if (answered.join("\n") !== open.join("\n")) faults.push(`${at}: not one result for each call, in order`);
    open = [];
    if (message.role !== "assistant" || typeof message.content === "string") continue;
    if (message.content.at(-1)?.type === "reasoning") faults.push(`${at}: ends with reasoning`);
    const own = new Set(message.content.flatMap((part) => (part.type === "tool-result" ? [part.toolCallId] : [])));
    for (const part of message.content) {
      if (part.type !== "tool-call") continue;
      if (part.toolCallId === "" || used.has(part.toolCallId)) faults.push(`${at}: an id that came before`);
      used.add(part.toolCallId);
      if (part.providerExecuted === true) {
        if (!own.has(part.toolCallId)) faults.push(`${at}: a provider's call without its result`);
      } else open.push(part.toolCallId);
    }
  }
  if (open.length > 0) faults.push("the end: calls without results");
  return faults;
}
