// A Redis list and nothing else: the best that any memory in Redis could do.
import { createClient } from "redis";
import { type OpenedPeer, RECENT, type Surroundings } from "./peer.ts";

export async function openPlainRedis({ redisUrl }: Surroundings): Promise<OpenedPeer> {
  const name = "plain Redis list";
  if (redisUrl === null) return { name, left: "no redis-server was found on the PATH" };
  const client = createClient({ url: redisUrl });
  await client.connect();
  return {
    peer: {
      name,
      where: "Node, over loopback",
      gives: `the last ${RECENT} messages`,
      keeps: "all but the last second (appendfsync everysec)",
      async converse(id) {
        const key = `plain:${id}`;
        return {
          async fill(turns) {
            await client.rPush(
              key,
              turns.map((turn) => JSON.stringify(turn)),
            );
          },
          async append(turn) {
            await client.rPush(key, JSON.stringify(turn));
          },
          async next() {
            const found = await client.lRange(key, -RECENT, -1);
            return found.map((text): unknown => JSON.parse(text)).length;
          },
          size: async () => ({
            bytes: Number(await client.memoryUsage(key, { SAMPLES: 0 })),
            rows: await client.lLen(key),
          }),
        };
      },
      async close() {
        client.destroy();
      },
    },
  };
}
