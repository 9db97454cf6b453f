// npm run live: the live feed under load, on a service of its own. `--help` tells the rest.
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { makeBundle, makeRunDirectory, removeRunDirectory } from "./bench/host.ts";
import { loadAverage } from "./bench/machine.ts";
import { showTable } from "./bench/table.ts";
import { findFreePort } from "./dev/ports.ts";
import { type Service, startService } from "./dev/service.ts";
import { StartError } from "./dev/start-error.ts";
import { type FanoutReport, type MemorySample, runFanout } from "./live/fanout.ts";
import { inspectHeap } from "./live/inspected-heap.ts";
import { type ResumeReport, runResume } from "./live/resume.ts";

const HELP = `npm run live -- --resume     readers drop and reopen their sockets at random points, over two quiet spells in which the session's
                             object hibernates, a stop and a kill -9 of the service: each must see each event once, in order
npm run live -- --fanout     one session, many sockets, appends at a steady rate; one of the sockets never reads. The others must
                             see all, and workerd's memory, after V8 has collected, may not rise by a tenth in the second half
  --sockets N    resume: 200, of which at most 90 are open at once; fanout: 100
  --events N     resume: 20000
  --seed N       resume: 1
  --rate N       fanout: 50 appends a second
  --seconds N    fanout: 120
  --idle N       fanout: 10 seconds at the end in which nothing is said
Without either both run.`;

/** The runtime lets an object hibernate after ten seconds of idling. */
const QUIET_MS = 13_000;
const WARM_UP_SECONDS = 5;
const PROGRESS_EVERY_MS = 10_000;

const { values } = parseArgs({
  options: {
    resume: { type: "boolean", default: false },
    fanout: { type: "boolean", default: false },
    sockets: { type: "string" },
    events: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
    rate: { type: "string", default: "50" },
    seconds: { type: "string", default: "120" },
    idle: { type: "string", default: "10" },
    help: { type: "boolean", default: false },
  },
});

function wholeNumber(name: string, text: string, max: number): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 1 && number <= max) return number;
  console.error(`--${name} takes a whole number from 1 to ${max}, not "${text}".\n\n${HELP}`);
  process.exit(64);
}

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interruption.abort());

/** Says how far it is now and then. */
function progress(noun: string): (count: number) => void {
  let toldAt = performance.now();
  return (count) => {
    if (performance.now() - toldAt < PROGRESS_EVERY_MS) return;
    toldAt = performance.now();
    console.log(`${count} ${noun} …`);
  };
}

async function measureResume(stateDir: string, bundleDir: string): Promise<ResumeReport> {
  const { signal } = interruption;
  let service: Service = await startService({ stateDir, bundleDir, signal });
  const again = async (end: () => Promise<void>): Promise<void> => {
    await end();
    service = await startService({ stateDir, bundleDir, signal });
  };
  try {
    return await runResume(() => ({ url: service.directUrl, apiKey: service.apiKey, session: "followed" }), {
      sockets: wholeNumber("sockets", values.sockets ?? "200", 1_000),
      events: wholeNumber("events", values.events, 90_000),
      seed: wholeNumber("seed", values.seed, 2 ** 31),
      disturbances: [
        () => sleep(QUIET_MS),
        () => again(() => service.stop()),
        () => sleep(QUIET_MS),
        () => again(() => service.kill9()),
      ],
      signal,
      onProgress: progress("events"),
    });
  } finally {
    await service.stop();
  }
}

async function measureFanout(stateDir: string, bundleDir: string): Promise<FanoutReport> {
  const { signal } = interruption;
  const inspectorPort = await findFreePort();
  const service = await startService({ stateDir, bundleDir, inspectorPort, signal });
  const heap = await inspectHeap(inspectorPort);
  try {
    return await runFanout(() => ({ url: service.directUrl, apiKey: service.apiKey, session: "watched" }), {
      sockets: wholeNumber("sockets", values.sockets ?? "100", 100),
      appendsPerSecond: wholeNumber("rate", values.rate, 1_000),
      warmUpSeconds: WARM_UP_SECONDS,
      seconds: wholeNumber("seconds", values.seconds, 3_600),
      idleSeconds: wholeNumber("idle", values.idle, 3_600),
      runtimePid: service.pids["runtime"],
      heap,
      signal,
      onProgress: progress("appends"),
      onMemory: (sample) => console.log(`workerd has ${memoryText(sample)} after ${sample.atSeconds} s`),
    });
  } finally {
    heap.close();
    await service.stop();
  }
}

const ms = (value: number | undefined): string => (value === undefined ? "-" : `${value.toFixed(1)} ms`);

const signed = (value: number): string => `${value < 0 ? "" : "+"}${value.toFixed(1)}`;

function memoryText(sample: MemorySample | null | undefined): string {
  if (sample === null || sample === undefined) return "-";
  const { residentMiB, heapMiB } = sample;
  return heapMiB === null ? `${residentMiB} MiB` : `${residentMiB} MiB, of which the heap holds ${heapMiB}`;
}

function showResume({ events, deliveries, connections, seconds, faults }: ResumeReport): string[] {
  const head = ["resume", "events", "deliveries", "connections", "seconds", "faults"];
  const cells = [events, deliveries, connections, Math.round(seconds), faults.length].map((cell) =>
    cell.toLocaleString("en"),
  );
  return [...showTable(head, [["each event once, in order", ...cells]]), ...faults.slice(0, 10)];
}

function showFanout(report: FanoutReport): string[] {
  const { appends, deliveries, delivery, append, processorPercent, memory, memoryAtRest, memoryRise, faults } = report;
  const head = ["fanout", "p50", "p99", "max"];
  const row = (name: string, times: FanoutReport["append"]): string[] => [
    name,
    ms(times?.p50Ms),
    ms(times?.p99Ms),
    ms(times?.maxMs),
  ];
  return [
    ...showTable(head, [row("append until the event has come", delivery), row("append until it is answered", append)]),
    `${appends.toLocaleString("en")} appends, ${deliveries.toLocaleString("en")} deliveries, ${faults.length} faults`,
    `workerd: ${processorPercent ?? "-"} % of a core; ${memoryText(memory[0])} at the start; ${memoryText(memory.at(-1))} at the end; ${memoryText(memoryAtRest)} after idling`,
    memoryRise === null
      ? "too short to tell whether memory is steady"
      : `memory in the second half: ${signed(100 * memoryRise)} %`,
    ...faults.slice(0, 10),
  ];
}

if (values.help) {
  console.log(HELP);
} else {
  const isBoth = values.resume === values.fanout;
  const directory = makeRunDirectory();
  try {
    const bundleDir = await makeBundle(directory, interruption.signal);
    const lines: string[] = [];
    let faults = 0;
    if (isBoth || values.resume) {
      const report = await measureResume(`${directory}/resume`, bundleDir);
      faults += report.faults.length;
      lines.push(...showResume(report), "");
    }
    if (isBoth || values.fanout) {
      const report = await measureFanout(`${directory}/fanout`, bundleDir);
      faults += report.faults.length;
      lines.push(...showFanout(report), "");
    }
    console.log(`\n${lines.join("\n")}load average ${loadAverage().join(", ")}`);
    process.exitCode = faults === 0 ? 0 : 1;
  } catch (error) {
    if (!interruption.signal.aborted) console.error(error instanceof StartError ? `\n${error.message}` : error);
    process.exitCode = interruption.signal.aborted ? 130 : 1;
  } finally {
    removeRunDirectory(directory);
  }
}
