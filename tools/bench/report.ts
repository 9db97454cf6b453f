import type { BundleSize } from "../../scripts/deploy/bundle-size.ts";
import { showTable } from "../../scripts/program/table.ts";
// The report of the benchmark, and its form in a terminal.
import type { AccessReport } from "./access.ts";
import type { ArchiveSearchReport } from "./archive-search.ts";
import type { FailureCount } from "./failures.ts";
import type { FloodReport } from "./flood.ts";
import { DIMENSIONS } from "./instant-embeddings.ts";
import type { LatencyReport } from "./latency.ts";
import type { MachineFacts } from "./machine.ts";
import type { SearchReport } from "./search.ts";
import type { SlicesReport } from "./slices.ts";
import type { Distribution } from "./statistics.ts";
import type { UpdateReport } from "./update.ts";
import type { WakeReport } from "./wake.ts";

/** Billed rows cannot be counted from outside the object, so a test counts them. */
const ROWS_BILLED = "test/worker/promise-03-acknowledged-is-durable.test.ts";

export interface BenchReport {
  readonly startedAt: string;
  readonly seconds: number;
  readonly isQuick: boolean;
  readonly machine: MachineFacts;
  readonly loadAverageAtEnd: readonly number[];
  /** What was measured: the bundle behind the Worker's own port, or the service at a URL. */
  readonly service: string;
  /** Sections that were not measured are null. */
  readonly bundle: BundleSize | null;
  readonly latency: LatencyReport | null;
  readonly access: AccessReport | null;
  readonly search: SearchReport | null;
  readonly searchByMeaning: SearchReport | null;
  readonly slices: SlicesReport | null;
  readonly update: UpdateReport | null;
  readonly updateByModel: UpdateReport | null;
  readonly wake: WakeReport | null;
  readonly flood: FloodReport | null;
  readonly archiveSearch: ArchiveSearchReport | null;
  readonly rowsBilledAreCountedBy: string;
  readonly failures: readonly FailureCount[];
  /** Why the run broke off; null if it reached its end. */
  readonly stopped: string | null;
}

export function makeReport(facts: Omit<BenchReport, "rowsBilledAreCountedBy">): BenchReport {
  return { ...facts, rowsBilledAreCountedBy: ROWS_BILLED };
}

/** Prints the report, with headings in the terminal's own form. */
export interface ReportTarget {
  heading(text: string): void;
  line(text?: string): void;
}

export function showReport(report: BenchReport, target: ReportTarget): void {
  const { machine } = report;
  const facts = [
    `${machine.platform}, ${machine.cores} cores (${machine.processor}), ${machine.memoryGiB} GiB; 4 KiB to disk ${machine.flushMs} ms`,
    `node ${machine.node}, workerd ${machine.workerd}; ${report.service}`,
    `load average ${machine.loadAverage.join(" ")} at the start, ${report.loadAverageAtEnd.join(" ")} at the end; ` +
      `${report.startedAt}, ${report.seconds} s${report.isQuick ? ", --quick" : ""}`,
  ];
  const sections: [string, string[] | null][] = [
    ["Machine", facts],
    ["Bundle", report.bundle && bundleLines(report.bundle)],
    ["Latency, one request at a time", report.latency && latencyLines(report.latency)],
    ["Access: authenticating a request", report.access && accessLines(report.access)],
    ["Search", report.search && [...searchLines(report.search), SEARCHED_BY_WORDS]],
    [
      "Search by words and by meaning",
      report.searchByMeaning && [...searchLines(report.searchByMeaning), ...SEARCHED_BY_MEANING],
    ],
    ["Slices: the longest step of work that grows with a session", report.slices && slicesLines(report.slices)],
    ["Update latency", report.update && updateLines(report.update)],
    ["Update latency, a model that answers at once", report.updateByModel && updateLines(report.updateByModel)],
    ["Wake: the first request to a session that sleeps", report.wake && wakeLines(report.wake)],
    ["Flood: how one tenant affects another", report.flood && floodLines(report.flood)],
    ["Search across sessions, in PostgreSQL", report.archiveSearch && archiveSearchLines(report.archiveSearch)],
    ["Rows billed an append", [`cannot be counted from outside; see ${report.rowsBilledAreCountedBy}`]],
    ["Failures", failureLines(report)],
  ];
  for (const [heading, lines] of sections) {
    if (lines === null) continue;
    target.heading(heading);
    for (const line of lines) target.line(line);
  }
}

