import { createProgram, wholeNumber } from "../scripts/program/command-line.ts";
import { EXIT, runProgram } from "../scripts/program/run-program.ts";
import { showTable } from "../scripts/program/table.ts";
import { createRandom } from "../simulation/random.ts";
// node scripts/run.mjs measure-strangers: whether response times distinguish another user's session from one that does not exist.
import { makeBundle, makeRunDirectory, removeRunDirectory, startOwnHost } from "./bench/host.ts";
import { loadAverage } from "./bench/machine.ts";
import { distributionOf } from "./bench/statistics.ts";
import { areaUnderCurve } from "./strangers/area-under-curve.ts";

const MAX_AUC = 0.6;
const WARM_UPS = 50;
const MAX_NUMBER = 999_999_999;

interface Asked {
  readonly name: string;
  readonly method: string;
  readonly suffix: string;
  readonly body?: object;
}

/** An append would create a session for the stranger; an append that expects an impossible head changes nothing. */
const OPERATIONS: readonly Asked[] = [
  { name: "read", method: "GET", suffix: "" },
  { name: "context", method: "GET", suffix: "/context" },
  { name: "search", method: "POST", suffix: "/search", body: { query: "diary" } },
  { name: "edit", method: "PATCH", suffix: "/messages/m-1", body: { content: "Not the same." } },
  { name: "erase", method: "DELETE", suffix: "/messages/m-1" },
  {
    name: "append",
    method: "POST",
    suffix: "/messages",
    body: { messages: [{ id: "m-1", role: "user", content: "x" }], expectedHeadSeq: 7 },
  },
];

const program = createProgram(
  "node scripts/run.mjs measure-strangers",
  "Requests another user's session and one that does not exist, in random order, and checks that response times do not tell them apart.",
)
  .option("--samples <n>", "samples of each kind, for each operation", wholeNumber(1, MAX_NUMBER), 1_000)
  .option("--seed <n>", "seed of the random order", wholeNumber(0, MAX_NUMBER), 1)
  .addHelpText(
    "after",
    `
AUC is the probability that a request of the first kind took longer than one of the second; 0.5 means that they cannot be told
apart. Above ${MAX_AUC} or below ${1 - MAX_AUC} it fails.

Example:
  node scripts/run.mjs measure-strangers --samples 200`,
  )
  .action(async ({ samples, seed }) => {
    process.exitCode = (await run(samples, seed)) ? EXIT.ok : EXIT.failed;
  });

await runProgram(program);

interface Target {
  readonly url: string;
  readonly apiKey: string;
}

async function send({ url, apiKey }: Target, user: string, method: string, path: string, body?: object) {
  const startedAt = performance.now();
  const response = await fetch(url + path, {
    method,
    headers: { Authorization: `Bearer ${apiKey}`, "Threadkeep-User": user, "Content-Type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  await response.arrayBuffer();
  return { status: response.status, ms: performance.now() - startedAt };
}

/** One session for each sample, so that no request meets an object that an earlier one woke. */
async function writeSessions(target: Target, count: number): Promise<void> {
  const messages = Array.from({ length: 8 }, (_, at) => ({ id: `m-${at}`, role: "user", content: `Diary ${at}.` }));
  for (let at = 0; at < count; at += 8) {
    const ids = Array.from({ length: Math.min(8, count - at) }, (_, next) => at + next);
    await Promise.all(ids.map((id) => send(target, "ada", "POST", `/v1/sessions/there-${id}/messages`, { messages })));
  }
}

async function measure(target: Target, asked: Asked, samples: number, random: () => number) {
  const times = { there: [] as number[], never: [] as number[] };
  const statuses = new Set<number>();
  for (let at = 0; at < samples + WARM_UPS; at += 1) {
    const kinds = random() < 0.5 ? (["there", "never"] as const) : (["never", "there"] as const);
    for (const kind of kinds) {
      // Each operation uses another stranger, because it would otherwise meet the objects that the operation before it woke.
      const path = `/v1/sessions/${kind}-${at}${asked.suffix}`;
      const { status, ms } = await send(target, `mallory-${asked.name}`, asked.method, path, asked.body);
      statuses.add(status);
      if (at >= WARM_UPS) times[kind].push(ms);
    }
  }
  return { ...times, statuses: [...statuses] };
}

async function run(samples: number, seed: number): Promise<boolean> {
  const directory = makeRunDirectory();
  const { signal } = new AbortController();
  try {
    const host = await startOwnHost(directory, await makeBundle(directory, signal), signal);
    try {
      await writeSessions(host, samples + WARM_UPS);
      const random = createRandom(seed);
      const rows: string[][] = [];
      let isGood = true;
      for (const asked of OPERATIONS) {
        const { there, never, statuses } = await measure(host, asked, samples, random);
        const auc = areaUnderCurve(there, never);
        isGood &&= statuses.length === 1 && auc <= MAX_AUC && auc >= 1 - MAX_AUC;
        const [one, other] = [distributionOf(there), distributionOf(never)];
        const cells = [one?.p50Ms, other?.p50Ms, one?.p99Ms, other?.p99Ms].map((ms) => ms?.toFixed(2) ?? "-");
        rows.push([asked.name, statuses.join(" and "), ...cells, auc.toFixed(3)]);
      }
      const head = ["operation", "status", "another's p50", "none's p50", "another's p99", "none's p99", "AUC"];
      console.log(showTable(head, rows).join("\n"));
      console.log(`${samples} samples of each in random order, in ms; load average ${loadAverage().join(", ")}`);
      return isGood;
    } finally {
      await host.stop();
    }
  } finally {
    removeRunDirectory(directory);
  }
}
