// Runs the examples that need workerd. A separate file, because loading wrangler and Miniflare takes a second or two.
import { existsSync } from "node:fs";
import { unstable_readConfig as readConfig } from "wrangler";
import { readJsonFile } from "../dev/files.ts";
import { statePaths } from "../dev/paths.ts";
import { StartError } from "../dev/start-error.ts";
import { inProject, WORKERS } from "./run-example.ts";
import { startWorkerPair } from "./worker-pair.ts";

interface DeclaredService {
  readonly binding: string;
  readonly entrypoint?: string;
  readonly props?: Record<string, unknown>;
}

interface DeclaredObjects {
  readonly name: string;
  readonly class_name: string;
}

/**
 * Reads the Worker of an example, with the bindings in its wrangler.toml.
 * @internal A test starts the example with other settings.
 */
export function readWorkerExample(name: string) {
  const config = readConfig({ config: inProject(`examples/${name}/wrangler.toml`) }, { hideWarnings: true });
  const services = (config.services ?? []).map(({ binding, entrypoint, props }: DeclaredService) => [
    binding,
    { ...(entrypoint === undefined ? {} : { entrypoint }), ...(props === undefined ? {} : { props }) },
  ]);
  return {
    callerEntry: config.main ?? "",
    compatibilityDate: config.compatibility_date ?? "",
    compatibilityFlags: config.compatibility_flags ?? [],
    callerBindings: Object.fromEntries(Object.entries(config.vars ?? {}).map(([key, value]) => [key, String(value)])),
    callerObjects: Object.fromEntries(
      config.durable_objects.bindings.map((declared: DeclaredObjects) => [declared.name, declared.class_name]),
    ),
    services: Object.fromEntries(services),
  };
}

/** Runs Threadkeep and the Worker side by side, with sessions in memory, on the database of the local service. */
export async function runWorkerExample(name: string, stateDirectory: string): Promise<void> {
  const { chat, body } = WORKERS[name] ?? { chat: "/", body: "" };
  const { devJson, bundle } = statePaths(stateDirectory);
  if (!existsSync(devJson)) throw new StartError("The service does not run. Start it with npm start, then this again.");
  const facts = readFacts(readJsonFile(devJson));
  const example = readWorkerExample(name);
  const miniflare = await startWorkerPair({
    ...example,
    callerBindings: {
      ...fromEnvironment(example.callerBindings),
      THREADKEEP_URL: facts.url,
      THREADKEEP_API_KEY: facts.apiKey,
    },
    bundleDirectory: bundle,
    hyperdriveUrl: facts.databaseUrl,
    secrets: { THREADKEEP_API_KEY: facts.apiKey, THREADKEEP_ADMIN_KEY: facts.adminKey },
  });
  const url = new URL(chat, await miniflare.ready);
  console.log(`The chat is at ${url}\n\n  curl -s ${url} -d '${body}'\n\nStop with Ctrl-C.`);
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve());
  });
  await miniflare.dispose();
}

/** The variables of the Worker, and its key, with values from the environment. */
function fromEnvironment(declared: Record<string, string>): Record<string, string> {
  const names = [...Object.keys(declared), "MODEL_KEY"];
  const set = names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  return { ...declared, ...Object.fromEntries(set) };
}

function readFacts(value: unknown): { url: string; apiKey: string; adminKey: string; databaseUrl: string } {
  const entries = new Map(Object.entries(typeof value === "object" && value !== null ? value : {}));
  const textOf = (name: string): string => {
    const text: unknown = entries.get(name);
    if (typeof text === "string") return text;
    throw new StartError(`dev.json lacks ${name}. Stop the service, and start it again with npm start.`);
  };
  return {
    url: textOf("url"),
    apiKey: textOf("apiKey"),
    adminKey: textOf("adminKey"),
    databaseUrl: textOf("databaseUrl"),
  };
}
