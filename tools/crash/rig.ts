import { type Service, type ServiceOptions, startService } from "../../scripts/dev/service.ts";
// A service and its PostgreSQL. Each can be killed and started again on the same data.
import type { Crash } from "../drills/check-kept.ts";
import { openRigDatabase } from "../rig/database.ts";
import type { Victim } from "./options.ts";

export interface CrashRig {
  /** The service that runs now; each start replaces it. */
  readonly service: () => Service;
  readonly databaseUrl: string;
  /** When the service has ended so far. */
  readonly crashes: readonly Crash[];
  kill(victim: Victim): Promise<void>;
  /** Starts again whatever was killed. */
  mend(victim: Victim): Promise<void>;
  stop(): Promise<void>;
}

export interface CrashRigOptions {
  readonly databaseDirectory: string;
  readonly stateDir: string;
  /** The bundle, made by `bundleWorker`. */
  readonly bundleDir: string;
  readonly env: Record<string, string>;
  readonly signal?: AbortSignal | undefined;
}

export async function openCrashRig({
  databaseDirectory,
  stateDir,
  bundleDir,
  env,
  signal,
}: CrashRigOptions): Promise<CrashRig> {
  const database = await openRigDatabase(databaseDirectory, signal);
  const options: ServiceOptions = {
    stateDir,
    bundleDir,
    databaseUrl: database.ownerUrl,
    workerDatabaseUrl: database.workerUrl,
    env,
    ...(signal === undefined ? {} : { signal }),
  };
  const crashes: Crash[] = [];
  let service = await startService(options).catch(async (error: unknown) => {
    await database.stop();
    throw error;
  });
  return {
    service: () => service,
    databaseUrl: database.ownerUrl,
    crashes,
    async kill(victim) {
      const begunAt = Date.now();
      await Promise.all([
        victim === "postgres" ? null : service.kill9(),
        victim === "service" ? null : database.kill9(),
      ]);
      if (victim !== "postgres") crashes.push({ begunAt, overAt: Date.now() });
    },
    async mend(victim) {
      if (victim !== "service") await database.startAgain();
      if (victim !== "postgres") service = await startService(options);
    },
    async stop() {
      await service.stop();
      await database.stop();
    },
  };
}
