import { nameFiles } from "./files.ts";
import type { Opening } from "./opening.ts";
import type { ContextMessage } from "./turns.ts";

/** One text for models without a chat format, a line of role and author before each message. */
export function toText(messages: readonly ContextMessage[], { summary }: Opening): string {
  const lines = messages.map((message) => {
    const author = message.author === undefined ? "" : ` ${message.author}`;
    return `[${message.role}${author}] ${nameFiles(message.content)}`;
  });
  return [...(summary === null ? [] : [summary]), ...lines].join("\n\n");
}
