// Starts a Redis for this run, if redis-server is installed.
import { spawn, spawnSync } from "node:child_process";
import { findFreePort, isPortFree, LOOPBACK } from "../../../scripts/dev/ports.ts";

const READY_MS = 10_000;
const POLL_MS = 20;

export interface RedisServer {
  readonly url: string;
  readonly version: string;
  stop(): Promise<void>;
}

/** Null if redis-server is not on the PATH. */
export async function startRedis(folder: string): Promise<RedisServer | null> {
  const found = spawnSync("redis-server", ["--version"], { encoding: "utf8" });
  if (found.status !== 0) return null;
  const port = await findFreePort();
  // The append-only file is flushed every second, which Redis recommends for data that has to be kept.
  const settings = ["--port", String(port), "--bind", LOOPBACK, "--dir", folder, "--appendonly", "yes", "--save", ""];
  const child = spawn("redis-server", settings, { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for (const deadline = Date.now() + READY_MS; await isPortFree(port);) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error("redis-server did not start");
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
