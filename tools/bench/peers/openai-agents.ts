// The session of the OpenAI Agents SDK that keeps everything in the memory of its process.
import { type AgentInputItem, MemorySession } from "@openai/agents-core";
import type { Turn } from "../talk.ts";
import { type OpenedPeer, RECENT } from "./peer.ts";

function toItem({ role, content }: Turn): AgentInputItem {
  return role === "user"
    ? { role, content }
    : { role, status: "completed", content: [{ type: "output_text", text: content }] };
}

export async function openOpenAiAgents(): Promise<OpenedPeer> {
  return {
    peer: {
      name: "OpenAI Agents MemorySession",
      where: "in the process",
      gives: `the last ${RECENT} items`,
      keeps: "nothing: it is gone with the process",
      async converse(id) {
        const session = new MemorySession({ sessionId: id });
        return {
          fill: (turns) => session.addItems(turns.map(toItem)),
          append: (turn) => session.addItems([toItem(turn)]),
          next: async () => (await session.getItems(RECENT)).length,
          size: async () => ({ bytes: null, rows: null }),
        };
      },
      close: async () => undefined,
    },
  };
}
