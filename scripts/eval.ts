// npm run eval: what retrieval and summaries are worth, on data that is not part of this repository. `--help` tells the rest.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { makeRunDirectory, removeRunDirectory } from "./bench/host.ts";
import { showTable } from "./bench/table.ts";
import { startService } from "./dev/service.ts";
import { workerSettings } from "./dev/worker-settings.ts";
import { ablate } from "./eval/ablate.ts";
import { measureLosses } from "./eval/losses.ts";
import { MINE_OPTIONS, type MineCommand, readMineOptions, refuseMineOptions } from "./eval/mine-options.ts";
import { drawMine } from "./eval/mine-picture.ts";
import { loadThrough, measureMine, NO_PROBES, showMine } from "./eval/mine.ts";
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
import {
  oneOf,
  readCommandLine,
  readInputFile,
  readServiceUrl,
  UsageFault,
  type Values,
} from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const HELP = `npm run eval -- retrieval FILE [--url URL --key KEY] [--embeddings URL]
    recall of the turns that hold the evidence, by kind of question (LoCoMo file, or lines of BEAM), through the public API of a
    service: the one at --url, or one of its own that it starts and stops. With --embeddings a second service of its own makes
    vectors with the model at that address, such as the one that npm run embeddings prints, and is measured beside the first

npm run eval -- ablate FILE…
    the same recall without a service, with all parameters of the ranking, and with each taken away by itself

npm run eval -- summaries FILE [--percent 18.5] [--only single|rolled] [--url URL --key KEY --admin-key KEY]
    how much of the answers to questions its summaries hold (LoCoMo, QMSum or BEAM file): of one call a sitting, kept to so many
    percent of its words, beside baselines, with support, repetition, time and cost; and by generation, rolled through the
    whole conversation. The summarizer is the one that the service is set to: the one at --url, or one of its own, which takes
    THREADKEEP_MODEL, SUMMARIZER_MCP_URL and the like from the environment

npm run eval -- prefix [--turns 1000] [--format openai-chat]
    how much of each context a provider's prompt cache can have kept from the one before: the share of the tokens that are a
    prefix shared with it, over a chat with summaries, on a service that it starts and stops. Exits 1 below 95 %

npm run eval -- mine FILE [--budgets 1000,2000,4000,8000] [--probes 100] [--settings JSON] [--price 1] [--picture FILE.svg]
    what prompts of your own chats still know where a user comes back to something from long before: at most so many turns of each
    chat that take up an earlier one, and facts (numbers, names) that come back, with the newest messages alone, with the summary,
    and with the summary and a query; tokens, and dollars at so many for a million tokens; and all of it as a picture. Reads what
    npm run import reads (ChatGPT, claude.ai, our own JSON Lines, exported sessions, LoCoMo, QMSum, …) and BEAM. The chats go to
    the service at --url (with --key), or to one of its own, which is deleted afterwards; a model gets them if one is set, as for
    summaries. --settings are of the sessions, such as '{"summaryMaxTokens": 800}'

npm run eval -- losses
    how well the report of what a summary lost finds 200 planted facts, half of which the summary dropped
`;

const OPTIONS = {
  percent: { type: "string" },
  only: { type: "string" },
  url: { type: "string" },
  embeddings: { type: "string" },
  key: { type: "string" },
  "admin-key": { type: "string" },
  turns: { type: "string" },
  format: { type: "string" },
  ...MINE_OPTIONS,
} as const;
const PARTS = ["single", "rolled"] as const;

interface RetrievalOptions {
  readonly measure: "retrieval";
  readonly file: string;
  /** Null: one of its own. */
  readonly service: ServiceAddress | null;
  /** Base URL of a server of embeddings; null: none. */
  readonly embeddings: string | null;
}

interface AblateOptions {
  readonly measure: "ablate";
  readonly files: readonly string[];
}

interface SummariesOptions {
  readonly measure: "summaries";
  readonly file: string;
  readonly percent: number;
  readonly parts: ReadonlySet<(typeof PARTS)[number]>;
  /** Null: one of its own. */
  readonly service: (ServiceAddress & { readonly adminKey: string }) | null;
}

interface PrefixOptions {
  readonly measure: "prefix";
  readonly turns: number;
  readonly format: (typeof PREFIX_FORMATS)[number];
}

interface LossesOptions {
  readonly measure: "losses";
}

const PREFIX_TURNS = 1_000;
/** A prompt cache that keeps less is rewritten too often. */
const LEAST_PREFIX_PERCENT = 95;

const commandLine = readCommandLine(process.argv.slice(2), OPTIONS, readOptions);

await runProgram(commandLine, {
  help: HELP,
  hint: "npm run eval -- --help tells the options.",
  run: async (options) => {
    if (options.measure === "prefix") return (await evaluatePrefix(options)) ? EXIT.ok : EXIT.failed;
    if (options.measure === "losses") {
      const { facts, dropped, precision, recall } = measureLosses();
      const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
      console.log(
        `losses: ${dropped} of ${facts} planted facts dropped; precision ${percent(precision)}, recall ${percent(recall)}`,
      );
      return EXIT.ok;
    }
    if (options.measure === "mine") return (await evaluateMine(options)) ? EXIT.ok : EXIT.failed;
    if (options.measure === "ablate") {
      const files = new Map(options.files.map((file) => [path.basename(file), readConversations(file)]));
      await ablate(files, (line) => console.log(line));
      return EXIT.ok;
    }
    await (options.measure === "retrieval" ? evaluateRetrieval(options) : evaluateOwnSummaries(options));
    return EXIT.ok;
  },
});

