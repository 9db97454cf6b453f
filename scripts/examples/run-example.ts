import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { unstable_readConfig as readConfig } from "wrangler";
import { readJsonFile } from "../dev/files.ts";
import { projectRoot, statePaths } from "../dev/paths.ts";
import { StartError } from "../dev/start-error.ts";
import { startWorkerPair } from "./worker-pair.ts";

/** Where the service is that an example talks to. */
export interface ExampleService {
  url: string;
  apiKey: string;
}

const inProject = (file: string): string => path.join(projectRoot, file);

const NODE = [process.execPath, "--disable-warning=ExperimentalWarning"];

/** What each example is started with; its service stands in the environment. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  "node-chat": [...NODE, inProject("examples/node-chat/server.ts")],
  "tools-and-images": [...NODE, inProject("examples/tools-and-images/chat.ts")],
  "python-chat": ["python3", inProject("examples/python-chat/chat.py")],
  "mcp-summarizer": [...NODE, inProject("examples/mcp-summarizer/server.ts")],
};
/** They have the client as an application has it that installed it. */
const USE_CLIENT = new Set(["node-chat", "tools-and-images"]);
/** They call no service: one that is started after them calls them. */
const CALLED = new Set(["mcp-summarizer"]);

/** Those that run in workerd beside Threadkeep, with the path of a chat and a request to try. */
const WORKERS: Readonly<Record<string, { chat: string; body: string }>> = {
  "worker-rpc": { chat: "/chats/worker-example", body: '{"user": "ada", "text": "Hello"}' },
  "cloudflare-agent": { chat: "/agents/chat-agent/agent-example", body: "Hello" },
};
export const EXAMPLES = [...Object.keys(COMMANDS), ...Object.keys(WORKERS)];

export function needsService(name: string): boolean {
  return !CALLED.has(name);
}

export function isWorkerExample(name: string): boolean {
  return name in WORKERS;
}

/** Runs an example until it ends. Its exit code. @param service null for one that needs none */
export async function runExample(
  name: string,
  args: readonly string[],
  service: ExampleService | null,
): Promise<number> {
  const [program, ...given] = COMMANDS[name] ?? [];
  if (program === undefined) throw new StartError(`There is no example ${name}. There are ${EXAMPLES.join(", ")}.`);
  if (USE_CLIENT.has(name)) await buildClient();
  const child = spawn(program, [...given, ...args], {
    cwd: projectRoot,
    stdio: "inherit",
    env: {
      ...process.env,
      ...(service === null ? {} : { THREADKEEP_URL: service.url, THREADKEEP_API_KEY: service.apiKey }),
    },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => resolve(code ?? 1));
    child.once("error", () => reject(new StartError(`${program} is not installed. Install it, and start again.`)));
  });
}

/** The client as an application has it that installed it. */
async function buildClient(): Promise<void> {
  const tsc = inProject("node_modules/typescript/bin/tsc");
  const child = spawn(process.execPath, [tsc, "-p", inProject("client/tsconfig.json")], { stdio: "inherit" });
  const code = await new Promise<number | null>((resolve) => {
    child.once("exit", resolve);
  });
  if (code !== 0) throw new StartError("The client could not be built; what is wrong stands above.");
}

interface DeclaredService {
  readonly binding: string;
  readonly entrypoint?: string;
  readonly props?: Record<string, unknown>;
}

interface DeclaredObjects {
  readonly name: string;
  readonly class_name: string;
}

/** The Worker of an example with the bindings that its wrangler.toml declares. */
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

/** Threadkeep and the Worker side by side: with sessions of their own, in memory, on the database of the service that runs here. */
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

/** The variables of a Worker, and its key, as a person sets them for a program. */
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
