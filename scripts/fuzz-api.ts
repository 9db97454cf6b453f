// npm run fuzz:api: hostile requests to a running service, made of its own OpenAPI document. `--help` tells the rest.
import { parseArgs } from "node:util";
import { makeBundle, makeRunDirectory, removeRunDirectory, startOwnHost } from "./bench/host.ts";
import { showTable } from "./bench/table.ts";
import { StartError } from "./dev/start-error.ts";
import { describeFailure } from "./fuzz-api/describe-failure.ts";
import { type FuzzReport, type FuzzTarget, runFuzz, sendOne } from "./fuzz-api/run-fuzz.ts";

const HELP = `npm run fuzz:api -- --requests N   malformed and hostile requests, sound ones among them, to a service of its own
  --seed S      the same requests for the same seed (1)
  --only N      that one request by itself, with its answer
  --url URL     another service instead, with --key KEY and, for the operator's routes, --admin-key KEY
Each answer is checked: no 5xx, every refusal a problem document, nothing of the inside, of a secret or of what was sent in it. A session
of another user must stay as it was, the process must live, and its memory must not go on growing.`;

const PROGRESS_EVERY_MS = 5_000;

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    url: { type: "string" },
    key: { type: "string" },
    "admin-key": { type: "string" },
    help: { type: "boolean", default: false },
  },
});

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0 && number <= 10_000_000) return number;
  console.error(`--${name} takes a whole number up to 10,000,000, not "${text}".\n\n${HELP}`);
  process.exit(64);
}

const seed = wholeNumber("seed", values.seed);
const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interruption.abort());

function showStatuses({ statuses }: FuzzReport): string[] {
  const all = [...new Set([...statuses.values()].flatMap((counts) => [...counts.keys()]))].toSorted((a, b) => a - b);
  const rows = [...statuses]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([operation, counts]) => [operation, ...all.map((status) => String(counts.get(status) ?? "·"))]);
  return showTable(["operation", ...all.map((status) => (status === 0 ? "closed" : String(status)))], rows);
}

async function fuzz(target: FuzzTarget): Promise<boolean> {
  if (values.only !== undefined) {
    const one = await sendOne(target, seed, wholeNumber("only", values.only));
    console.log(describeFailure(one, target.url, seed));
    return one.faults.length === 0;
  }
  let toldAt = performance.now();
  const report = await runFuzz(target, {
    requests: wholeNumber("requests", values.requests),
    seed,
    signal: interruption.signal,
    onProgress(done) {
      if (performance.now() - toldAt < PROGRESS_EVERY_MS) return;
      toldAt = performance.now();
      console.log(`${done} of ${values.requests} requests …`);
    },
  });
  console.log(`\n${showStatuses(report).join("\n")}\n`);
  for (const failure of report.failures.slice(0, 10)) console.log(`${describeFailure(failure, target.url, seed)}\n`);
  for (const fault of report.faults) console.log(`FAULT: ${fault}`);
  const memory = report.memoryMiB.map((mib) => mib ?? "-").join(", ");
  console.log(
    `${report.requests} requests of seed ${seed} in ${report.seconds.toFixed(0)} s, ${report.failures.length} bad answers, ` +
      `${report.faults.length} other faults; workerd in MiB by quarter: ${memory}`,
  );
  return report.failures.length + report.faults.length === 0;
}

async function fuzzOwn(): Promise<boolean> {
  const directory = makeRunDirectory();
  const { signal } = interruption;
  try {
    const host = await startOwnHost(directory, await makeBundle(directory, signal), signal);
    try {
      return await fuzz(host);
    } finally {
      await host.stop();
    }
  } finally {
    removeRunDirectory(directory);
  }
}

if (values.help) {
  console.log(HELP);
} else if (values.url !== undefined && values.key === undefined) {
  console.error(`--url needs --key.\n\n${HELP}`);
  process.exitCode = 64;
} else {
  try {
    const { url, key = "", "admin-key": adminKey = null } = values;
    const isGood =
      url === undefined ? await fuzzOwn() : await fuzz({ url, apiKey: key, adminKey, runtimePid: undefined });
    process.exitCode = isGood ? 0 : 1;
  } catch (error) {
    if (!interruption.signal.aborted) console.error(error instanceof StartError ? `\n${error.message}` : error);
    process.exitCode = interruption.signal.aborted ? 130 : 1;
  }
}
