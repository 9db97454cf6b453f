// npm run eval: measures retrieval, summaries and prompts on data that is not part of this repository.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { Option } from "@commander-js/extra-typings";
import { startService } from "../scripts/dev/service.ts";
import { workerSettings } from "../scripts/dev/worker-settings.ts";
import {
  createProgram,
  decimal,
  inputFile,
  json,
  listOf,
  outputFile,
  serviceUrl,
  UsageFault,
  wholeNumber,
} from "../scripts/program/command-line.ts";
import { EXIT, runProgram } from "../scripts/program/run-program.ts";
import { showTable } from "../scripts/program/table.ts";
import { MAX_CONTEXT_TOKENS, MIN_CONTEXT_TOKENS } from "../src/api/limits.ts";
import { type SessionSettings, sessionSettingsSchema } from "../src/api/session.ts";
import { makeRunDirectory, removeRunDirectory } from "./bench/host.ts";
import { ablate } from "./eval/ablate.ts";
import { measureLosses } from "./eval/losses.ts";
import { drawMine } from "./eval/mine-picture.ts";
import { loadThrough, measureMine, NO_PROBES, showMine } from "./eval/mine.ts";
import { embedderAt, nearTurnsBy } from "./eval/offline-vectors.ts";
import { measurePrefix, PREFIX_FORMATS } from "./eval/prefix.ts";
import { serviceRecaller } from "./eval/retrieval-over-http.ts";
import {
  askAll,
  newestTurns,
  plainBm25,
  readConversations,
  type Recaller,
  recallTable,
  usersBm25,
} from "./eval/retrieval.ts";
import type { ServiceAddress } from "./eval/service-calls.ts";
import { DEFAULT_PERCENT, evaluateSummaries } from "./eval/summaries.ts";
import { AGENT_ROUTE, type AgentAddress } from "./eval/summary-methods.ts";
import { readTranscripts } from "./eval/transcripts.ts";

const PARTS = ["single", "rolled"] as const;
const NOT_OURS = "The file is not part of this repository.";

interface RetrievalOptions {
  readonly file: string;
  /** Null: start a service. */
  readonly service: ServiceAddress | null;
  /** Base URL of a server of embeddings; null: none. */
  readonly embeddings: string | null;
}

interface SummariesOptions {
  readonly file: string;
  readonly percent: number;
  readonly parts: ReadonlySet<(typeof PARTS)[number]>;
  /** Null: start a service. */
  readonly service: (ServiceAddress & { readonly adminKey: string }) | null;
}

interface MineOptions {
  readonly file: string;
  readonly budgets: readonly number[];
  readonly probes: number;
  readonly settings: SessionSettings;
  readonly price: number;
  readonly picture: string;
  /** Null: start a service. */
  readonly service: ServiceAddress | null;
}

interface PrefixOptions {
  readonly turns: number;
  readonly format: (typeof PREFIX_FORMATS)[number];
}

const MAX_BUDGETS = 10;
const MAX_PROBES = 10_000;
const PREFIX_TURNS = 1_000;
/** A prompt cache that keeps less than this is rewritten too often to pay off. */
const LEAST_PREFIX_PERCENT = 95;

const program = createProgram("npm run eval --", "Measures how good summaries, retrieval and prompts are.").addHelpText(
  "after",
  `
Examples:
  npm run eval -- retrieval locomo10.json
  npm run eval -- summaries locomo10.json --percent 18.5 --only single
  npm run eval -- mine conversations.zip --budgets 2000,4000`,
);

program
  .command("retrieval")
  .description("Measures how many of the turns with the evidence are retrieved, by kind of question")
  .argument("<file>", `a file of LoCoMo or BEAM. ${NOT_OURS}`, inputFile)
  .option("--url <url>", "measure this running service (default: start one)", serviceUrl)
  .option("--key <key>", "its API key")
  .option(
    "--embeddings <url>",
    "also start a second service, which finds by meaning with the model at this address, such as the one that npm run embeddings prints",
    serviceUrl,
  )
  .action(async (file, { url, key, embeddings = null }) => {
    const service = serviceAt(url, key);
    if (embeddings !== null && service !== null) {
      throw new UsageFault(
        "--embeddings works only without --url. For a running service, set THREADKEEP_EMBEDDINGS there",
      );
    }
    await evaluateRetrieval({ file, service, embeddings });
  });

program
  .command("ablate")
  .description(
    "Measures the same as retrieval, but without a service: with all parameters of the ranking, and without each one of them",
  )
  .argument("<files...>", "files as for retrieval", (text, before: string[] = []) => [...before, inputFile(text)])
  .option(
    "--embeddings <url>",
    "also find by meaning, with the model at this address, such as the one that npm run embeddings prints, and try several weights of meaning",
    serviceUrl,
  )
  .action(async (files, { embeddings }) => {
    const conversations = new Map(files.map((file) => [path.basename(file), readConversations(file)]));
    const nearIn = embeddings === undefined ? null : nearTurnsBy(embedderAt(embeddings));
    await ablate(conversations, nearIn, (line) => console.log(line));
  });

