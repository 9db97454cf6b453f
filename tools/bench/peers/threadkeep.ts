// Threadkeep as it would be deployed: one request appends a message, another reads the context.
import path from "node:path";
import { startService } from "../../../scripts/dev/service.ts";
import { BenchClient } from "../client.ts";
import { BenchSessions } from "../sessions.ts";
import type { OpenedPeer, Surroundings } from "./peer.ts";
import { sizeOfSqlite } from "./sizes.ts";

export async function openThreadkeep({
  bundleDir,
  makeFolder,
  makeDatabase,
  signal,
}: Surroundings): Promise<OpenedPeer> {
  const stateDir = makeFolder("threadkeep");
  const databaseUrl = await makeDatabase("threadkeep_peer");
  const service = await startService({ stateDir, bundleDir, databaseUrl, signal });
  const client = new BenchClient(service, 1);
  const sessions = new BenchSessions(client, "peer", signal);
  return {
    peer: {
      name: "Threadkeep",
      where: "workerd, over HTTP",
      gives: "16,000 tokens: a summary, and the messages since",
      keeps: "all",
      async converse(id) {
        return {
          async fill(turns) {
            const left = [...turns];
            await sessions.fill(id, turns.length, () => left.shift() ?? { role: "user", content: "" });
            // The summaries that the past makes due are not timed.
            await sessions.settle(id);
          },
          append: async (turn) => void (await sessions.append(id, turn)),
          async next() {
            const { body } = await sessions.context(id);
            const { messages }: { messages: unknown[] } = JSON.parse(body.toString("utf8"));
            return messages.length;
          },
          size: async () => sizeOfSqlite(path.join(stateDir, "state"), "ChatSession"),
        };
      },
      async close() {
        client.close();
        await service.stop();
      },
    },
  };
}