function readOptions(
  values: Values<typeof OPTIONS>,
  [measure, ...files]: readonly string[],
): RetrievalOptions | AblateOptions | SummariesOptions | PrefixOptions | MineCommand | LossesOptions {
  if (measure === "mine") {
    const { percent, only, "admin-key": adminKey, turns, format } = values;
    if ([percent, only, adminKey, turns, format].some((value) => value !== undefined)) {
      throw new UsageFault("mine takes no --percent, --only, --admin-key, --turns or --format");
    }
    return readMineOptions(values, files);
  }
  refuseMineOptions(values);
  if (measure !== "retrieval" && values.embeddings !== undefined)
    throw new UsageFault("only retrieval takes --embeddings");
  if (measure === "losses") {
    if (files.length > 0 || Object.values(values).some((value) => value !== undefined)) {
      throw new UsageFault("losses takes no file and no option");
    }
    return { measure };
  }
  if (measure === "prefix") return readPrefixOptions(values);
  if (measure === "ablate") return readAblateOptions(values, files);
  if (measure !== "retrieval" && measure !== "summaries") {
    throw new UsageFault("say what to measure: retrieval, ablate, summaries, prefix, mine or losses");
  }
  if (values.turns !== undefined || values.format !== undefined)
    throw new UsageFault(`${measure} takes no --turns or --format`);
  const file = readInputFile(oneOf(files, "which file? It is not part of this repository"));
  const { percent: percentText = String(DEFAULT_PERCENT), only, url, key, "admin-key": adminKey } = values;
  if (url !== undefined) readServiceUrl("--url", url);
  if (measure === "retrieval") {
    if (values.percent !== undefined || only !== undefined || adminKey !== undefined) {
      throw new UsageFault("retrieval takes no --percent, --only or --admin-key");
    }
    if ((url === undefined) !== (key === undefined)) throw new UsageFault("--url and --key go together");
    const { embeddings = null } = values;
    if (embeddings !== null && url !== undefined) {
      throw new UsageFault(
        "--embeddings is for a service of its own: set THREADKEEP_EMBEDDINGS where the one at --url runs",
      );
    }
    const service = url === undefined || key === undefined ? null : { url, apiKey: key };
    return { measure, file, service, embeddings };
  }
  const percent = Number(percentText);
  if (!(percent > 0 && percent <= 100)) {
    throw new UsageFault(`--percent must be above 0 and at most 100, not ${JSON.stringify(percentText)}`);
  }
  const part = PARTS.find((known) => known === only);
  if (only !== undefined && part === undefined) throw new UsageFault(`--only must be one of ${PARTS.join(", ")}`);
  const given = [url, key, adminKey].filter((value) => value !== undefined).length;
  if (given !== 0 && given !== 3) throw new UsageFault("--url, --key and --admin-key go together");
  return {
    measure,
    file,
    percent,
    parts: new Set(part === undefined ? PARTS : [part]),
    service: url === undefined || key === undefined || adminKey === undefined ? null : { url, apiKey: key, adminKey },
  };
}

function readAblateOptions(values: Values<typeof OPTIONS>, files: readonly string[]): AblateOptions {
  if (Object.values(values).some((value) => value !== undefined)) throw new UsageFault("ablate takes files alone");
  if (files.length === 0) throw new UsageFault("which files? They are not part of this repository");
  return { measure: "ablate", files: files.map(readInputFile) };
}

/** @returns whether there was anything to ask */
async function evaluateMine(options: MineCommand): Promise<boolean> {
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
    writeFileSync(picture, drawMine(result.rows, "What a prompt still knows of what a user comes back to"));
    console.log(`\nThe picture is ${picture}`);
  };
  if (named !== null) await measureAt(named);
  else await withOwnService(workerSettings(process.env), measureAt);
  return hasProbes;
}

function readPrefixOptions({
  turns = String(PREFIX_TURNS),
  format: name = "openai-chat",
}: Values<typeof OPTIONS>): PrefixOptions {
  const format = PREFIX_FORMATS.find((known) => known === name);
  if (format === undefined) throw new UsageFault(`--format must be one of ${PREFIX_FORMATS.join(", ")}`);
  if (!/^[1-9][0-9]{0,4}$/.test(turns)) throw new UsageFault("--turns must be a number from 1 to 99999");
  return { measure: "prefix", format, turns: Number(turns) };
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
        `\nQueries with embeddings, by how they were answered: ${[...how].map(([told, count]) => `${count} ${told}`).join(", ")}`,
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

/** The agent that the service asks: somebody else's where one is named, else its own, which takes the admin key. */
function agentOf(service: { url: string; adminKey: string }): AgentAddress {
  const { SUMMARIZER_MCP_URL: url, SUMMARIZER_MCP_TOKEN: token } = process.env;
  return url ? { url, token } : { url: `${service.url}${AGENT_ROUTE}`, token: service.adminKey };
}

async function printRecall(
  conversations: ReturnType<typeof readConversations>,
  services: readonly Recaller[],
): Promise<void> {
  console.log("Share of the evidence among the first 5 / 10 / 20 messages recalled, in percent");
  const answered = [];
  for (const recaller of [newestTurns, plainBm25, usersBm25, ...services]) {
    answered.push({ name: recaller.name, answers: await askAll(recaller, conversations) });
  }
  const { columns, rows } = recallTable(answered);
  for (const line of showTable(columns, rows)) console.log(line);
}
