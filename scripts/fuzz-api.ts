// npm run fuzz:api: hostile requests to a running service, made of its own OpenAPI document. `--help` tells the rest.
import { type Host, makeBundle, makeRunDirectory, removeRunDirectory, startOwnHost } from "./bench/host.ts";
import { loadAverage } from "./bench/machine.ts";
import { type Distribution, distributionOf, ratioOf } from "./bench/statistics.ts";
import { showTable } from "./bench/table.ts";
import { signUserToken } from "./dev/issuer.ts";
import { describeFailure } from "./fuzz-api/describe-failure.ts";
import { measureCosts, showCosts } from "./fuzz-api/measure-costs.ts";
import { Neighbour } from "./fuzz-api/neighbour.ts";
import { type FuzzReport, type FuzzTarget, runFuzz, sendOne } from "./fuzz-api/run-fuzz.ts";
import { noneOf, readCommandLine, readNumber, readServiceUrl, UsageFault } from "./program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "./program/run-program.ts";

const HELP = `npm run fuzz:api -- --requests N   malformed and hostile requests, sound ones among them, to a service of its own
  --seed S      the same requests for the same seed (1)
  --only N      that one request by itself, with its answer
  --as user     end users' requests alone, with their tokens and the limits on: imports, settings and frames above all; told besides
                are the memory, and what another user's reads took alone and meanwhile. A service of its own only.
  --costs       instead: what each of some fifty hostile requests of an end user takes of the processor, beyond reading its JSON
  --url URL     another service instead, with --key KEY and, for the operator's routes, --admin-key KEY
Each answer is checked: no 5xx, every refusal a problem document, nothing of the inside, of a secret or of what was sent in it. A session
of another user must stay as it was, the process must live, and its memory must not go on growing.`;

const PROGRESS_EVERY_MS = 5_000;

const MAX_NUMBER = 10_000_000;
const USERS = 4;
/** How long the other user reads alone. */
const ALONE_MS = 20_000;

const OPTIONS = {
  requests: { type: "string", default: "20000" },
  seed: { type: "string", default: "1" },
  only: { type: "string" },
  as: { type: "string" },
  costs: { type: "boolean", default: false },
  url: { type: "string" },
  key: { type: "string" },
  "admin-key": { type: "string" },
} as const;

interface FuzzOptions {
  readonly requests: number;
  readonly seed: number;
  /** The number of the one request to send; null: all. */
  readonly only: number | null;
  readonly asUser: boolean;
  readonly isForCosts: boolean;
  /** Null: a service of its own. */
  readonly target: FuzzTarget | null;
}

const commandLine = readCommandLine(process.argv.slice(2), OPTIONS, (values, positionals): FuzzOptions => {
  noneOf(positionals);
  const { requests, seed, only, as, costs, url, key, "admin-key": adminKey = null } = values;
  if (as !== undefined && as !== "user") throw new UsageFault("--as takes user");
  if (as !== undefined && url !== undefined)
    throw new UsageFault("--as user signs tokens for a service of its own: leave out --url");
  if (costs && url !== undefined)
    throw new UsageFault("--costs looks at the process of a service of its own: leave out --url");
  if (url !== undefined && key === undefined) throw new UsageFault("--url needs --key");
  if (url !== undefined) readServiceUrl("--url", url);
  return {
    requests: readNumber("--requests", requests, 0, MAX_NUMBER),
    seed: readNumber("--seed", seed, 0, MAX_NUMBER),
    asUser: as !== undefined,
    isForCosts: costs,
    only: only === undefined ? null : readNumber("--only", only, 0, MAX_NUMBER),
    target: url === undefined || key === undefined ? null : { url, apiKey: key, adminKey, runtimePid: undefined },
  };
});

await runProgram(commandLine, {
  help: HELP,
  hint: "npm run fuzz:api -- --help tells the options.",
  run: (options) =>
    untilInterrupted(async (signal) => {
      const { target } = options;
      const isGood = target === null ? await fuzzOwn(options, signal) : await fuzz(target, options, signal);
      return isGood ? EXIT.ok : EXIT.failed;
    }),
});

function showStatuses({ statuses, times }: FuzzReport): string[] {
  const all = [...new Set([...statuses.values()].flatMap((counts) => [...counts.keys()]))].toSorted((a, b) => a - b);
  const rows = [...statuses]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([operation, counts]) => {
      const { p50Ms = 0, maxMs = 0 } = distributionOf(times.get(operation) ?? []) ?? {};
      const took = [p50Ms, maxMs].map((ms) => ms.toFixed(0));
      return [operation, ...all.map((status) => String(counts.get(status) ?? "·")), ...took];
    });
  const columns = all.map((status) => (status === 0 ? "closed" : String(status)));
  return showTable(["operation", ...columns, "p50 ms", "max ms"], rows);
}

