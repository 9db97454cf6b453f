import { showTable } from "../../scripts/program/table.ts";
// The report of a load, and its form in a terminal.
import type { FailureCount } from "../bench/failures.ts";
import type { MachineFacts } from "../bench/machine.ts";
import type { Distribution } from "../bench/statistics.ts";
import type { LoadOptions } from "./options.ts";
import type { Promised } from "./promises.ts";
import type { ReadBack } from "./read-back.ts";
import type { OperationRow } from "./recorder.ts";
import type { Updates } from "./updates.ts";
import type { Usage } from "./usage.ts";

export interface LoadReport {
  readonly startedAt: string;
  readonly machine: MachineFacts;
  readonly loadAverageAtEnd: readonly number[];
  readonly options: Omit<LoadOptions, "jsonFile">;
  readonly phaseSeconds: Readonly<Record<string, number>>;
  readonly operations: readonly OperationRow[];
  readonly failures: readonly FailureCount[];
  readonly refusedByLimits: number;
  readonly lateness: Distribution | null;
  readonly usage: Usage;
  readonly readBack: Omit<ReadBack, "states">;
  readonly updates: Updates;
  readonly promises: readonly Promised[];
  readonly held: boolean;
}

export function showReport(report: LoadReport): string {
  const { machine, options, usage, updates, readBack } = report;
  const { sessions, seconds, gapSeconds, workers, customers, scenario } = options;
  const phases = Object.entries(report.phaseSeconds).map(([phase, took]) => `${phase} ${took} s`);
  return [
    `${machine.platform}, ${machine.cores} cores (${machine.processor}), ${machine.memoryGiB} GiB; node ${machine.node}, workerd ${machine.workerd}`,
    `load average ${machine.loadAverage.join(" ")} at the start, ${report.loadAverageAtEnd.join(" ")} at the end; ${report.startedAt}`,
    `${scenario}: ${count(sessions)} sessions${options.hasSockets ? " with a socket each" : ""} of ${customers} customers, ${seconds} s, a turn every ` +
      `${gapSeconds.from} to ${gapSeconds.to} s; ${workers} workerds on one PostgreSQL; limits ${options.hasLimits ? "on" : "off"}; seed ${options.seed}`,
    phases.join(", "),
    "",
    ...showTable(
      ["from the intended start", "sent", "answered", "p50 ms", "p95", "p99", "max"],
      [
        ...report.operations.map(({ operation, sent, succeeded, ms }) => [
          operation,
          count(sent),
          count(succeeded),
          ...times(ms),
        ]),
        ["lateness of this client", "", "", ...times(report.lateness)],
      ],
    ),
    ...report.failures.flatMap(({ place, kind, count: number, first }) => [
      `${count(number)} × ${place}: ${kind}`,
      `    first: ${first}`,
    ]),
    ...(report.refusedByLimits > 0 ? [`refused by the limits, as intended: ${count(report.refusedByLimits)}`] : []),
    "",
    ...showTable(
      [`summaries made: ${count(updates.made)}`, "", "", "p50 ms", "p95", "p99", "max"],
      [
        ["until it is readable", "", "", ...times(updates.readable)],
        ["until it is in PostgreSQL", "", "", ...times(updates.archived)],
        ["lag of the archive", "", "", ...times(updates.lag)],
      ],
    ),
    "",
    ...showTable(
      ["workerd", "memory MiB", "at most", "descriptors", "at most"],
      usage.memoryMiB.map(({ end, most }, index) => [
        String(index + 1),
        known(end),
        known(most),
        known(usage.descriptors[index]?.end ?? null),
        known(usage.descriptors[index]?.most ?? null),
      ]),
    ),
    `workerds together: ${describeProcessors(report)}; this client busy ${Math.round(usage.clientBusy * 100)} % of the time`,
    `read back: ${count(readBack.messages)} messages of ${count(readBack.sessions)} sessions`,
    ...readBack.examples.map((example) => `    ${example}`),
    "",
    ...showTable(
      ["promise", "", "seen"],
      report.promises.map(({ promise, seen, held }) => [
        promise,
        held === null ? "not judged" : held ? "held" : "BROKEN",
        seen,
      ]),
    ),
    "",
  ].join("\n");
}

function describeProcessors({ usage: { processors, processorMs }, operations }: LoadReport): string {
  if (processors === null || processorMs === null) return "processor time unknown";
  const answered = operations.reduce((sum, { succeeded }) => sum + succeeded, 0);
  return `${processors.toFixed(2)} processors, ${(processorMs / Math.max(1, answered)).toFixed(1)} ms for each answer, including background work`;
}

function times(ms: Distribution | null): string[] {
  return ms === null ? ["", "", "", ""] : [ms.p50Ms, ms.p95Ms, ms.p99Ms, ms.maxMs].map(milliseconds);
}

function milliseconds(value: number): string {
  return value < 100 ? value.toFixed(1) : count(Math.round(value));
}

function known(value: number | null): string {
  return value === null ? "unknown" : count(value);
}

function count(value: number): string {
  return value.toLocaleString("en");
}
