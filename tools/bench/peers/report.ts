import { showTable } from "../../../scripts/program/table.ts";
// Prints the comparison as a table.
import type { MachineFacts } from "../machine.ts";
import type { Distribution } from "../statistics.ts";
import type { Measured } from "./measure.ts";

export interface PeerRow {
  readonly name: string;
  readonly where: string;
  readonly gives: string;
  readonly keeps: string;
  readonly measured: readonly Measured[];
}

export interface PeersReport {
  readonly startedAt: string;
  readonly machine: MachineFacts;
  readonly loadAverageAtEnd: readonly number[];
  readonly samples: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly PeerRow[];
  /** Memories that were not measured, and why. */
  readonly left: readonly { readonly name: string; readonly why: string }[];
  /** Memories whose measurement broke off. */
  readonly faults: readonly { readonly name: string; readonly fault: string }[];
}

export function showReport(report: PeersReport): string {
  const { machine, rows, left, faults, samples, versions } = report;
  const lines = rows.flatMap(({ name, measured }) =>
    measured.map(({ messages, append, next, given, size, bytesAnAppend }) => [
      name,
      messages.toLocaleString("en"),
      ...ends(append),
      ...ends(next),
      given.toLocaleString("en"),
      size.bytes === null ? "" : Math.round(size.bytes / 1_024).toLocaleString("en"),
      size.rows?.toLocaleString("en") ?? "",
      bytesAnAppend === null ? "" : (bytesAnAppend / 1_024).toFixed(1),
    ]),
  );
  const grown = rows.flatMap(({ name, measured }) => {
    const [first, last] = [measured[0], measured.at(-1)];
    if (first === undefined || last === undefined || first === last) return [];
    return [[name, ratio(first.append, last.append), ratio(first.next, last.next)]];
  });
  const sizes = rows[0]?.measured.map(({ messages }) => messages.toLocaleString("en")) ?? [];
  return [
    `${machine.platform}, ${machine.cores} cores (${machine.processor}), ${machine.memoryGiB} GiB; 4 KiB to disk ${machine.flushMs} ms`,
    `node ${machine.node}, workerd ${machine.workerd}; ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}`,
    `load average ${machine.loadAverage.join(" ")} at the start, ${report.loadAverageAtEnd.join(" ")} at the end; ${report.startedAt}; ${samples} samples of each`,
    "",
    ...showTable(
      [
        "memory",
        "messages",
        "append p50 ms",
        "p99",
        "next p50 ms",
        "p99",
        "messages read",
        "KiB",
        "rows",
        "KiB an append",
      ],
      lines,
    ),
    "",
    ...showTable([`p50 at ${sizes.at(-1) ?? "?"} messages over p50 at ${sizes[0] ?? "?"}`, "append", "next"], grown),
    "",
    ...rows.map(
      ({ name, where, gives, keeps }) => `${name}: ${where}. Next: ${gives}. After a power failure: ${keeps}.`,
    ),
    ...left.map(({ name, why }) => `${name}: not measured, because ${why}.`),
    ...faults.map(({ name, fault }) => `${name}: FAILED: ${fault}`),
  ].join("\n");
}

function ends(ms: Distribution | null): string[] {
  return ms === null ? ["", ""] : [ms.p50Ms.toFixed(2), ms.p99Ms.toFixed(2)];
}

function ratio(first: Distribution | null, last: Distribution | null): string {
  return first === null || last === null || first.p50Ms === 0 ? "" : (last.p50Ms / first.p50Ms).toFixed(2);
}
