// The service that the demo talks to: one that is running already, or its own, which it may kill.
import path from "node:path";
import { createApi, type LocalService, readLocalService } from "../api.ts";
import { statePaths } from "../dev/paths.ts";
import { type Service, startService } from "../dev/service.ts";
import { StartError } from "../dev/start-error.ts";
import { readVariable, serviceUrl } from "../program/command-line.ts";

export interface Host {
  readonly url: string;
  readonly apiKey: string;
  /**
   * Kills every process of the service at once and restarts it on the same data; null if the service is not the demo's
   * own.
   */
  readonly crash: ((onDead: () => void) => Promise<void>) | null;
  stop(): Promise<void>;
}

export interface HostOptions {
  /** Where npm start writes dev.json. */
  readonly stateDirectory: string;
  /** Where the demo's own service stores its data. */
  readonly ownStateDirectory: string;
  /** Start an own service even if another is running. */
  readonly own: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** Finds the service that the environment names, else the one that `npm start` runs here; null if there is none. */
export async function findRunning(options: HostOptions): Promise<Host | null> {
  if (options.own) return null;
  const named = readNamed(options.env);
  const found = named ?? readLocalService(options.stateDirectory);
  if (found === null) return null;
  // dev.json remains after a kill -9, so only an answer shows that the service is running.
  const isReady = await createApi({ url: found.url, key: found.apiKey }).ready();
  if (isReady) return { ...found, crash: null, stop: async () => {} };
  if (named === null) return null;
  throw new StartError(`${named.url} (THREADKEEP_URL) is not ready. Without that variable the demo starts its own.`);
}

function readNamed(env: HostOptions["env"]): LocalService | null {
  const { THREADKEEP_URL: url, THREADKEEP_API_KEY: apiKey } = env;
  if (url === undefined) return null;
  if (apiKey === undefined) throw new StartError("THREADKEEP_URL is set, but THREADKEEP_API_KEY is not");
  return { url: readVariable("THREADKEEP_URL", url, serviceUrl), apiKey };
}

export async function startOwn(options: HostOptions): Promise<Host> {
  const stateDir = path.resolve(options.ownStateDirectory);
  const { signal } = options;
  let service: Service = await startService({ stateDir, signal });
  const { url, port, apiKey } = service;
  return {
    url,
    apiKey,
    async crash(onDead) {
      await service.kill9();
      onDead();
      // Uses the same bundle, as after a real crash.
      service = await startService({ stateDir, port, signal, bundleDir: statePaths(stateDir).bundle });
    },
    stop: () => service.stop(),
  };
}
