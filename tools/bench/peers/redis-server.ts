// A Redis of this run's own, where the machine has one.
import { spawn, spawnSync } from "node:child_process";
import { findFreePort, isPortFree, LOOPBACK } from "../../../scripts/dev/ports.ts";

const READY_MS = 10_000;
const POLL_MS = 20;

export interface RedisServer {
  readonly url: string;
  readonly version: string;
  stop(): Promise<void>;
}

/** Null: there is no redis-server on the PATH. */
export async function startRedis(folder: string): Promise<RedisServer | null> {
  const found = spawnSync("redis-server", ["--version"], { encoding: "utf8" });
  if (found.status !== 0) return null;
  const port = await findFreePort();
  // As a memory would be kept: in a log that is flushed every second, which is what Redis recommends for it.
  const settings = ["--port", String(port), "--bind", LOOPBACK, "--dir", folder, "--appendonly", "yes", "--save", ""];
  const child = spawn("redis-server", settings, { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for (const deadline = Date.now() + READY_MS; await isPortFree(port);) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error("redis-server did not come up");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return {
    url: `redis://${LOOPBACK}:${port}`,
    version: /v=(\S+)/.exec(found.stdout)?.[1] ?? "unknown",
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
