import { spawn } from "node:child_process";
import path from "node:path";
import { projectRoot } from "../dev/paths.ts";
import { StartError } from "../dev/start-error.ts";

/** The service that an example talks to. */
export interface ExampleService {
  url: string;
  apiKey: string;
}

export const inProject = (file: string): string => path.join(projectRoot, file);

const NODE = [process.execPath, "--disable-warning=ExperimentalWarning"];

/** The command of each example; the service is passed in the environment. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  "node-chat": [...NODE, inProject("examples/node-chat/server.ts")],
  "tools-and-images": [...NODE, inProject("examples/tools-and-images/chat.ts")],
  "python-chat": ["python3", inProject("examples/python-chat/chat.py")],
  "mcp-summarizer": [...NODE, inProject("examples/mcp-summarizer/server.ts")],
};
/** These import the client as an application that has installed it. */
const USE_CLIENT = new Set(["node-chat", "tools-and-images"]);
/** These call no service; a service that is started afterwards calls them. */
const CALLED = new Set(["mcp-summarizer"]);

/** These run in workerd beside Threadkeep; with the path of their chat and a request to try. */
export const WORKERS: Readonly<Record<string, { chat: string; body: string }>> = {
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

/**
 * Runs an example until it ends, and returns its exit code.
 * @param service null for an example that needs none
 */
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

/**
 * Builds the client as an application would have it. Its types are not checked here, because npm run check does that.
 */
async function buildClient(): Promise<void> {
  const tsc = inProject("node_modules/typescript/bin/tsc");
  const build = [tsc, "-p", inProject("client/tsconfig.json"), "--noCheck", "--checkers", "1"];
  const child = spawn(process.execPath, build, { stdio: "inherit" });
  const code = await new Promise<number | null>((resolve) => {
    child.once("exit", resolve);
  });
  if (code !== 0) throw new StartError("The client could not be built; what is wrong stands above.");
}
