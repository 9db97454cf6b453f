import { stateFolder } from "./dev/paths.ts";
import { DEFAULT_PORT } from "./dev/service-port.ts";
import { type Service, startService } from "./dev/service.ts";
import { makeSignInLink } from "./dev/sign-in-link.ts";
import { describeSettings, workerSettings } from "./dev/worker-settings.ts";
import { createProgram, readVariable, stateOption, wholeNumber } from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const MAX_PORT = 65_535;

/** Long enough for a summary: the last four messages of a chat always stay verbatim. */
const SAMPLE = [
  { role: "user", content: "I am Ada, and I am allergic to nuts. Please find me a table for Friday." },
  { role: "assistant", content: "For Friday, Luna has a table for two at 19:30. Shall I book it?" },
  { role: "user", content: "Yes, book Luna for Friday at 19:30." },
  { role: "assistant", content: "Booked: Luna, Friday, 19:30, two people." },
  { role: "user", content: "What should I order?" },
  { role: "assistant", content: "The risotto has no nuts." },
];

interface StartOptions {
  readonly port: number;
  readonly stateDir: string;
  readonly isVerbose: boolean;
}

const readPort = wholeNumber(0, MAX_PORT);

const beganAt = performance.now();
const interruption = new AbortController();
let service: Service | undefined;

const program = createProgram("npm start --", "Runs Threadkeep on this machine until Ctrl-C.")
  .option("-p, --port <n>", `port of the service, 0 for any free one (default: PORT, else ${DEFAULT_PORT})`, readPort)
  .addOption(stateOption("where data, keys and logs are kept", stateFolder))
  .option("--verbose", "show the Worker's log here instead of in worker.log of that folder", false)
  .addHelpText(
    "after",
    `
Environment:
  DATABASE_URL          a PostgreSQL to use; without it one is started, with its data in the folder of --state
  WORKER_DATABASE_URL   what the Worker connects with, if it should be a role with fewer rights than DATABASE_URL's

Settings of the Worker, in the environment too (docs/configuration.md has the whole table):

${describeSettings()}

Examples:
  npm start
  npm start -- --port 9000 --state /tmp/threadkeep
  THREADKEEP_MODEL=openai-compatible/llama3.1 THREADKEEP_MODEL_BASE_URL=http://127.0.0.1:11434/v1 npm start`,
  )
  .action(async ({ port, state, verbose }) => {
    const usual = process.env["PORT"] || String(DEFAULT_PORT);
    try {
      await run({ port: port ?? readVariable("PORT", usual, readPort), stateDir: state, isVerbose: verbose });
    } catch (error) {
      // Ctrl-C is the usual way to end a service, also while it is starting.
      if (!interruption.signal.aborted) throw error;
      process.exitCode = EXIT.ok;
    }
  });

await runProgram(program);

async function run(options: StartOptions): Promise<never> {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interruption.abort());
  interruptWhenNpmEnds();
  console.log("Threadkeep is starting …");
  service = await startService({
    ...options,
    signal: interruption.signal,
    onNotice: (text) => console.error(text),
    env: workerSettings(process.env),
    ...(process.env["DATABASE_URL"] ? { databaseUrl: process.env["DATABASE_URL"] } : {}),
    ...(process.env["WORKER_DATABASE_URL"] ? { workerDatabaseUrl: process.env["WORKER_DATABASE_URL"] } : {}),
  });
  console.log(describe(service, await makeSignInLink(service)));

  const ending = await Promise.race([service.failed, whenInterrupted()]);
  if (ending !== null) {
    console.error(`\n${ending}\n`);
    process.exit(EXIT.failed);
  }
  console.log("\nStopping …");
  await service.stop();
  process.exit(EXIT.ok);
}

function describe(running: Service, link: string): string {
  const seconds = ((performance.now() - beganAt) / 1000).toFixed(1);
  const model = process.env["THREADKEEP_MODEL"] || "extractive";
  const agent = process.env["SUMMARIZER_MCP_URL"];
  const session = `${running.url}/v1/sessions/my-first-chat`;
  const key = `-H 'authorization: Bearer ${running.apiKey}'`;
  const json = "-H 'content-type: application/json'";
  const summarizer =
    agent === undefined || agent === ""
      ? `${model}${model === "extractive" ? " (picks sentences by itself: no model, no key)" : ""}`
      : `the MCP server at ${agent}`;
  return `
Threadkeep runs at ${running.url}  (ready in ${seconds} s)

  Inspector    ${link}
               signs you in once, within 15 minutes; a new link: npm run inspect
  Reference    ${running.url}/docs
  MCP          ${running.url}/mcp  (memory for agents, with the API key: docs/mcp.md)
  API key      ${running.apiKey}
  Admin key    ${running.adminKey}
  User token   npm run token -- --user mira
  PostgreSQL   ${running.databaseUrl}
  Data, logs   ${running.stateDir}  (the facts above are in dev.json there)
  Summarizer   ${summarizer}

Append some turns, summarize by hand (by itself it happens when a chat grows long), read the context for the next model call:

  curl -s ${session}/messages ${key} ${json} \\
    -d '${JSON.stringify({ messages: SAMPLE })}'

  curl -s ${session}/summarize ${key} ${json} -d '{"keepRecentTokens":0,"waitMs":10000}'

  curl -s '${session}/context?maxTokens=4000' ${key}

With a model: THREADKEEP_MODEL=openai-compatible/llama3.1 THREADKEEP_MODEL_BASE_URL=http://127.0.0.1:11434/v1 npm start
Another summarizer: SUMMARIZER_MCP_URL=https://… npm start uses any MCP server that has the tool summarize_conversation.
Stop with Ctrl-C.`;
}

function whenInterrupted(): Promise<null> {
  return new Promise((resolve) => {
    if (interruption.signal.aborted) resolve(null);
    else interruption.signal.addEventListener("abort", () => resolve(null), { once: true });
  });
}

/** npm does not pass SIGTERM to this process. It notices that its parent has changed, and ends too. */
function interruptWhenNpmEnds(): void {
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) interruption.abort();
  }, 250).unref();
}
