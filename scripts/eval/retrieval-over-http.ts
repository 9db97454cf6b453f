import type { NewMessage } from "../../src/contracts/message.ts";
import { searchResultSchema } from "../../src/contracts/search.ts";
import type { Conversation, Recaller } from "./retrieval.ts";

const MESSAGES_PER_APPEND = 100;

/** Where a running service is, and the key to it. */
export interface ServiceAddress {
  readonly url: string;
  readonly apiKey: string;
}

async function post(service: ServiceAddress, path: string, body: unknown): Promise<unknown> {
  const response = await fetch(`${service.url}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${service.apiKey}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`POST ${path} was answered ${response.status}: ${JSON.stringify(answer)}`);
  return answer;
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
        await post(service, `${session}/messages`, { messages: messages.slice(from, from + MESSAGES_PER_APPEND) });
      }
      return async (question, limit) => {
        const found = searchResultSchema.parse(await post(service, `${session}/search`, { query: question, limit }));
        return found.data.map(({ message }) => message.seq);
      };
    },
  };
}
