import { setTimeout as sleep } from "node:timers/promises";
import type { NewMessage } from "../../src/contracts/message.ts";
import { searchResultSchema } from "../../src/contracts/search.ts";
import { sessionStateSchema } from "../../src/contracts/session.ts";
import type { Conversation, Recaller } from "./retrieval.ts";
import { send, type ServiceAddress } from "./service-calls.ts";

/** A turn and its answer, as a chat appends them: when a summary is made decides what it keeps. */
const MESSAGES_PER_APPEND = 2;
const POLL_MS = 20;

async function awaitSummary(service: ServiceAddress, session: string): Promise<void> {
  while (sessionStateSchema.parse(await send(service, "GET", session)).summaryPending) await sleep(POLL_MS);
}

/** What the running service recalls, through its public API alone: appended as messages, asked by `POST …/search`. */
export function serviceRecaller(service: ServiceAddress): Recaller {
  return {
    name: "threadkeep, over HTTP",
    async load(conversation: Conversation) {
      const session = `/v1/sessions/eval-${crypto.randomUUID()}`;
      const messages = conversation.turns.map(({ role, author, content, occurredAtMs }): NewMessage => ({
        role,
        content,
        ...(author === null ? {} : { author }),
        ...(occurredAtMs === null ? {} : { occurredAt: new Date(occurredAtMs).toISOString() }),
      }));
      for (let from = 0; from < messages.length; from += MESSAGES_PER_APPEND) {
        const batch = messages.slice(from, from + MESSAGES_PER_APPEND);
        await send(service, "POST", `${session}/messages`, { messages: batch });
        // What the summary keeps counts as well.
        await awaitSummary(service, session);
      }
      return async (question, limit) => {
        const found = searchResultSchema.parse(
          await send(service, "POST", `${session}/search`, { query: question, limit }),
        );
        return found.data.map(({ message }) => message.seq);
      };
    },
  };
}
