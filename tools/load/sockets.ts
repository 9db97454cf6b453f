// An open socket for each chat, and a record of what it received.
import { Follower } from "../live/follower.ts";
import type { Chat } from "./chat.ts";
import { side } from "./read-back.ts";

export interface ChatSockets {
  /** Closes the sockets, and returns what they should have received and did not. */
  close(): string[];
}

export async function openSockets(
  chats: readonly Chat[],
  signal: AbortSignal,
  onProgress: (text: string) => void,
): Promise<ChatSockets> {
  const followers = new Map<Chat, { readonly follower: Follower; readonly before: number; told: number }>();
  let opened = 0;
  await side(chats, async (chat) => {
    signal.throwIfAborted();
    // A message has content; the event of a summary does not.
    const onEvent = (content: unknown): void => void (entry.told += content === undefined ? 0 : 1);
    const entry = { follower: new Follower(onEvent, true), before: chat.acknowledged, told: 0 };
    followers.set(chat, entry);
    const { url, apiKey } = chat.access;
    const isOpen = await entry.follower.connect({ url, apiKey, session: chat.id, user: chat.user });
    if (!isOpen) entry.follower.fault ??= "was not opened";
    opened += 1;
    if (opened % 100 === 0) onProgress(`opening sockets: ${opened.toLocaleString("en")} of ${chats.length}`);
  });
  return {
    close: () =>
      [...followers].flatMap(([{ id, acknowledged }, { follower, before, told }]) => {
        const isOpen = follower.isConnected;
        follower.drop();
        if (follower.fault !== null) return [`${id}: ${follower.fault}`];
        if (!isOpen) return [`${id}: the socket was closed early`];
        // A message that was sent but not answered may be there, too.
        return told >= acknowledged - before ? [] : [`${id}: ${told} events of ${acknowledged - before} messages`];
      }),
  };
}
