import { setTimeout as sleep } from "node:timers/promises";
import type { NewMessage } from "../../src/api/message.ts";
import { type SearchResult, searchResultSchema } from "../../src/api/search.ts";
import { sessionStateSchema } from "../../src/api/session.ts";
import type { Conversation, Recaller } from "./retrieval.ts";
import { send, type ServiceAddress } from "./service-calls.ts";

/** Chats append a turn together with its answer. The size of a batch decides when summaries are made, and so what they keep. */
const MESSAGES_PER_APPEND = 2;
const POLL_MS = 20;
const MAX_ATTEMPTS = 50;

export type Retrieval = SearchResult["retrieval"];

async function awaitSummary(service: ServiceAddress, session: string): Promise<void> {
  while (sessionStateSchema.parse(await send(service, "GET", session)).summaryPending) await sleep(POLL_MS);
}

/** With embeddings it waits until the messages have vectors. */
async function awaitVectors(service: ServiceAddress, session: string): Promise<void> {
  while (sessionStateSchema.parse(await send(service, "GET", session)).vectorsPending === true) await sleep(POLL_MS);
}

/** What the running service retrieves, through its public API alone: messages are appended, and questions are asked by `POST …/search`. */
export function serviceRecaller(
  service: ServiceAddress,
  name = "threadkeep, over HTTP",
  tally: (retrieval: Retrieval) => void = () => undefined,
): Recaller {
  return {
    name,
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
        // The items of the summary take part in retrieval.
        await awaitSummary(service, session);
      }
      await awaitVectors(service, session);
      return async (question, limit) => {
        for (let attempt = 1; ; attempt += 1) {
          const { data, retrieval } = searchResultSchema.parse(
            await send(service, "POST", `${session}/search`, { query: question, limit }),
          );
          // A vector that comes too late is remembered, so the question is asked again. Otherwise a busy machine would measure itself.
          const isLate = retrieval?.because === "late" && attempt < MAX_ATTEMPTS;
          if (!isLate) {
            tally(retrieval);
            return data.map(({ message }) => message.seq);
          }
          await sleep(POLL_MS);
        }
      };
    },
  };
}
