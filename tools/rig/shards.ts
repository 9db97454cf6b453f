// Several services side by side, each in a workerd of its own, on one PostgreSQL. A session lives in one of them, told by its name: the
// platform places each object by its name, too.
import { createHash } from "node:crypto";
import path from "node:path";
import { makeFolder } from "../../scripts/dev/folders.ts";
import { type Service, startService } from "../../scripts/dev/service.ts";

export interface ShardsOptions {
  /** For these services alone. */
  readonly directory: string;
  /** Made by `bundleWorker`. */
  readonly bundleDir: string;
  readonly count: number;
  /** As its owner, and as the Worker's role. */
  readonly databaseUrl: string;
  readonly workerDatabaseUrl: string;
  /** Variables for the Workers, over those of wrangler.toml. */
  readonly env: Record<string, string>;
  readonly signal: AbortSignal;
}

export interface Shards {
  readonly services: readonly Service[];
  /** Resolves with the reason when one of them is down and will not come back. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

export async function startShards(options: ShardsOptions): Promise<Shards> {
  const { directory, bundleDir, count, databaseUrl, workerDatabaseUrl, env, signal } = options;
  const starting = Array.from({ length: count }, (_, index) => {
    const stateDir = path.join(directory, `shard-${index}`);
    makeFolder(stateDir);
    return startService({ stateDir, bundleDir, databaseUrl, workerDatabaseUrl, env, signal });
  });
  const begun = await Promise.allSettled(starting);
  const services = begun.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(services.map((service) => service.stop()));
  };
  const failure = begun.find((one) => one.status === "rejected");
  if (failure !== undefined) {
    await stop();
    throw failure.reason;
  }
  return { services, failed: Promise.race(services.map((service) => service.failed)), stop };
}

/** Which of so many shards holds what has this name: always the same, and each as often as the others. */
export function shardOf(name: string, count: number): number {
  return createHash("sha256").update(name).digest().readUInt32BE(0) % count;
}
