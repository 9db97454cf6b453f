// The sessions of Cloudflare's agents SDK, in the same runtime as Threadkeep and asked in the same way.
import { randomBytes } from "node:crypto";
import { builtinModules } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { startPlainWorker } from "../../rig/plain-worker.ts";
import { BenchClient } from "../client.ts";
import type { OpenedPeer, Surroundings } from "./peer.ts";
import { sizeOfSqlite } from "./sizes.ts";

/** Messages in each request that fills the past. */
const BATCH = 100;

export async function openAgentsSessions({ makeFolder }: Surroundings): Promise<OpenedPeer> {
  const folder = makeFolder("agents");
  const apiKey = randomBytes(24).toString("base64url");
  const worker = await startPlainWorker(folder, {
    name: "agents-sessions",
    code: await bundle(),
    compatibilityFlags: ["nodejs_compat"],
    bindings: { KEY: apiKey },
    objects: { binding: "CONVERSATION", className: "Conversation" },
  });
  const client = new BenchClient({ url: worker.url, apiKey }, 1);
  return {
    peer: {
      name: "agents/sessions",
      where: "workerd, over HTTP",
      gives: "the newest 64 KiB of messages",
      keeps: "all",
      async converse(id) {
        const post = (messages: readonly unknown[]) =>
          client.send("POST", `/${id}`, JSON.stringify({ messages }), [200]);
        return {
          async fill(turns) {
            for (let from = 0; from < turns.length; from += BATCH) await post(turns.slice(from, from + BATCH));
          },
          append: async (turn) => void (await post([turn])),
          async next() {
            const { body } = await client.send("GET", `/${id}`, null, [200]);
            const { messages }: { messages: unknown[] } = JSON.parse(body.toString("utf8"));
            return messages.length;
          },
          size: async () => sizeOfSqlite(folder, "Conversation"),
        };
      },
      async close() {
        client.close();
        await worker.stop();
      },
    },
  };
}

async function bundle(): Promise<string> {
  const built = await rolldown({
    input: path.join(path.dirname(fileURLToPath(import.meta.url)), "agents-worker.ts"),
    external: [/^cloudflare:/, /^node:/, ...builtinModules],
    platform: "browser",
    resolve: { conditionNames: ["workerd", "worker", "import"] },
    logLevel: "silent",
  });
  const { output } = await built.generate({ format: "esm", codeSplitting: false });
  await built.close();
  return output[0].code;
}