function bundleLines({ deployed, minified }: BundleSize): string[] {
  return showTable(
    ["", "raw KiB", "gzip KiB"],
    [
      ["as wrangler.toml deploys it", count(deployed.rawKiB), count(deployed.gzipKiB)],
      ["with --minify", count(minified.rawKiB), count(minified.gzipKiB)],
    ],
  );
}

function latencyLines({ samples, rows, growth, notes }: LatencyReport): string[] {
  const table = showTable(
    ["", "messages", "p50 ms", "p95", "p99", "× floor", "answer KB", "workerd ms"],
    rows.map((row) => [
      row.operation,
      row.messages === null ? "" : count(row.messages),
      ...percentiles(row.ms),
      row.overFloor === null ? "" : row.overFloor.toFixed(2),
      (row.answerBytes / 1_000).toFixed(1),
      row.processorMs === null ? "" : row.processorMs.toFixed(2),
    ]),
  );
  const ratios = growth.map(({ operation, ratio }) => `${operation} ${ratio.toFixed(2)}`);
  return [
    ...table,
    "",
    `p50 at 10,000 messages divided by p50 at 100: ${ratios.join("; ")}`,
    `${count(samples)} samples a row. × floor: p50 divided by the floor's p50. workerd ms: processor time of one request, with its share of background work.`,
    "The floor is the cheaper of the two floor rows: the closest thing to an empty answer through one object with the same authentication.",
    ...notes,
  ];
}

function accessLines({ samples, checks, rows, notes }: AccessReport): string[] {
  const table = showTable(
    ["", "request p50 ms", "p99", "adds p50", "p99", "workerd ms", "check alone p50 ms", "p99"],
    rows.map(({ bearer, request, addsMs, processorMs, alone }) => [
      bearer,
      ...ends(request),
      ...(addsMs === null ? ["", ""] : [addsMs.p50, addsMs.p99].map(milliseconds)),
      processorMs === null ? "" : processorMs.toFixed(2),
      ...(alone === null ? ["", ""] : [alone.p50Ms, alone.p99Ms].map((ms) => ms.toFixed(3))),
    ]),
  );
  return [
    ...table,
    "",
    `${count(samples)} samples a row; the bearers take turns; each request reads an empty page through one object. Adds: compared with the first row, noise included.`,
    "workerd ms: processor time of one request, averaged over many in a row.",
    `Check alone: processor time of the Worker's own code in this process, ${count(checks)} runs, for a tenant with the largest allowed number of keys.`,
    ...notes,
  ];
}

function slicesLines({ rows }: SlicesReport): string[] {
  const inMs = (ms: number | null): string => (ms === null ? "unknown" : Math.round(ms).toLocaleString("en"));
  return rows.map(
    ({ work, messages, steps, longestMs, totalMs }) =>
      `${work}, ${messages.toLocaleString("en")} messages: longest step ${inMs(longestMs)} ms of workerd's processor time, ` +
      `${inMs(totalMs)} ms in ${steps.toLocaleString("en")} steps`,
  );
}

const SEARCHED_BY_WORDS = "The floor is a query without words.";
const SEARCHED_BY_MEANING = [
  `Each message is of a user, and has a vector of ${count(DIMENSIONS)} random numbers. The vector of each query was made before it was measured.`,
  "The floor is a query in a session of one message.",
];

function searchLines({ rounds, queries, rows }: SearchReport): string[] {
  const table = showTable(
    ["", "messages", "p50 ms", "p95", "p99", "workerd p50", "p99", "p99 minus floor"],
    rows.flatMap(({ messages, floor, first, again, least }) =>
      [
        { what: "floor", times: floor },
        { what: "asked for the first time", times: first },
        { what: "asked again", times: again },
        { what: `each query's fastest of ${rounds} runs`, times: least },
      ].map(({ what, times: { ms, processor } }) => [
        what,
        count(messages),
        ...percentiles(ms),
        ...percentiles(processor).filter((_, at) => at !== 1),
        processor === null || floor.processor === null ? "" : milliseconds(processor.p99Ms - floor.processor.p50Ms),
      ]),
    ),
  );
  const indexing = rows.map(({ messages, indexingMs }) => `${count(messages)} messages ${count(indexingMs)} ms`);
  return [
    ...table,
    "",
    `${count(queries)} queries of eight words by Zipf's law, every tenth with a month; 20 hits with snippets. workerd: processor time of each request, with`,
    "that of the garbage collector; a query's fastest run is free of garbage collection and of pauses of the machine. The last column",
    "is the time that finding takes inside the object.",
    `Indexed on first use: ${indexing.join("; ")}`,
  ];
}

