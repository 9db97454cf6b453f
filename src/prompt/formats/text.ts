import { guardName } from "../guarded-text.ts";
import { guardedMessageText } from "../message-text.ts";
import { shortenFiles } from "./files.ts";
import type { Opening } from "./opening.ts";
import type { ContextMessage } from "./turns.ts";

/**
 * Renders a prompt for models without a chat format: the summary, then each message after a heading with its role and
 * author.
 */
export function toTexts(messages: readonly ContextMessage[], { summary }: Opening): string[] {
  const lines = messages.map((message) => {
    const author = message.author === undefined ? "" : ` ${guardName(message.author)}`;
    // Retrieved messages contain our own tags, and each of their lines is guarded already.
    const text = message.id === RETRIEVED_ID ? message.content : guardedMessageText(shortenFiles(message.content));
    return `[${message.role}${author}] ${text}`;
  });
  return [...(summary === null ? [] : [summary]), ...lines];
}

export function joinTexts(texts: readonly string[]): string {
  return texts.join("\n\n");
}

/**
 * The id of the message that contains the retrieved messages. No client can use it, because client ids may not contain
 * a slash.
 */
export const RETRIEVED_ID = "threadkeep/retrieved";
