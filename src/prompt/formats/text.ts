import { guardName } from "../guarded-text.ts";
import { guardedMessageText } from "../message-text.ts";
import { shortenFiles } from "./files.ts";
import type { Opening } from "./opening.ts";
import type { ContextMessage } from "./turns.ts";

/** For models without a chat format: the summary, and each message after a line of role and author. */
export function toTexts(messages: readonly ContextMessage[], { summary }: Opening): string[] {
  const lines = messages.map((message) => {
    const author = message.author === undefined ? "" : ` ${guardName(message.author)}`;
    // What the query brought back has tags of ours, and is guarded line by line.
    const text = message.id === RETRIEVED_ID ? message.content : guardedMessageText(shortenFiles(message.content));
    return `[${message.role}${author}] ${text}`;
  });
  return [...(summary === null ? [] : [summary]), ...lines];
}

export function joinTexts(texts: readonly string[]): string {
  return texts.join("\n\n");
}

/** The id of the message that what a query brought back is. No client can have it. */
export const RETRIEVED_ID = "threadkeep/retrieved";
