import type { AppendRequest, IncomingAppend } from "../api/append.ts";
import { type FieldFault, ThreadkeepError } from "../api/errors.ts";
import { MAX_ID_LENGTH, MAX_PARTS_PER_MESSAGE, MAX_REPORTED_FAULTS } from "../api/limits.ts";
import type { Content } from "../api/message.ts";
import { fromAiSdk } from "./incoming/ai-sdk.ts";
import { fromAnthropic, RESULTS_ID_SUFFIX } from "./incoming/anthropic.ts";
import { fromOpenaiChat } from "./incoming/openai-chat.ts";
import type { TakenMessages } from "./incoming/taken.ts";

/** An append in our own message format, and the place of each of its messages in the request body. */
export interface TakenAppend {
  readonly request: AppendRequest;
  readonly placed: readonly TakenMessages[];
}

/** Converts an append from the caller's message format into ours. */
export function takeIn(incoming: IncomingAppend): TakenAppend {
  const { format: _format, messages: _messages, ...rest } = incoming;
  const placed = takenMessages(incoming);
  if (incoming.format !== undefined && incoming.format !== "threadkeep") refuseMisfits(placed);
  return { request: { ...rest, messages: placed.map(({ message }) => message) }, placed };
}

function takenMessages(incoming: IncomingAppend): TakenMessages[] {
  const path = (index: number): string => `/messages/${index}`;
  switch (incoming.format) {
    case "openai-chat":
      return incoming.messages.map((message, index) => fromOpenaiChat(message, path(index)));
    case "anthropic":
      return incoming.messages.flatMap((message, index) => fromAnthropic(message, path(index)));
    case "ai-sdk":
      return incoming.messages.map((message, index) => fromAiSdk(message, path(index)));
    default:
      return incoming.messages.map((message, index) => ({ message, path: path(index), partPaths: null }));
  }
}

/**
 * Checks rules that the caller's format cannot check, because they concern several fields or only arise in the
 * conversion.
 * Throws a `ThreadkeepError` with code `validation_failed`.
 */
function refuseMisfits(placed: readonly TakenMessages[]): void {
  const seen = new Set<string>();
  const errors = placed.flatMap(({ message: { id, content }, path }) => {
    const faults: FieldFault[] = [];
    if (content.length > MAX_PARTS_PER_MESSAGE && typeof content !== "string") {
      const detail = `comes to ${content.length} parts, and a message has at most ${MAX_PARTS_PER_MESSAGE}`;
      faults.push({ path, detail });
    }
    if (id === undefined) return faults;
    if (id.length > MAX_ID_LENGTH) {
      const most = MAX_ID_LENGTH - RESULTS_ID_SUFFIX.length;
      const detail = `must have at most ${most} characters here: the tools' results become a message of their own, named after it`;
      faults.push({ path: `${path}/id`, detail });
    }
    if (seen.has(id)) faults.push({ path: `${path}/id`, detail: "names the results of another message of this batch" });
    seen.add(id);
    return faults;
  });
  const [first] = errors;
  if (first === undefined) return;
  throw new ThreadkeepError({
    code: "validation_failed",
    detail: `${first.path} ${first.detail}. Nothing was changed; mend the request and send it again.`,
    errors: errors.slice(0, MAX_REPORTED_FAULTS),
  });
}

/** The contents with their JSON paths, for errors about messages that are too large. */
export function contentsOf(placed: readonly TakenMessages[]): { path: string; content: Content }[] {
  return placed.map(({ message: { content }, path, partPaths }) => ({
    path: partPaths === null ? `${path}/content` : path,
    content,
  }));
}
