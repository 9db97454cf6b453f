/** The running services of a test run, as plain data that passes from vitest's process to those of the tests. */
export interface ProvidedService {
  url: string;
  /** Bypasses the entry of the local simulator, which answers invalid HTTP in place of the Worker. */
  apiKey: string;
  adminKey: string;
  databaseUrl: string;
  stateDir: string;
}

declare module "vitest" {
  interface ProvidedContext {
    /** `worker`, `fuzz`: the connection strings of the Worker, and of the owner of the tables. */
    workerDatabaseUrl: string;
    databaseUrl: string;
    /** `worker`, `system`: the stand-in for the providers of language models. */
    standInModelUrl: string;
    /** `worker`: the stand-in for a receiver of alerts. */
    standInWebhookUrl: string;
    /** `system`, `fuzz`: one shared service. */
    service: ProvidedService;
    /** `system`, `fuzz`, `crash`: the Worker, bundled once for all services of the run. */
    bundleDir: string;
    /** `system`, `fuzz`, `crash`: the data directory of which services of tests get copies. */
    preparedState: string;
  }
}
