/** A chat back end as a Worker: `POST /chats/ID {"user", "text"}`. Its memory is Threadkeep, by RPC: no URL, no key. */

import type { ThreadkeepBinding } from "threadkeep-client";

interface Env {
  readonly MEMORY: ThreadkeepBinding;
}

interface Turn {
  readonly user: string;
  readonly text: string;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const sessionId = /^\/chats\/([\w.:-]+)$/.exec(new URL(request.url).pathname)?.[1];
    if (request.method !== "POST" || sessionId === undefined) {
      return new Response('POST /chats/ID {"user": "ada", "text": "Hello"}\n', { status: 404 });
    }
    const { user, text }: Turn = JSON.parse(await request.text());
    try {
      const question = { id: crypto.randomUUID(), role: "user" as const, content: text };
      await env.MEMORY.append(sessionId, { messages: [question] }, { user });
      const { messages } = await env.MEMORY.context(sessionId, { format: "openai-chat", query: "auto" }, { user });
      const answer = await complete(messages);
      const reply = { id: crypto.randomUUID(), role: "assistant" as const, content: answer };
      await env.MEMORY.append(sessionId, { messages: [reply] }, { user });
      return Response.json({ answer, remembered: messages.length });
    } catch (error) {
      // The fields of a ThreadkeepError cross from Worker to Worker; its class does not.
      const { code = "internal", detail = "The chat failed.", status = 500 } = { ...(error as object) } as Refusal;
      return Response.json({ code, detail }, { status });
    }
  },
};

interface Refusal {
  readonly code?: string;
  readonly detail?: string;
  readonly status?: number;
}

/** Call your model here, for example `env.AI.run(model, { messages })`. This example needs none. */
async function complete(messages: readonly { readonly role: string }[]): Promise<string> {
  const questions = messages.filter(({ role }) => role === "user").length;
  return `That is question ${questions} that I have in mind.`;
}
