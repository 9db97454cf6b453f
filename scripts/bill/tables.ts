// The tables in docs/capacity.md, which npm run capacity prints.
import type { Measured, OperationName } from "./measured.ts";
import { billOf, MONTHS, short, TELEMETRY_PART, type Use } from "./month.ts";
import { SAMPLINGS } from "./usual.ts";

const OPERATIONS: Record<OperationName, string> = {
  begin: "the first message of a session, with its context",
  askFirst: "the first question after a summary, with its context, the session's object evicted",
  askCold: "a further question, the object evicted",
  askWarm: "the same, the object in memory",
  answer: "an answer",
  silence: "a day's summary: made, archived, audited",
};

/** The resources of each operation. */
export function renderOperations({ operations }: Measured): string {
  const rows = Object.entries(OPERATIONS).map(([name, says]) => {
    const one = operations[name as OperationName];
    const { rowsRead, rowsWritten, statements, objectCalls, queueMessages, spans, spanBytes, logBytes, processorMs } =
      one;
    const cells = [rowsRead, rowsWritten, statements, objectCalls, queueMessages, spans, spanBytes, logBytes];
    return `| ${says} | ${[...cells.map((value) => short(value)), processorMs.toFixed(1)].join(" | ")} |`;
  });
  return [
    "| | rows read | rows written | statements | calls | queue messages | spans | their bytes | bytes of log | processor, ms |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

/** The bill of the first month, line by line, and where the twelfth differs; one column per number of users. */
export function renderBill(use: Omit<Use, "users">, users: readonly number[], measured: Measured): string {
  const billsAt = (month: number): ReturnType<typeof billOf>[] =>
    users.map((count) => billOf({ ...use, users: count }, measured, month));
  const first = billsAt(1);
  const last = billsAt(MONTHS);
  const linesOf = (bills: typeof first): string[] =>
    (bills[0]?.lines ?? []).map(
      ({ part, price }, at) => `| ${part} | ${price} | ${bills.map(({ lines }) => cellOf(lines[at])).join(" | ")} |`,
    );
  const total = (name: string, bills: typeof first): string =>
    `| **${name}** | | ${bills.map(({ dollars }) => `**${showDollars(dollars)}**`).join(" | ")} |`;
  const firstLines = linesOf(first);
  const changed = linesOf(last).filter((line) => !firstLines.includes(line));
  return [
    `| part | price beyond what is included | ${users.map((count) => `${count.toLocaleString("en")} users`).join(" | ")} |`,
    `| --- | --- | ${users.map(() => "---").join(" | ")} |`,
    ...firstLines,
    total("the first month", first),
    ...changed.map((line) => line.replace("| ", "| in the twelfth: ")),
    total("the twelfth", last),
  ].join("\n");
}

/** What logs and traces cost in a month with different rates; one column per number of users. */
export function renderSamplings(use: Omit<Use, "users">, users: readonly number[], measured: Measured): string {
  const rows = SAMPLINGS.map((rates) => {
    const cells = users.map((count) =>
      cellOf(billOf({ ...use, ...rates, users: count }, measured, 1).lines.find(({ part }) => part === TELEMETRY_PART)),
    );
    return `| ${rates.traces} | ${rates.logs} | ${cells.join(" | ")} |`;
  });
  return [
    `| traces | logs | ${users.map((count) => `${count.toLocaleString("en")} users`).join(" | ")} |`,
    `| --- | --- | ${users.map(() => "---").join(" | ")} |`,
    ...rows,
  ].join("\n");
}

function cellOf(line: { readonly used: string; readonly dollars: number } | undefined): string {
  if (line === undefined) return "";
  return line.used === "" ? showDollars(line.dollars) : `${line.used}: ${showDollars(line.dollars)}`;
}

/** @internal How amounts are rounded has cases that no bill has all of. */
export function showDollars(dollars: number): string {
  if (dollars === 0) return "$0";
  const digits = dollars < 1_000 ? 2 : 0;
  return `$${dollars.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}
