// npm run fuzz:api: hostile requests to a running service, made of its own OpenAPI document. `--help` tells the rest.
import { Option } from "@commander-js/extra-typings";
import { signUserToken } from "../scripts/dev/issuer.ts";
import { createProgram, serviceUrl, UsageFault, wholeNumber } from "../scripts/program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "../scripts/program/run-program.ts";
import { showTable } from "../scripts/program/table.ts";
import { type Host, makeBundle, makeRunDirectory, removeRunDirectory, startOwnHost } from "./bench/host.ts";
import { loadAverage } from "./bench/machine.ts";
import { type Distribution, distributionOf, ratioOf } from "./bench/statistics.ts";
import { describeFailure } from "./fuzz-api/describe-failure.ts";
import { measureCosts, showCosts } from "./fuzz-api/measure-costs.ts";
import { Neighbour, type NeighbourTimes } from "./fuzz-api/neighbour.ts";
import { type DearRequest, type FuzzReport, type FuzzTarget, runFuzz, sendOne } from "./fuzz-api/run-fuzz.ts";

const PROGRESS_EVERY_MS = 5_000;

const MAX_NUMBER = 10_000_000;
const USERS = 4;
/** How long the other user reads alone. */
const ALONE_MS = 40_000;

/** What Cloudflare gives an isolate. A runtime that needs more of it ends, and that is told as a fault. */
const HEAP_MIB = 128;
/** The runtime's whole process: its program, the heaps of the Worker and of what stands in for Cloudflare here, caches of SQLite, bodies. */
const MAX_MEMORY_MIB = 286; // 300 MB
/** By how much another user may wait longer for their context, at the 99th percentile. */
const MAX_P99_RATIO = 2;

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

const number = wholeNumber(0, MAX_NUMBER);

const program = createProgram(
  "npm run fuzz:api --",
  "Malformed and hostile requests, sound ones among them, to a service of its own, made of its OpenAPI document.",
)
  .option("--requests <n>", "so many", number, 20_000)
  .option("--seed <n>", "the same requests for the same seed", number, 1)
  .option("--only <n>", "that one request by itself, with its answer", number)
  .addOption(
    new Option(
      "--as <who>",
      "end users' requests alone, with their tokens and the limits on, and what they cost others; a service of its own only",
    ).choices(["user"] as const),
  )
  .option(
    "--costs",
    "instead: what each of some fifty hostile requests of an end user takes of the processor, beyond reading its JSON",
    false,
  )
  .option("--url <url>", "another service instead, with --key", serviceUrl)
  .option("--key <key>", "its API key")
  .option("--admin-key <key>", "its admin key, for the operator's routes")
  .addHelpText(
    "after",
    `
Each answer is checked: no 5xx, every refusal a problem document, nothing of the inside, of a secret or of what was sent
in it. A session of another user must stay as it was, the process must live, and its memory must not go on growing.
With --as user, imports, settings and frames above all; told besides are the memory, the dearest requests, and what
another user's reads took alone and meanwhile, in a runtime beside the one that is attacked and in that one, which has the
heap that Cloudflare gives.

Examples:
  npm run fuzz:api -- --requests 100000 --seed 7
  npm run fuzz:api -- --seed 7 --only 4711`,
  )
  .action(async ({ requests, seed, only = null, as, costs, url, key, adminKey = null }) => {
    if (as !== undefined && url !== undefined) {
      throw new UsageFault("--as user signs tokens for a service of its own: leave out --url");
    }
    if (costs && url !== undefined) {
      throw new UsageFault("--costs looks at the process of a service of its own: leave out --url");
    }
    if (url !== undefined && key === undefined) throw new UsageFault("--url needs --key");
    const target =
      url === undefined || key === undefined ? null : { url, apiKey: key, adminKey, runtimePid: undefined };
    const options = { requests, seed, only, asUser: as !== undefined, isForCosts: costs, target };
    process.exitCode = await untilInterrupted(async (signal) => {
      const isGood = target === null ? await fuzzOwn(options, signal) : await fuzz(target, options, signal);
      return isGood ? EXIT.ok : EXIT.failed;
    });
  });

await runProgram(program);

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
  if (report.dearest.length > 0) console.log(`${showDearest(report.dearest).join("\n")}\n`);
  const memory = report.memoryMiB.map((mib) => mib ?? "-").join(", ");
  console.log(
    `${report.requests} requests of seed ${seed} in ${report.seconds.toFixed(0)} s, ${report.failures.length} bad answers, ` +
      `${report.faults.length} other faults; workerd in MiB by quarter: ${memory}, at most ${report.peakMiB ?? "-"}`,
  );
  const isBounded = target.userTokens === undefined || (report.peakMiB ?? 0) <= MAX_MEMORY_MIB;
  if (!isBounded) console.log(`FAULT: the runtime may have at most ${MAX_MEMORY_MIB} MiB`);
  return isBounded && report.failures.length + report.faults.length === 0;
}

