/** What the running service of a test run is, as plain data: it crosses from vitest's process to those of the tests. */
export interface ProvidedService {
  url: string;
  /** Past the entry of the local simulator, which answers for the Worker what is no HTTP. */
  apiKey: string;
  adminKey: string;
  databaseUrl: string;
  stateDir: string;
}

declare module "vitest" {
  interface ProvidedContext {
    /** `worker`, `fuzz`: what the Worker connects with; and what the owner of the tables connects with. */
    workerDatabaseUrl: string;
    databaseUrl: string;
    /** `worker`, `system`: what stands in for the providers of language models. */
    standInModelUrl: string;
    /** `worker`: what stands in for whoever receives alerts. */
    standInWebhookUrl: string;
    /** `system`, `fuzz`: one service that they share. */
    service: ProvidedService;
    /** `system`, `fuzz`, `crash`: the Worker, bundled once for all services of the run. */
    bundleDir: string;
    /** `system`, `fuzz`, `crash`: the state that services of tests start on copies of. */
    preparedState: string;
  }
}
