// Reads an agent file of Letta (`.af`): one agent or several, each with the newest messages of its chat, and memory
// blocks.
import { isoOf } from "../dates.ts";
import { asText, isRecord, READER_DEFAULTS, recordsOf, within } from "../entry.ts";
import type { Entry, Place, ReaderOptions, Turn } from "../entry.ts";
import { hashJson } from "../names.ts";
import { convertMessage } from "./openai.ts";

/** The tool with which a model that speaks only through tools addresses the person. */
const SPEAKING_TOOL = "send_message";
/** Ids that are valid only within a file: in the next file, the same message has another one. */
const FILE_ID = /^message-\d{1,9}$/;

export function* readLetta(value: unknown, place: Place, options: ReaderOptions = READER_DEFAULTS): Generator<Entry> {
  if (!isRecord(value)) {
    yield { kind: "bad", place, reason: "is not an object" };
    return;
  }
  // Older files contain a single agent.
  const agents = Array.isArray(value["agents"]) ? recordsOf(value["agents"]) : [value];
  const blocks = recordsOf(value["blocks"]);
  if (agents.length === 0) yield { kind: "bad", place, reason: "has no agent" };
  for (const [index, agent] of agents.entries()) {
    yield* readAgent(agent, blocks, within(place, `agent ${index + 1}`), options);
  }
  for (const name of ["files", "sources", "groups", "mcp_servers", "skills"]) {
    for (const _ of recordsOf(value[name])) yield { kind: "noted", place, form: `${name} of Letta, left out` };
  }
  for (const _ of recordsOf(value["tools"])) yield { kind: "skipped", reason: "tool of an agent" };
}

function* readAgent(
  agent: Record<string, unknown>,
  blocks: readonly Record<string, unknown>[],
  place: Place,
  options: ReaderOptions,
): Generator<Entry> {
  const name = asText(agent["name"]) ?? asText(agent["id"]) ?? "agent";
  // An agent's id is only its number in the file, so its properties distinguish agents of the same name.
  const session = `${name}.${hashJson([name, agent["agent_type"], agent["system"]], 10)}`;
  const messages = recordsOf(agent["messages"]);
  const dates = messages.flatMap((message) => isoOf(message["created_at"]) ?? []);
  yield {
    kind: "session",
    session,
    place,
    metadata: { source: "letta", title: name.slice(0, 500).toWellFormed() },
    createdAt: dates.toSorted()[0],
  };
  yield* readBlocks(agent, blocks, session, place, options);
  const isInTime = dates.length === messages.length;
  const at = (message: Record<string, unknown>): number => Date.parse(isoOf(message["created_at"]) ?? "");
  const toolNames = new Map<string, string>();
  const spoken = new Set<string>();
  const sorted = isInTime ? messages.toSorted((one, other) => at(one) - at(other)) : messages;
  for (const [index, message] of sorted.entries()) {
    const where = within(place, `message ${(asText(message["id"]) ?? String(index + 1)).slice(0, 80)}`);
    yield* readMessage(message, { session, place: where, index, toolNames, spoken });
  }
  yield { kind: "end", session };
}

function* readBlocks(
  agent: Record<string, unknown>,
  blocks: readonly Record<string, unknown>[],
  session: string,
  place: Place,
  { instructions }: ReaderOptions,
): Generator<Entry> {
  const ids = new Set(Array.isArray(agent["block_ids"]) ? agent["block_ids"] : []);
  const own = [...recordsOf(agent["core_memory"]), ...blocks.filter((block) => ids.has(block["id"]))];
  for (const block of own) {
    const text = asText(block["value"]);
    const label = (asText(block["label"]) ?? "memory").slice(0, 80);
    if (text === undefined) continue;
    if (instructions === "leave") {
      yield { kind: "skipped", reason: "block of an agent's memory" };
      continue;
    }
    const content = `Memory of the agent, ${label}:\n${text.trim()}`;
    const turn = { id: `block.${label}`, role: "user", content, pinned: true, isDivisible: true };
    yield { kind: "message", session, place, turn };
  }
}

interface Reading {
  readonly session: string;
  readonly place: Place;
  readonly index: number;
  readonly toolNames: Map<string, string>;
  /** Calls with which something was said to the person; their results are of no interest. */
  readonly spoken: Set<string>;
}