function updateLines({
  summarizer,
  sessions,
  firstReadableMs,
  acknowledged,
  readable,
  archived,
  rowsFound,
}: UpdateReport): string[] {
  const table = showTable(
    ["from sending the append that crosses the threshold to", "p50 ms", "p95", "p99"],
    [
      ["append acknowledged", ...percentiles(acknowledged)],
      ["the summary is readable in the context", ...percentiles(readable)],
      ["the summary is in PostgreSQL and confirmed (archived: true)", ...percentiles(archived)],
    ],
  );
  const rows = rowsFound === null ? "" : `; found in PostgreSQL: ${count(rowsFound)}`;
  const first =
    firstReadableMs === null
      ? ""
      : `; before them a first summary, readable after ${count(Math.round(firstReadableMs))} ms`;
  return [...table, "", `${count(sessions)} sessions, ${summarizer}, polled every 2 ms${rows}${first}`];
}

function wakeLines({ sessions, messages, rows }: WakeReport): string[] {
  const ms = (value: number | null): string => (value === null ? "" : value.toFixed(2));
  const table = showTable(
    ["workerd ms", "session asleep", "awake", "bare object asleep", "awake", "asleep, session / bare"],
    rows.map(({ operation, session, bare, ratio }) => [
      operation,
      ...[session.asleep, session.awake, bare.asleep, bare.awake].map(ms),
      ratio === null ? "" : ratio.toFixed(2),
    ]),
  );
  return [
    ...table,
    "",
    `Processor time of workerd for one request, median of blocks of 50, ${count(sessions)} sessions of ${messages} messages. The bare object has one table; its`,
    "Worker checks a key, and its read returns all messages. Both services were stopped and started again, so that every object slept.",
  ];
}

function floodLines({ seconds, connections, rows }: FloodReport): string[] {
  const table = showTable(
    ["the other tenant's contexts", "requests", "p50 ms", "p95", "p99", "max", "flood stored/s", "refused/s"],
    rows.map(({ situation, read, storedPerSecond, refusedPerSecond }) => [
      situation,
      ...(read === null ? ["0", "", "", "", ""] : withMax(read)),
      ...[storedPerSecond, refusedPerSecond].map((perSecond) => (perSecond === null ? "" : count(perSecond))),
    ]),
  );
  return [
    ...table,
    "",
    `${seconds} s each, counted from the moment each request was due. The flood is one user who appends over ${connections} connections without a pause. Here`,
    "one thread serves both tenants and the refusals, on the machine that sends the flood: the rows show the limits, not Cloudflare.",
  ];
}

function archiveSearchLines({ items, fillSeconds, rows }: ArchiveSearchReport): string[] {
  const table = showTable(
    ["", "items of the owner", "p50 ms", "p95", "p99", "max"],
    rows.map((row) => [row.operation, count(row.items), ...withMax(row.ms).slice(1)]),
  );
  return [
    ...table,
    "",
    `${count(items)} items in all, filled in ${count(fillSeconds)} s; as threadkeep_worker, one query at a time on one connection`,
  ];
}

function failureLines({ failures, stopped }: BenchReport): string[] {
  const lines = failures.flatMap(({ place, kind, count: times, first }) => [
    `${count(times)} × ${place}: ${kind}`,
    `    first: ${first}`,
  ]);
  if (stopped !== null) lines.push(`Stopped early: ${stopped}`);
  return lines.length === 0 ? ["none"] : lines;
}

function percentiles(ms: Distribution | null): string[] {
  return ms === null ? ["", "", ""] : [ms.p50Ms, ms.p95Ms, ms.p99Ms].map(milliseconds);
}

function ends(ms: Distribution | null): string[] {
  return ms === null ? ["", ""] : [ms.p50Ms, ms.p99Ms].map(milliseconds);
}

function withMax(ms: Distribution | null): string[] {
  return ms === null ? [] : [count(ms.count), ...percentiles(ms), milliseconds(ms.maxMs)];
}

function milliseconds(value: number): string {
  return value.toFixed(value < 100 ? 2 : 0);
}

function count(value: number): string {
  return value.toLocaleString("en");
}