async function fuzz(target: FuzzTarget, options: FuzzOptions, signal: AbortSignal): Promise<boolean> {
  const { seed, requests, only } = options;
  if (only !== null) {
    const one = await sendOne(target, seed, only);
    console.log(describeFailure(one, target.url, seed));
    return one.faults.length === 0;
  }
  let toldAt = performance.now();
  const report = await runFuzz(target, {
    requests,
    seed,
    signal,
    onProgress(done) {
      if (performance.now() - toldAt < PROGRESS_EVERY_MS) return;
      toldAt = performance.now();
      console.log(`${done} of ${requests} requests …`);
    },
  });
  console.log(`\n${showStatuses(report).join("\n")}\n`);
  for (const failure of report.failures.slice(0, 10)) console.log(`${describeFailure(failure, target.url, seed)}\n`);
  for (const fault of report.faults) console.log(`FAULT: ${fault}`);
  const memory = report.memoryMiB.map((mib) => mib ?? "-").join(", ");
  console.log(
    `${report.requests} requests of seed ${seed} in ${report.seconds.toFixed(0)} s, ${report.failures.length} bad answers, ` +
      `${report.faults.length} other faults; workerd in MiB by quarter: ${memory}, at most ${report.peakMiB ?? "-"}`,
  );
  return report.failures.length + report.faults.length === 0;
}

/** Several users: what one may send in ten seconds is a hundred requests, and most of them must get past that to meet what is behind it. */
async function fuzzAsUser(host: Host, options: FuzzOptions, signal: AbortSignal): Promise<boolean> {
  const tokenOf = (user: string): Promise<string> => signUserToken(host.issuerKey ?? "", { user });
  const userTokens = await Promise.all(Array.from({ length: USERS }, (_, at) => tokenOf(`mallory-${at}`)));
  const neighbour = new Neighbour(host.url, await tokenOf("beside"));
  await neighbour.prepare();
  const alone = await neighbour.readUntil(AbortSignal.any([signal, AbortSignal.timeout(ALONE_MS)]));
  const over = new AbortController();
  const reading = neighbour.readUntil(AbortSignal.any([signal, over.signal]));
  const { apiKey, url, runtimePid } = host;
  let isGood = false;
  try {
    isGood = await fuzz({ apiKey, url, runtimePid, adminKey: null, userTokens }, options, signal);
  } finally {
    over.abort();
  }
  const during = await reading;
  const show = (what: string, times: Distribution | null): string =>
    times === null
      ? `${what} nothing was read`
      : `${what} p50 ${times.p50Ms} ms, p99 ${times.p99Ms} ms of ${times.count}`;
  console.log(
    `another user's contexts: ${show("alone", alone)}; ${show("meanwhile", during)}; ` +
      `p99 ${ratioOf(during?.p99Ms, alone?.p99Ms) ?? "-"} times; ${neighbour.failures} failed. Load average ${loadAverage().join(", ")}.`,
  );
  return isGood && neighbour.failures === 0;
}

async function tellCosts({ url, runtimePid, issuerKey = "" }: Host, signal: AbortSignal): Promise<boolean> {
  if (runtimePid === undefined) throw new Error("the runtime's process is not known");
  const token = await signUserToken(issuerKey, { user: "mallory" });
  const rows = await measureCosts({ url, token, runtimePid }, signal);
  console.log(`${showCosts(rows).join("\n")}\n\nThe least of several tries. Load average ${loadAverage().join(", ")}.`);
  return rows.every(({ status }) => status < 500);
}

async function fuzzOwn(options: FuzzOptions, signal: AbortSignal): Promise<boolean> {
  const directory = makeRunDirectory();
  try {
    const env = options.asUser ? { THREADKEEP_RATE_LIMITS: "on" } : {};
    const host = await startOwnHost(directory, await makeBundle(directory, signal), signal, env);
    try {
      if (options.isForCosts) return await tellCosts(host, signal);
      return options.asUser ? await fuzzAsUser(host, options, signal) : await fuzz(host, options, signal);
    } finally {
      await host.stop();
    }
  } finally {
    removeRunDirectory(directory);
  }
}
