import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { startService } from "./dev/service.ts";
import { workerSettings } from "./dev/worker-settings.ts";
import { type ServiceAddress, serviceRecaller } from "./eval/retrieval-over-http.ts";
import { askAll, newestTurns, plainBm25, readConversations, recallRow } from "./eval/retrieval.ts";
import { DEFAULT_PERCENT, evaluateSummaries } from "./eval/summaries.ts";
import { AGENT_ROUTE, type AgentAddress } from "./eval/summary-methods.ts";

const HELP = `npm run eval -- retrieval FILE [--url URL --key KEY]
    recall of the turns that hold the evidence, by category of question (LoCoMo file), through the public API of a service:
    the one at --url, or one of its own that it starts and stops

npm run eval -- summaries FILE [--percent 18.5] [--only single|rolled] [--url URL --key KEY --admin-key KEY]
    how much of the answers to questions its summaries hold (LoCoMo or QMSum file): of one call a sitting, kept to so many
    percent of its words, beside baselines, with support, repetition, time and cost; and by generation, rolled through the
    whole conversation. The summarizer is the one that the service is set to: the one at --url, or one of its own, which takes
    THREADKEEP_MODEL, SUMMARIZER_MCP_URL and the like from the environment
`;

const [measure, ...rest] = process.argv.slice(2);
if (measure === "retrieval") await evaluateRetrieval(rest);
else if (measure === "summaries") await evaluateOwnSummaries(rest);
else {
  console.log(HELP);
  process.exitCode = measure === undefined || measure === "--help" ? 0 : 64;
}

async function evaluateRetrieval(args: string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: { url: { type: "string" }, key: { type: "string" } },
  });
  const [file] = positionals;
  if (file === undefined) {
    console.error(`Which file? It is not part of this repository.\n\n${HELP}`);
    process.exitCode = 64;
    return;
  }
  const conversations = readConversations(file);
  const { url, key } = values;
  if (url !== undefined && key !== undefined) await printRecall(conversations, { url, apiKey: key });
  else {
    const stateDir = mkdtempSync(path.join(tmpdir(), "threadkeep-eval-"));
    const service = await startService({ stateDir });
    try {
      await printRecall(conversations, { url: service.directUrl, apiKey: service.apiKey });
    } finally {
      await service.stop();
      rmSync(stateDir, { recursive: true, force: true });
    }
  }
}

async function evaluateOwnSummaries(args: string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      percent: { type: "string", default: String(DEFAULT_PERCENT) },
      only: { type: "string" },
      url: { type: "string" },
      key: { type: "string" },
      "admin-key": { type: "string" },
    },
  });
  const [file] = positionals;
  const percent = Number(values.percent);
  const { only, url, key, "admin-key": adminKey } = values;
  const isNamed = [url, key, adminKey].every((value) => value !== undefined);
  const isWrong =
    !(percent > 0 && percent <= 100) ||
    (only !== undefined && only !== "single" && only !== "rolled") ||
    (!isNamed && [url, key, adminKey].some((value) => value !== undefined));
  if (file === undefined || isWrong) {
    console.error(
      `${file === undefined ? "Which file? It is not part of this repository." : "Wrong options."}\n\n${HELP}`,
    );
    process.exitCode = 64;
    return;
  }
  const parts = new Set(
    only === undefined ? (["single", "rolled"] as const) : ([only === "single" ? "single" : "rolled"] as const),
  );
  const measureAt = (service: { url: string; apiKey: string; adminKey: string }) =>
    evaluateSummaries({
      file,
      percent,
      parts,
      service,
      agent: agentOf(service),
      print: (line) => console.log(line),
      onProgress: (text) => console.error(`… ${text}`),
    });
  if (url !== undefined && key !== undefined && adminKey !== undefined) {
    await measureAt({ url, apiKey: key, adminKey });
    return;
  }
  const stateDir = mkdtempSync(path.join(tmpdir(), "threadkeep-eval-"));
  chmodSync(stateDir, 0o755);
  const service = await startService({ stateDir, env: workerSettings(process.env) });
  try {
    await measureAt({ url: service.directUrl, apiKey: service.apiKey, adminKey: service.adminKey });
  } finally {
    await service.stop();
    rmSync(stateDir, { recursive: true, force: true });
  }
}

/** The agent that the service asks: somebody else's where one is named, else its own, which takes the admin key. */
function agentOf(service: { url: string; adminKey: string }): AgentAddress {
  const { SUMMARIZER_MCP_URL: url, SUMMARIZER_MCP_TOKEN: token } = process.env;
  return url ? { url, token } : { url: `${service.url}${AGENT_ROUTE}`, token: service.adminKey };
}

async function printRecall(
  conversations: ReturnType<typeof readConversations>,
  service: ServiceAddress,
): Promise<void> {
  console.log("Share of the evidence among the first 10 / 20 messages recalled, in percent");
  const recallers = [newestTurns, plainBm25, serviceRecaller(service)];
  const rows = [];
  for (const recaller of recallers) rows.push(recallRow(recaller.name, await askAll(recaller, conversations)));
  console.table(rows);
}
