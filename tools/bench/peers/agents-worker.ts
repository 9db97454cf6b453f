import { Lifecycle } from "agents/lifecycle";
import { Sessions } from "agents/sessions";
// The sessions of Cloudflare's agents SDK behind a Worker that does the least possible: it checks a key and calls one object.
import { DurableObject } from "cloudflare:workers";

interface Env {
  readonly KEY: string;
  readonly CONVERSATION: DurableObjectNamespace<Conversation>;
}

interface Said {
  readonly role: "user" | "assistant";
  readonly content: string;
}

/** About what a context of Threadkeep holds by default: 16,000 tokens. */
const RECENT_BYTES = 64 * 1024;

export class Conversation extends DurableObject<Env> {
  readonly sessions = new Sessions();
  readonly lifecycle = Lifecycle.install(this).use(this.sessions);
  readonly session = this.sessions.session();

  async append(messages: readonly Said[]): Promise<number> {
    for (const { role, content } of messages) {
      await this.session.appendMessage({ id: crypto.randomUUID(), role, parts: [{ type: "text", text: content }] });
    }
    return messages.length;
  }

  async recent(): Promise<unknown> {
    const { messages } = await this.session.getRecentHistory(RECENT_BYTES);
    return messages;
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const shown = new TextEncoder().encode(request.headers.get("Authorization") ?? "");
    const wanted = new TextEncoder().encode(`Bearer ${env.KEY}`);
    if (shown.byteLength !== wanted.byteLength || !crypto.subtle.timingSafeEqual(shown, wanted)) {
      return new Response(null, { status: 401 });
    }
    const id = new URL(request.url).pathname.slice(1);
    const object = env.CONVERSATION.get(env.CONVERSATION.idFromName(id));
    if (request.method === "POST") {
      const { messages } = await request.json<{ messages: readonly Said[] }>();
      return Response.json({ appended: await object.append(messages) });
    }
    return Response.json({ messages: await object.recent() });
  },
} satisfies ExportedHandler<Env>;
