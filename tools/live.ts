// npm run live: the live feed under load, on a service of its own.
import { setTimeout as sleep } from "node:timers/promises";
import { findFreePort } from "../scripts/dev/ports.ts";
import { type Service, startService } from "../scripts/dev/service.ts";
import { createProgram, decimal, UsageFault, wholeNumber } from "../scripts/program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "../scripts/program/run-program.ts";
import { showTable } from "../scripts/program/table.ts";
import { MAX_SOCKETS_PER_SESSION } from "../src/api/limits.ts";
import { makeBundle, makeRunDirectory, removeRunDirectory } from "./bench/host.ts";
import { loadAverage } from "./bench/machine.ts";
import { type FanoutReport, type MemorySample, runFanout } from "./live/fanout.ts";
import { inspectHeap } from "./live/inspected-heap.ts";
import { type ResumeReport, runResume } from "./live/resume.ts";

/** The runtime lets an object hibernate ten seconds after its last work. */
const QUIET_MS = 13_000;
const WARM_UP_SECONDS = 5;
const PROGRESS_EVERY_MS = 10_000;
const MAX_RESUME_SOCKETS = 1_000;

interface Wanted {
  readonly isResume: boolean;
  readonly isFanout: boolean;
  /** Null: the number that suits the measurement. */
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

const program = createProgram("npm run live --", "Tests the live feed under load, on a service that it starts.")
  .option(
    "--resume",
    "readers drop and reopen their sockets at random moments, during two pauses, a stop and a kill -9 of the service",
    false,
  )
  .option(
    "--fanout",
    "many sockets on one session with a steady rate of appends; one of the sockets never reads",
    false,
  )
  .option(
    "--sockets <n>",
    `number of sockets, for resume at most ${MAX_RESUME_SOCKETS} (default: 200 for resume, of which at most 90 are open at once; 100 for fanout)`,
    wholeNumber(1, MAX_SOCKETS_PER_SESSION),
  )
  .option("--events <n>", "resume: number of events", wholeNumber(1, 90_000), 20_000)
  .option("--seed <n>", "resume: the same disturbances for the same seed", wholeNumber(1, 999_999_999), 1)
  .option("--rate <n>", "fanout: appends a second", decimal(0.05, 1_000), 50)
  .option("--seconds <n>", "fanout: duration", wholeNumber(1, 3_600), 120)
  .option("--idle <n>", "fanout: seconds without appends at the end", wholeNumber(1, 3_600), 10)
  .addHelpText(
    "after",
    `
Without --resume and --fanout both run. In resume, each reader must see each event once, in order; during the pauses the
session's object hibernates. In fanout, all sockets that read must see every event, and workerd's memory after garbage
collection must rise by less than a tenth in the second half.

Example:
  npm run live -- --resume --events 5000
  npm run live -- --fanout --sockets 5000 --rate 0.2 --seconds 100`,
  )
  .action(async ({ resume, fanout, sockets = null, ...options }) => {
    const isBoth = resume === fanout;
    if ((isBoth || resume) && sockets !== null && sockets > MAX_RESUME_SOCKETS) {
      throw new UsageFault(`--sockets is at most ${MAX_RESUME_SOCKETS} for --resume; more are for --fanout alone`);
    }
    const wanted = { ...options, isResume: isBoth || resume, isFanout: isBoth || fanout, sockets };
    process.exitCode = await untilInterrupted((signal) => measure({ ...wanted, signal }));
  });

await runProgram(program);

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

/** Prints the progress now and then. */
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
  const { appends, deliveries, openSeconds, delivery, appendAlone, append, faults } = report;
  const { processorPercent, memory, memoryAtRest, memoryRise } = report;
  const head = ["fanout", "p50", "p99", "max"];
  const row = (name: string, times: FanoutReport["append"]): string[] => [
    name,
    ms(times?.p50Ms),
    ms(times?.p99Ms),
    ms(times?.maxMs),
  ];
  return [
    ...showTable(head, [
      row("append until the event has come", delivery),
      row("append until it is answered", append),
      row("the same before there were sockets", appendAlone),
    ]),
    `all sockets were open after ${openSeconds.toFixed(1)} s`,
    `${appends.toLocaleString("en")} appends, ${deliveries.toLocaleString("en")} deliveries, ${faults.length} faults`,
    `workerd: ${processorPercent ?? "-"} % of a core; ${memoryText(memory[0])} at the start; ${memoryText(memory.at(-1))} at the end; ${memoryText(memoryAtRest)} after a rest`,
    memoryRise === null
      ? "the run was too short to tell whether memory is steady"
      : `memory in the second half: ${signed(100 * memoryRise)} %`,
    ...faults.slice(0, 10),
  ];
}