function* readMessage(
  message: Record<string, unknown>,
  { session, place, index, toolNames, spoken }: Reading,
): Generator<Entry> {
  const { role } = message;
  if (role === "system") return yield { kind: "skipped", reason: "system prompt of an agent" };
  if (role === "approval") return yield { kind: "skipped", reason: "approval of a tool" };
  const callId = asText(message["tool_call_id"]);
  if (role === "tool" && callId !== undefined && spoken.has(callId)) {
    return yield { kind: "skipped", reason: "receipt of what was said" };
  }
  const reasoning: string[] = [];
  const content = contentOf(message, reasoning);
  const event = role === "user" && typeof content === "string" ? eventOf(content) : null;
  if (event !== null && event.message === undefined) {
    return yield { kind: "skipped", reason: `event of Letta (${event.type})` };
  }
  const [said, calls] = saidByTool(message, spoken);
  // If an agent speaks through tools, other text that it writes is its reasoning.
  if (said.length > 0 && typeof content === "string" && content.trim() !== "") reasoning.push(content);
  const converted = convertMessage(
    {
      ...message,
      content: said.length > 0 ? said.join("\n") : (event?.message ?? (role === "tool" ? resultOf(content) : content)),
      tool_calls: calls,
      name: undefined,
      ...(reasoning.length > 0 ? { reasoning: reasoning.join("\n") } : {}),
    },
    toolNames,
    index,
  );
  if (converted === null) return yield { kind: "skipped", reason: "empty turn" };
  if (typeof converted === "string") return yield { kind: "bad", place, reason: converted };
  for (const reason of converted.lost) yield { kind: "warning", place, reason };
  const id = asText(message["id"]);
  const occurredAt = isoOf(message["created_at"]);
  const turn: Turn = {
    ...converted.turn,
    id: id === undefined || FILE_ID.test(id) ? undefined : id,
    isDivisible: true,
    ...(occurredAt === undefined ? {} : { occurredAt }),
  };
  yield { kind: "message", session, place, turn };
}

/** Text as text, reasoning separately; other blocks as they are. */
function contentOf(message: Record<string, unknown>, reasoning: string[]): unknown {
  const content = message["content"] ?? message["text"];
  if (!Array.isArray(content)) return content;
  const left = content.filter((block) => {
    if (!isRecord(block)) return true;
    const type = String(block["type"]);
    const text = asText(block["reasoning"]);
    if (text !== undefined) reasoning.push(text);
    return !type.includes("reasoning") && type !== "tool_call" && type !== "summarized_reasoning";
  });
  const texts = left.map((block) => (isRecord(block) && block["type"] === "text" ? block["text"] : null));
  if (!texts.every((text) => typeof text === "string")) return left;
  return texts.every((text) => text.trim() === "") ? null : texts.join("\n");
}

/** A person's text is wrapped in JSON, as are messages of the server in the person's role. */
function eventOf(text: string): { readonly type: string; readonly message: string | undefined } | null {
  const value = parsed(text);
  const type = isRecord(value) ? asText(value["type"]) : undefined;
  if (!isRecord(value) || type === undefined || !("time" in value)) return null;
  return { type: type.slice(0, 40), message: type === "user_message" ? asText(value["message"]) : undefined };
}

/** A result is wrapped with its status and time. */
function resultOf(content: unknown): unknown {
  const value = typeof content === "string" ? parsed(content) : null;
  return isRecord(value) && "status" in value && typeof value["message"] === "string" ? value["message"] : content;
}

/** The text said with the tool for speaking, and the other calls. */
function saidByTool(message: Record<string, unknown>, spoken: Set<string>): [string[], Record<string, unknown>[]] {
  const said: string[] = [];
  const calls: Record<string, unknown>[] = [];
  for (const call of recordsOf(message["tool_calls"])) {
    const target = isRecord(call["function"]) ? call["function"] : {};
    const input = parsed(typeof target["arguments"] === "string" ? target["arguments"] : "");
    const words = target["name"] === SPEAKING_TOOL && isRecord(input) ? asText(input["message"]) : undefined;
    if (words === undefined) {
      calls.push(call);
      continue;
    }
    said.push(words);
    const id = asText(call["id"]);
    if (id !== undefined) spoken.add(id);
  }
  return [said, calls];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