function showDearest(dearest: readonly DearRequest[]): string[] {
  const rows = dearest.map(({ place, operationId, status, bytes, processorMs }) => {
    return [`${operationId}, --only ${place}`, String(status), String(bytes), processorMs.toFixed(0)];
  });
  return showTable(["dearest, each sent once more by itself", "status", "bytes", "ms of the runtime's thread"], rows);
}

/** Several users: what one may send in ten seconds is a hundred requests, and most of them must get past that to meet what is behind it. */
async function fuzzAsUser(host: Host, apart: Host, options: FuzzOptions, signal: AbortSignal): Promise<boolean> {
  const userTokens = await Promise.all(
    Array.from({ length: USERS }, (_, at) => signUserToken(host.issuerKey ?? "", { user: `mallory-${at}` })),
  );
  const neighbours = await Promise.all(
    [host, apart].map(async (at) => {
      const neighbour = new Neighbour(at, await signUserToken(at.issuerKey ?? "", { user: "beside" }));
      await neighbour.prepare();
      return neighbour;
    }),
  );
  const readUntil = (until: AbortSignal): Promise<NeighbourTimes[]> =>
    Promise.all(neighbours.map((neighbour) => neighbour.readUntil(until)));
  const alone = await readUntil(AbortSignal.any([signal, AbortSignal.timeout(ALONE_MS)]));
  const over = new AbortController();
  const reading = readUntil(AbortSignal.any([signal, over.signal]));
  const { apiKey, url, runtimePid } = host;
  const target: FuzzTarget = { apiKey, url, runtimePid, adminKey: null, userTokens, onEnd: () => over.abort() };
  let isGood = false;
  try {
    isGood = await fuzz(target, options, signal);
  } finally {
    over.abort();
  }
  const [sharing, sharded] = (await reading).map((during, at) => compareTimes(alone[at], during));
  console.log(
    `\nAnother user's contexts, alone and meanwhile.\n` +
      `In a runtime of their own, as Cloudflare runs objects on many machines:\n${showTimes(sharded)}\n` +
      `In the runtime that is attacked, where one thread serves everybody and all their objects:\n${showTimes(sharing)}\n` +
      `Load average ${loadAverage().join(", ")}: where others use the machine, the clock tells of them as well.`,
  );
  const isSpared = (sharded?.clockRatio ?? 0) <= MAX_P99_RATIO && sharded?.failures === 0 && sharing?.failures === 0;
  if (!isSpared)
    console.log(`FAULT: another user in a runtime of their own must wait at most ${MAX_P99_RATIO} times as long`);
  return isGood && isSpared;
}

interface ComparedTimes {
  readonly alone: NeighbourTimes | undefined;
  readonly during: NeighbourTimes;
  readonly clockRatio: number | null;
  readonly workedRatio: number | null;
  readonly failures: number;
}

function compareTimes(alone: NeighbourTimes | undefined, during: NeighbourTimes): ComparedTimes {
  return {
    alone,
    during,
    clockRatio: ratioOf(during.clock?.p99Ms, alone?.clock?.p99Ms),
    workedRatio: ratioOf(during.worked?.p99Ms, alone?.worked?.p99Ms),
    failures: during.failures + (alone?.failures ?? 0),
  };
}

function showTimes(times: ComparedTimes | undefined): string {
  if (times === undefined) return "  nothing was read";
  const { alone, during, clockRatio, workedRatio, failures } = times;
  const ms = (one: Distribution | null | undefined, at: "p50Ms" | "p99Ms"): string => one?.[at].toFixed(1) ?? "-";
  const row = (what: string, of: "clock" | "worked", ratio: number | null): string[] => [
    `  ${what}`,
    ms(alone?.[of], "p50Ms"),
    ms(alone?.[of], "p99Ms"),
    ms(during[of], "p50Ms"),
    ms(during[of], "p99Ms"),
    ratio === null ? "-" : `${ratio} times`,
  ];
  const rows = [
    row("by the clock", "clock", clockRatio),
    row("what the runtime's thread worked meanwhile", "worked", workedRatio),
  ];
  const table = showTable(["  ms", "alone p50", "p99", "meanwhile p50", "p99", "p99 by p99"], rows);
  return `${table.join("\n")}\n  ${during.clock?.count ?? 0} reads, ${failures} failed`;
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
    const bundle = await makeBundle(directory, signal);
    const env = options.asUser ? { THREADKEEP_RATE_LIMITS: "on" } : {};
    const heap = options.asUser ? { heapMiB: HEAP_MIB } : {};
    const host = await startOwnHost(directory, bundle, signal, env, heap);
    try {
      if (options.isForCosts) return await tellCosts(host, signal);
      if (!options.asUser || options.only !== null) return await fuzz(host, options, signal);
      const database = host.databaseUrl === undefined ? {} : { databaseUrl: host.databaseUrl };
      const apart = await startOwnHost(directory, bundle, signal, env, { ...heap, ...database });
      try {
        return await fuzzAsUser(host, apart, options, signal);
      } finally {
        await apart.stop();
      }
    } finally {
      await host.stop();
    }
  } finally {
    removeRunDirectory(directory);
  }
}
