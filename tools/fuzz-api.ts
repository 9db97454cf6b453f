// npm run fuzz:api: hostile requests to a running service, generated from its own OpenAPI document.
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
/** How long the other user reads before the flood begins. */
const ALONE_MS = 40_000;

/** The heap that Cloudflare gives an isolate. A runtime that needs more of it ends, which is reported as a fault. */
const HEAP_MIB = 128;
/** Limit for the runtime's whole process: the program, the heaps of the Worker and of the local stand-ins for Cloudflare, SQLite's caches, bodies. */
const MAX_MEMORY_MIB = 286; // 300 MB
/** How many times as long another user may wait for a context, at the 99th percentile. */
const MAX_P99_RATIO = 2;

interface FuzzOptions {
  readonly requests: number;
  readonly seed: number;
  /** The number of the only request to send; null: all. */
  readonly only: number | null;
  readonly asUser: boolean;
  readonly isForCosts: boolean;
  /** Null: start a service. */
  readonly target: FuzzTarget | null;
}

const number = wholeNumber(0, MAX_NUMBER);

const program = createProgram(
  "npm run fuzz:api --",
  "Sends malformed, hostile and valid requests to a service, generated from its OpenAPI document.",
)
  .option("--requests <n>", "number of requests", number, 20_000)
  .option("--seed <n>", "the same requests for the same seed", number, 1)
  .option("--only <n>", "send only this request, and print its answer", number)
  .addOption(
    new Option(
      "--as <who>",
      "only requests of end users, with their tokens and limits, and how they affect others; not with --url",
    ).choices(["user"] as const),
  )
  .option(
    "--costs",
    "instead, measure the processor time of some fifty hostile requests of an end user, beyond parsing their JSON",
    false,
  )
  .option("--url <url>", "send to this running service, with --key (default: start one)", serviceUrl)
  .option("--key <key>", "its API key")
  .option("--admin-key <key>", "its admin key, for the operators' routes")
  .addHelpText(
    "after",
    `
Each answer is checked: no 5xx, every refusal is a problem document, and none of them shows internals, a secret or
what was sent. Another user's session must not change, the process must not end, and its memory must not keep growing.
With --as user, mostly imports, settings and frames are sent. It also reports the memory, the most expensive requests,
and how long another user's reads took before and during the attack, in a second runtime and in the attacked one,
which has the heap size that Cloudflare gives.

Examples:
  npm run fuzz:api -- --requests 100000 --seed 7
  npm run fuzz:api -- --seed 7 --only 4711`,
  )
  .action(async ({ requests, seed, only = null, as, costs, url, key, adminKey = null }) => {
    if (as !== undefined && url !== undefined) {
      throw new UsageFault("--as user signs tokens, which only a service that it starts accepts: leave out --url");
    }
    if (costs && url !== undefined) {
      throw new UsageFault("--costs measures the process of a service that it starts: leave out --url");
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
  if (!isBounded) console.log(`FAULT: the runtime may use at most ${MAX_MEMORY_MIB} MiB`);
  return isBounded && report.failures.length + report.faults.length === 0;
}

function showDearest(dearest: readonly DearRequest[]): string[] {
  const rows = dearest.map(({ place, operationId, status, bytes, processorMs }) => {
    return [`${operationId}, --only ${place}`, String(status), String(bytes), processorMs.toFixed(0)];
  });
  return showTable(
    ["most expensive requests, each sent once more by itself", "status", "bytes", "ms on the runtime's thread"],
    rows,
  );
}

/** Several users send, because one may send a hundred requests in ten seconds, and most requests have to get past that limit to reach the code behind it. */
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
    `\nAnother user's contexts, before and during the attack.\n` +
      `In a second runtime, because Cloudflare runs objects on many machines:\n${showTimes(sharded)}\n` +
      `In the attacked runtime, where one thread serves all users and all objects:\n${showTimes(sharing)}\n` +
      `Load average ${loadAverage().join(", ")}: on a machine with other work, the clock measures that work as well.`,
  );
  const isSpared = (sharded?.clockRatio ?? 0) <= MAX_P99_RATIO && sharded?.failures === 0 && sharing?.failures === 0;
  if (!isSpared)
    console.log(
      `FAULT: another user in a second runtime may wait at most ${MAX_P99_RATIO} times as long as without the attack`,
    );
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
    row("work of the runtime's thread meanwhile", "worked", workedRatio),
  ];
  const table = showTable(["  ms", "alone p50", "p99", "meanwhile p50", "p99", "p99 by p99"], rows);
  return `${table.join("\n")}\n  ${during.clock?.count ?? 0} reads, ${failures} failed`;
}

async function tellCosts({ url, runtimePid, issuerKey = "" }: Host, signal: AbortSignal): Promise<boolean> {
  if (runtimePid === undefined) throw new Error("the runtime's process id is unknown");
  const token = await signUserToken(issuerKey, { user: "mallory" });
  const rows = await measureCosts({ url, token, runtimePid }, signal);
  console.log(
    `${showCosts(rows).join("\n")}\n\nEach figure is the lowest of several runs. Load average ${loadAverage().join(", ")}.`,
  );
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
