// Mastra's memory, set up for a chat as its documentation says: the last messages of a thread, and nothing that calls a model.
import { randomUUID } from "node:crypto";
import path from "node:path";
import { LibSQLStore } from "@mastra/libsql";
import { Memory } from "@mastra/memory";
import { PostgresStore } from "@mastra/pg";
import type { Turn } from "../talk.ts";
import { type OpenedPeer, type Peer, RECENT, type Size, type Surroundings } from "./peer.ts";
import { sizeOfDatabase, sizeOfSqlite } from "./sizes.ts";

const RESOURCE = "user-1";
/** Messages saved at once, so that a past of thousands of messages is not a single statement. */
const BATCH = 500;

export async function openMastraLibsql({ makeFolder }: Surroundings): Promise<OpenedPeer> {
  const folder = makeFolder("mastra");
  const storage = new LibSQLStore({ id: "peer", url: `file:${path.join(folder, "mastra.db")}` });
  await storage.init();
  const memory = new Memory({ storage, options: { lastMessages: RECENT } });
  const close = async (): Promise<void> => storage.close();
  return {
    peer: describe(
      "Mastra memory, libsql",
      { where: "in the process, a file", keeps: "all up to the last checkpoint (WAL, synchronous = NORMAL)" },
      memory,
      async () => sizeOfSqlite(folder),
      close,
    ),
  };
}

export async function openMastraPostgres({ makeDatabase }: Surroundings): Promise<OpenedPeer> {
  const url = await makeDatabase("mastra");
  const storage = new PostgresStore({ id: "peer", connectionString: url });
  await storage.init();
  const memory = new Memory({ storage, options: { lastMessages: RECENT } });
  return {
    peer: describe(
      "Mastra memory, PostgreSQL",
      { where: "Node, over loopback", keeps: "all (fsync)" },
      memory,
      () => sizeOfDatabase(url),
      () => storage.close(),
    ),
  };
}

function describe(
  name: string,
  { where, keeps }: Pick<Peer, "where" | "keeps">,
  memory: Memory,
  size: () => Promise<Size>,
  close: () => Promise<void>,
): Peer {
  return {
    name,
    where,
    gives: `the last ${RECENT} messages`,
    keeps,
    async converse(id) {
      const now = new Date();
      await memory.saveThread({ thread: { id, resourceId: RESOURCE, title: id, createdAt: now, updatedAt: now } });
      // Messages are sorted by their time, so no two may have the same millisecond.
      let at = Date.now() - 100_000_000;
      const save = (turns: readonly Turn[]): Promise<unknown> =>
        memory.saveMessages({
          messages: turns.map(({ role, content }) => ({
            id: randomUUID(),
            role,
            createdAt: new Date((at += 1)),
            threadId: id,
            resourceId: RESOURCE,
            content: { format: 2 as const, parts: [{ type: "text" as const, text: content }] },
          })),
        });
      return {
        async fill(turns) {
          for (let from = 0; from < turns.length; from += BATCH) await save(turns.slice(from, from + BATCH));
        },
        append: async (turn) => void (await save([turn])),
        next: async () => (await memory.recall({ threadId: id, resourceId: RESOURCE })).messages.length,
        size,
      };
    },
    close,
  };
}
