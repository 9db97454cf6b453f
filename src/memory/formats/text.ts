import { guardName } from "../guarded-text.ts";
import { guardedMessageText } from "../message-text.ts";
import { shortenFiles } from "./files.ts";
import type { Opening } from "./opening.ts";
import type { ContextMessage } from "./turns.ts";

/**
 * One text for models without a chat format, a line of role and author before each message.
 * @param retrieved the earlier messages as they are rendered; null if there are none
 */
export function toText(messages: readonly ContextMessage[], retrieved: string | null, { summary }: Opening): string {
  const lines = messages.map((message) => {
    const author = message.author === undefined ? "" : ` ${guardName(message.author)}`;
    return `[${message.role}${author}] ${guardedMessageText(shortenFiles(message.content))}`;
  });
  const opening = summary === null ? [] : [summary];
  const closing = retrieved === null ? [] : [`[user] ${retrieved}`];
  return [...opening, ...lines, ...closing].join("\n\n");
}
