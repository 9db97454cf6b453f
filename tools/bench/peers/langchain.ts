import { RedisChatMessageHistory } from "@langchain/community/stores/message/ioredis";
import { PostgresChatMessageHistory } from "@langchain/community/stores/message/postgres";
// LangChain's chat message histories, in PostgreSQL and in Redis.
import type { BaseListChatMessageHistory } from "@langchain/core/chat_history";
import { Redis } from "ioredis";
import pg from "pg";
import type { Turn } from "../talk.ts";
import { toLangChain } from "./langgraph.ts";
import type { Conversation, OpenedPeer, Size, Surroundings } from "./peer.ts";
import { sizeOfDatabase } from "./sizes.ts";

const GIVES = "all messages: a history has no window";

export async function openLangChainPostgres({ makeDatabase }: Surroundings): Promise<OpenedPeer> {
  const url = await makeDatabase("langchain");
  const pool = new pg.Pool({ connectionString: url });
  return {
    peer: {
      name: "LangChain history, PostgreSQL",
      where: "Node, over loopback",
      gives: GIVES,
      keeps: "all (fsync)",
      converse: async (sessionId) =>
        converse(new PostgresChatMessageHistory({ sessionId, pool, tableName: "history" }), () => sizeOfDatabase(url)),
      close: () => pool.end(),
    },
  };
}

export async function openLangChainRedis({ redisUrl }: Surroundings): Promise<OpenedPeer> {
  const name = "LangChain history, Redis";
  if (redisUrl === null) return { name, left: "no redis-server was found on the PATH" };
  const client = new Redis(redisUrl);
  return {
    peer: {
      name,
      where: "Node, over loopback",
      gives: GIVES,
      keeps: "all but the last second (appendfsync everysec)",
      converse: async (sessionId) =>
        converse(new RedisChatMessageHistory({ sessionId, client }), async () => ({
          bytes: Number((await client.call("MEMORY", "USAGE", sessionId, "SAMPLES", "0")) ?? 0),
          rows: await client.llen(sessionId),
        })),
      async close() {
        client.disconnect();
      },
    },
  };
}

function converse(history: BaseListChatMessageHistory, size: () => Promise<Size>): Conversation {
  return {
    async fill(turns: readonly Turn[]) {
      for (const turn of turns) await history.addMessage(toLangChain(turn));
    },
    append: (turn) => history.addMessage(toLangChain(turn)),
    next: async () => (await history.getMessages()).length,
    size,
  };
}