program
  .command("summaries")
  .description("Measures how much of the answers to questions the summaries contain")
  .argument("<file>", `a file of LoCoMo, QMSum or BEAM. ${NOT_OURS}`, inputFile)
  .option(
    "--percent <n>",
    "length of a summary, in percent of the words of its transcript",
    decimal(Number.MIN_VALUE, 100),
    DEFAULT_PERCENT,
  )
  .addOption(new Option("--only <part>", "run only one of the two measurements").choices(PARTS))
  .option("--url <url>", "use this running service (default: start one)", serviceUrl)
  .option("--key <key>", "its API key")
  .option("--admin-key <key>", "its admin key")
  .addHelpText(
    "after",
    `
single: each sitting is summarized in one call, cut to --percent of its words, and compared with baselines; also support,
repetition, time and cost. rolled: whole conversations go through the service, and each generation of the summary is
measured. A service that this program starts takes THREADKEEP_MODEL, SUMMARIZER_MCP_URL and the like from the
environment.`,
  )
  .action(async (file, { percent, only, url, key, adminKey }) => {
    const given = [url, key, adminKey].filter((value) => value !== undefined).length;
    if (given !== 0 && given !== 3) throw new UsageFault("--url, --key and --admin-key are only valid together");
    const service =
      url === undefined || key === undefined || adminKey === undefined ? null : { url, apiKey: key, adminKey };
    await evaluateOwnSummaries({ file, percent, parts: new Set(only === undefined ? PARTS : [only]), service });
  });

program
  .command("prefix")
  .description("Measures how much of each context a provider's prompt cache can reuse from the context before")
  .option("--turns <n>", "turns of the chat", wholeNumber(1, 99_999), PREFIX_TURNS)
  .addOption(
    new Option("--format <name>", "format of the contexts").choices(PREFIX_FORMATS).default("openai-chat" as const),
  )
  .addHelpText(
    "after",
    `
It plays a chat with summaries on a service that it starts and stops, and counts which share of the tokens is a prefix
shared with the context before. The exit code is 1 below ${LEAST_PREFIX_PERCENT} %.`,
  )
  .action(async (options) => {
    process.exitCode = (await evaluatePrefix(options)) ? EXIT.ok : EXIT.failed;
  });

program
  .command("mine")
  .description(
    "Measures on your own chats what a prompt still contains when a user comes back to something from long before",
  )
  .argument("<file>", "an export of your chats, for example", inputFile)
  .option(
    "--budgets <n,…>",
    "token budgets of the prompts",
    listOf(wholeNumber(MIN_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS), MAX_BUDGETS),
    [1_000, 2_000, 4_000, 8_000],
  )
  .option("--probes <n>", "the most turns to probe in each chat", wholeNumber(1, MAX_PROBES), 100)
  .option(
    "--settings <json>",
    "settings of the sessions, such as '{\"summaryMaxTokens\": 800}'",
    json(sessionSettingsSchema),
    {},
  )
  .option("--price <n>", "price of a million input tokens, in dollars", decimal(0, Infinity), 1)
  .option("--picture <file>", "where to write the picture (default: mine.svg)", outputFile)
  .option(
    "--url <url>",
    "store the chats in this running service (default: start one, and delete it afterwards)",
    serviceUrl,
  )
  .option("--key <key>", "its API key")
  .addHelpText(
    "after",
    `
It looks for turns that take up an earlier turn, and for facts (numbers, names) that come back. Each is tried with the
newest messages alone, with the summary, and with the summary and a query. It reads what npm run import reads
(ChatGPT, claude.ai, Threadkeep's JSON Lines, exported sessions, LoCoMo, QMSum …) and BEAM. If a model is configured,
the chats are sent to it.`,
  )
  .action(async (file, { budgets, picture = outputFile("mine.svg"), url, key, ...options }) => {
    if (options.settings.maxTokens !== undefined)
      throw new UsageFault("--settings cannot contain maxTokens: use --budgets");
    const each = [...new Set(budgets)].toSorted((a, b) => a - b);
    const isGood = await evaluateMine({ ...options, file, budgets: each, picture, service: serviceAt(url, key) });
    process.exitCode = isGood ? EXIT.ok : EXIT.failed;
  });

program
  .command("losses")
  .description("Measures how well the report of lost facts finds 200 planted facts, half of which the summary dropped")
  .action(() => {
    const { facts, dropped, precision, recall } = measureLosses();
    const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
    console.log(
      `losses: ${dropped} of ${facts} planted facts dropped; precision ${percent(precision)}, recall ${percent(recall)}`,
    );
  });

await runProgram(program);

/** Null: start a service. */
function serviceAt(url: string | undefined, key: string | undefined): ServiceAddress | null {
  if ((url === undefined) !== (key === undefined)) throw new UsageFault("--url and --key are only valid together");
  return url === undefined || key === undefined ? null : { url, apiKey: key };
}

