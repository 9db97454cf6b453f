// Describes runs in words.
import type { OperationRun } from "../../src/api/operation-run.ts";
import { showTable } from "../program/table.ts";

/** Whether the run is complete and nothing failed. */
export function isWell({ status, progress }: OperationRun): boolean {
  return status === "complete" && progress.failed === 0;
}

function scopeOf({ tenant, user, session }: OperationRun): string {
  const named = [tenant, user, session].filter((name) => name !== undefined);
  return named.length === 0 ? "all" : named.join("/");
}

export function progressLine(run: OperationRun): string {
  const { done, failed, total } = run.progress;
  const of = total === null ? "" : ` of ${total}`;
  return `${run.id}  ${nameOf(run)} ${scopeOf(run)}: ${run.status}, ${done}${of} done, ${failed} failed`;
}

export function tellRun(run: OperationRun): string[] {
  const { counts, failures, findings, notes } = run.report;
  const named = [...failures, ...findings].map(
    ({ tenant, user, session, reason }) => `  ${[tenant, user ?? "-", session].join("/")}: ${reason}`,
  );
  return [
    progressLine(run),
    ...Object.entries(counts).map(([word, count]) => `  ${word}: ${count}`),
    ...named,
    ...notes.map((note) => `  ${note}`),
    ...(run.error === null ? [] : [`  ${run.error}`]),
  ];
}

export function tellRuns(runs: readonly OperationRun[]): string[] {
  if (runs.length === 0) return ["No operation was ever run here."];
  const rows = runs.map((run) => [
    run.id,
    nameOf(run),
    scopeOf(run),
    run.status,
    String(run.progress.done),
    String(run.progress.failed),
    run.createdAt,
  ]);
  return showTable(["id", "operation", "of", "status", "done", "failed", "begun"], rows);
}

function nameOf({ op, dryRun }: OperationRun): string {
  return dryRun ? `${op} (dry run)` : op;
}
