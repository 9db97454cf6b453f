// What waking an object costs at the least: a Worker that checks a key and calls an object with one table, in the same runtime.
import { randomBytes } from "node:crypto";
import { listDescendants, readCommandLine } from "../../scripts/dev/processes.ts";
import { startPlainWorker } from "../rig/plain-worker.ts";
import type { Target } from "./client.ts";

/** It does what every request must: it checks the key, finds the object by its name, and reads or writes the one table. */
const WORKER = `
import { DurableObject } from "cloudflare:workers";

export class Bare extends DurableObject {
  append(messages) {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS messages (seq INTEGER PRIMARY KEY, content TEXT NOT NULL)");
    for (const message of messages) sql.exec("INSERT INTO messages (content) VALUES (?)", JSON.stringify(message));
  }

  read() {
    return this.ctx.storage.sql.exec("SELECT content FROM messages ORDER BY seq").toArray();
  }
}

const encoder = new TextEncoder();

export default {
  async fetch(request, env) {
    const given = encoder.encode(request.headers.get("Authorization") ?? "");
    const wanted = encoder.encode("Bearer " + env.KEY);
    if (given.byteLength !== wanted.byteLength || !crypto.subtle.timingSafeEqual(given, wanted)) {
      return new Response(null, { status: 401 });
    }
    const object = env.BARE.getByName(new URL(request.url).pathname.slice(1));
    if (request.method === "GET") return Response.json({ messages: await object.read() });
    const { messages } = await request.json();
    await object.append(messages);
    return Response.json({ appended: messages.length });
  },
};
`;

export interface BareService extends Target {
  /** Process id of workerd; undefined where it cannot be found. */
  readonly runtimePid: number | undefined;
  stop(): Promise<void>;
}

/** @param directory where its objects are stored: a service that is started there again finds them asleep */
export async function startBareService(directory: string): Promise<BareService> {
  const apiKey = randomBytes(24).toString("base64url");
  const before = new Set(listRuntimes());
  const worker = await startPlainWorker(directory, {
    name: "bare",
    code: WORKER,
    bindings: { KEY: apiKey },
    objects: { binding: "BARE", className: "Bare" },
  });
  return {
    url: worker.url,
    apiKey,
    runtimePid: listRuntimes().find((pid) => !before.has(pid)),
    stop: () => worker.stop(),
  };
}

function listRuntimes(): number[] {
  return listDescendants(process.pid).flatMap(({ pid }) =>
    readCommandLine(pid)?.includes("workerd") === true ? [pid] : [],
  );
}