/** @returns whether the chats contained anything to probe */
async function evaluateMine(options: MineOptions): Promise<boolean> {
  const { file, budgets, probes, settings, price, picture, service: named } = options;
  const { transcripts, leftOut } = await readTranscripts(file);
  const messages = transcripts.reduce((sum, transcript) => sum + transcript.messages.length, 0);
  const left = leftOut === 0 ? "" : `; ${leftOut} could not be read (npm run import -- --dry-run tells why)`;
  console.log(`${transcripts.length} conversations, ${messages} messages${left}`);
  const onProgress = (text: string): void => console.error(`… ${text}`);
  let hasProbes = false;
  const measureAt = async (service: ServiceAddress): Promise<void> => {
    const load = loadThrough(service);
    const result = await measureMine({ transcripts, budgets, settings, probes, load, onProgress });
    hasProbes = result.takenUp + result.facts > 0;
    if (!hasProbes) {
      console.log(NO_PROBES);
      return;
    }
    console.log(`${result.takenUp} turns take up an earlier one, ${result.facts} facts come back`);
    for (const line of ["", ...showMine(result, price)]) console.log(line);
    writeFileSync(picture, drawMine(result.rows, "What a prompt still contains when a user comes back to it"));
    console.log(`\nThe picture was written to ${picture}`);
  };
  if (named !== null) await measureAt(named);
  else await withOwnService(workerSettings(process.env), measureAt);
  return hasProbes;
}

async function evaluatePrefix({ turns, format }: PrefixOptions): Promise<boolean> {
  let percent = 0;
  await withOwnService(workerSettings(process.env), async (service) => {
    percent = await measurePrefix(service, { turns, format, print: (line) => console.log(line) });
  });
  return percent >= LEAST_PREFIX_PERCENT;
}

async function evaluateRetrieval({ file, service: named, embeddings }: RetrievalOptions): Promise<void> {
  const conversations = readConversations(file);
  if (named !== null) return printRecall(conversations, [serviceRecaller(named)]);
  await withOwnService({}, async (service) => {
    if (embeddings === null) return printRecall(conversations, [serviceRecaller(service)]);
    const settings = {
      THREADKEEP_EMBEDDINGS: "openai-compatible/measured",
      THREADKEEP_EMBEDDINGS_BASE_URL: embeddings,
    };
    await withOwnService(settings, async (other) => {
      const how = new Map<string, number>();
      const withMeaning = serviceRecaller(other, "… with meaning", (retrieval) => {
        const told = retrieval === undefined ? "off" : (retrieval.because ?? retrieval.by);
        how.set(told, (how.get(told) ?? 0) + 1);
      });
      await printRecall(conversations, [serviceRecaller(service), withMeaning]);
      console.log(
        `\nHow queries with embeddings were answered: ${[...how].map(([told, count]) => `${count} ${told}`).join(", ")}`,
      );
    });
  });
}

async function evaluateOwnSummaries({ file, percent, parts, service: named }: SummariesOptions): Promise<void> {
  const measureAt = (service: ServiceAddress & { readonly adminKey: string }): Promise<void> =>
    evaluateSummaries({
      file,
      percent,
      parts,
      service,
      agent: agentOf(service),
      print: (line) => console.log(line),
      onProgress: (text) => console.error(`… ${text}`),
    });
  if (named !== null) return measureAt(named);
  await withOwnService(workerSettings(process.env), measureAt);
}

async function withOwnService(
  env: ReturnType<typeof workerSettings>,
  measureAt: (service: ServiceAddress & { readonly adminKey: string }) => Promise<void>,
): Promise<void> {
  const stateDir = makeRunDirectory();
  const service = await startService({ stateDir, env });
  try {
    await measureAt({ url: service.url, apiKey: service.apiKey, adminKey: service.adminKey });
  } finally {
    await service.stop();
    removeRunDirectory(stateDir);
  }
}

/** The agent that the service asks: another server if one is configured, else the service's own, which needs the admin key. */
function agentOf(service: { url: string; adminKey: string }): AgentAddress {
  const { SUMMARIZER_MCP_URL: url, SUMMARIZER_MCP_TOKEN: token } = process.env;
  return url ? { url, token } : { url: `${service.url}${AGENT_ROUTE}`, token: service.adminKey };
}

async function printRecall(
  conversations: ReturnType<typeof readConversations>,
  services: readonly Recaller[],
): Promise<void> {
  console.log("Share of the evidence among the first 5 / 10 / 20 retrieved messages, in percent");
  const answered = [];
  for (const recaller of [newestTurns, plainBm25, usersBm25, ...services]) {
    answered.push({ name: recaller.name, answers: await askAll(recaller, conversations) });
  }
  const { columns, rows } = recallTable(answered);
  for (const line of showTable(columns, rows)) console.log(line);
}
