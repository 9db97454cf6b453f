// npm run live: the live feed under load, on a service of its own. `--help` tells the rest.
import { setTimeout as sleep } from "node:timers/promises";
import { makeBundle, makeRunDirectory, removeRunDirectory } from "./bench/host.ts";
import { loadAverage } from "./bench/machine.ts";
import { showTable } from "./bench/table.ts";
import { findFreePort } from "./dev/ports.ts";
import { type Service, startService } from "./dev/service.ts";
import { type FanoutReport, type MemorySample, runFanout } from "./live/fanout.ts";
import { inspectHeap } from "./live/inspected-heap.ts";
import { type ResumeReport, runResume } from "./live/resume.ts";
import { noneOf, readCommandLine, readNumber } from "./program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "./program/run-program.ts";

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

const OPTIONS = {
  resume: { type: "boolean", default: false },
  fanout: { type: "boolean", default: false },
  sockets: { type: "string" },
  events: { type: "string", default: "20000" },
  seed: { type: "string", default: "1" },
  rate: { type: "string", default: "50" },
  seconds: { type: "string", default: "120" },
  idle: { type: "string", default: "10" },
} as const;

interface Wanted {
  readonly isResume: boolean;
  readonly isFanout: boolean;
  /** Null: as many as suit what is measured. */
  readonly sockets: number | null;
  readonly events: number;
  readonly seed: number;
  /** Appends a second. */
  readonly rate: number;
  readonly seconds: number;
  /** In seconds. */
  readonly idle: number;
}

type LiveOptions = Wanted & { readonly signal: AbortSignal };

const commandLine = readCommandLine(process.argv.slice(2), OPTIONS, (values, positionals): Wanted => {
  noneOf(positionals);
  const isBoth = values.resume === values.fanout;
  const { sockets, events, seed, rate, seconds, idle } = values;
  // A fan-out takes no more sockets than a session serves.
  const maxSockets = isBoth || values.fanout ? 100 : 1_000;
  return {
    isResume: isBoth || values.resume,
    isFanout: isBoth || values.fanout,
    sockets: sockets === undefined ? null : readNumber("--sockets", sockets, 1, maxSockets),
    events: readNumber("--events", events, 1, 90_000),
    seed: readNumber("--seed", seed, 1, 999_999_999),
    rate: readNumber("--rate", rate, 1, 1_000),
    seconds: readNumber("--seconds", seconds, 1, 3_600),
    idle: readNumber("--idle", idle, 1, 3_600),
  };
});

await runProgram(commandLine, {
  help: HELP,
  hint: "npm run live -- --help tells the options.",
  run: (wanted) => untilInterrupted((signal) => measure({ ...wanted, signal })),
});

async function measure(options: LiveOptions): Promise<number> {
  const directory = makeRunDirectory();
  try {
    const bundleDir = await makeBundle(directory, options.signal);
    const lines: string[] = [];
    let faults = 0;
    if (options.isResume) {
      const report = await measureResume(`${directory}/resume`, bundleDir, options);
      faults += report.faults.length;
      lines.push(...showResume(report), "");
    }
    if (options.isFanout) {
      const report = await measureFanout(`${directory}/fanout`, bundleDir, options);
      faults += report.faults.length;
      lines.push(...showFanout(report), "");
    }
    console.log(`\n${lines.join("\n")}load average ${loadAverage().join(", ")}`);
    return faults === 0 ? EXIT.ok : EXIT.failed;
  } finally {
    removeRunDirectory(directory);
  }
}

/** Says how far it is now and then. */
function progress(noun: string): (count: number) => void {
  let toldAt = performance.now();
  return (count) => {
    if (performance.now() - toldAt < PROGRESS_EVERY_MS) return;
    toldAt = performance.now();
    console.log(`${count} ${noun} …`);
  };
}

async function measureResume(stateDir: string, bundleDir: string, options: LiveOptions): Promise<ResumeReport> {
  const { signal } = options;
  let service: Service = await startService({ stateDir, bundleDir, signal });
  const again = async (end: () => Promise<void>): Promise<void> => {
    await end();
    service = await startService({ stateDir, bundleDir, signal });
  };
  try {
    return await runResume(() => ({ url: service.url, apiKey: service.apiKey, session: "followed" }), {
      sockets: options.sockets ?? 200,
      events: options.events,
      seed: options.seed,
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

async function measureFanout(stateDir: string, bundleDir: string, options: LiveOptions): Promise<FanoutReport> {
  const { signal } = options;
  const inspectorPort = await findFreePort();
  const service = await startService({ stateDir, bundleDir, inspectorPort, signal });
  const heap = await inspectHeap(inspectorPort);
  try {
    return await runFanout(() => ({ url: service.url, apiKey: service.apiKey, session: "watched" }), {
      sockets: options.sockets ?? 100,
      appendsPerSecond: options.rate,
      warmUpSeconds: WARM_UP_SECONDS,
      seconds: options.seconds,
      idleSeconds: options.idle,
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

function ms(value: number | undefined): string {
  return value === undefined ? "-" : `${value.toFixed(1)} ms`;
}

function signed(value: number): string {
  return `${value < 0 ? "" : "+"}${value.toFixed(1)}`;
}

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
