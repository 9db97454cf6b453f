import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { startService } from "./dev/service.ts";
import { type ServiceAddress, serviceRecaller } from "./eval/retrieval-over-http.ts";
import { askAll, newestTurns, plainBm25, readConversations, recallRow } from "./eval/retrieval.ts";

const HELP = `npm run eval -- retrieval FILE [--url URL --key KEY]
    recall of the turns that hold the evidence, by category of question (LoCoMo file), through the public API of a service:
    the one at --url, or one of its own that it starts and stops

npm run eval -- summaries FILE [--percent 18.5]
    share of the gold answers' stems that a summary of so many percent of the words keeps (LoCoMo file)
`;

const [measure, ...rest] = process.argv.slice(2);
if (measure === "retrieval") await evaluateRetrieval(rest);
else if (measure === "summaries") {
  process.argv.splice(2, 1);
  await import("./eval/summaries.ts");
} else {
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
