// Several services in parallel, each in a workerd of its own, on one PostgreSQL. Each session belongs to one of them, chosen by its name,
// just as the platform places each object by its name.
import { createHash } from "node:crypto";
import path from "node:path";
import { makeFolder } from "../../scripts/dev/folders.ts";
import { type Service, startService } from "../../scripts/dev/service.ts";

export interface ShardsOptions {
  /** A folder for these services alone. */
  readonly directory: string;
  /** The bundle, made by `bundleWorker`. */
  readonly bundleDir: string;
  readonly count: number;
  /** Connection strings of the owner and of the Worker's role. */
  readonly databaseUrl: string;
  readonly workerDatabaseUrl: string;
  /** Variables for the Workers; they override those of wrangler.toml. */
  readonly env: Record<string, string>;
  readonly signal: AbortSignal;
}

export interface Shards {
  readonly services: readonly Service[];
  /** Resolves with the reason if one of them is down and will not come back. */
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

/** The shard of a name: always the same one, and each shard gets equally many names. */
export function shardOf(name: string, count: number): number {
  return createHash("sha256").update(name).digest().readUInt32BE(0) % count;
}
