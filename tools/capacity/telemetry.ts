// Reads what the runtime recorded of a service with telemetry: spans and log lines by trace, from the service's data directory.
import { readdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Counts } from "../../scripts/bill/measured.ts";

export interface Trace {
  readonly startMs: number;
  /** What started the trace: `POST`, `alarm`, `queue` … */
  readonly root: string;
  /** Ids that the service wrote into its log lines. */
  readonly requestIds: readonly string[];
  /** Whether every span's parent is there. On a busy machine some spans are lost on their way to the disk. */
  readonly isWhole: boolean;
  readonly counts: Counts;
}

interface Gathered {
  startMs: number;
  root: string;
  readonly requestIds: string[];
  readonly spanIds: Set<string>;
  readonly parentIds: Set<string>;
  readonly counts: Counts[];
}

/** Bytes of a span's ids, times and outcome, in addition to its name and attributes. */
const SPAN_FRAME_BYTES = 120;

const NOTHING: Counts = {
  objectCalls: 0,
  rowsRead: 0,
  rowsWritten: 0,
  statements: 0,
  queueMessages: 0,
  deliveries: 0,
  spans: 0,
  spanBytes: 0,
  logLines: 0,
  logBytes: 0,
};
const COUNT_NAMES = Object.keys(NOTHING) as (keyof Counts)[];

export function sumOf(counts: readonly Counts[]): Counts {
  return counts.reduce((sum, one) => mapCounts(sum, (count, name) => count + one[name]), NOTHING);
}

/** The same counts, each changed. */
export function mapCounts(counts: Counts, change: (count: number, name: keyof Counts) => number): Counts {
  const changed: { -readonly [Name in keyof Counts]: number } = { ...counts };
  for (const name of COUNT_NAMES) changed[name] = change(counts[name], name);
  return changed;
}

/** @param stateDir of a service that has ended, so that the runtime has written everything to disk */
export function readTraces(stateDir: string): Trace[] {
  const traces = new Map<string, Gathered>();
  const traceOf = (id: string): Gathered => {
    const known = traces.get(id) ?? {
      startMs: Number.MAX_SAFE_INTEGER,
      root: "",
      requestIds: [],
      spanIds: new Set<string>(),
      parentIds: new Set<string>(),
      counts: [],
    };
    traces.set(id, known);
    return known;
  };
  const database = new DatabaseSync(storeOf(stateDir), { readOnly: true });
  try {
    const spans = database.prepare(
      "SELECT trace_id, span_id, name, parent_id, start_ms, json(attributes) AS attributes FROM spans WHERE service = 'threadkeep'",
    );
    for (const row of spans.iterate()) {
      const trace = traceOf(String(row["trace_id"]));
      const startMs = Number(row["start_ms"]);
      const name = String(row["name"]);
      trace.spanIds.add(String(row["span_id"]));
      if (row["parent_id"] !== null) trace.parentIds.add(String(row["parent_id"]));
      if (row["parent_id"] === null && startMs < trace.startMs) Object.assign(trace, { startMs, root: name });
      trace.counts.push(countsOf(name, typeof row["attributes"] === "string" ? row["attributes"] : ""));
    }
    // The runtime records each invocation as a log line of its own, with the invocation's name. The service's own lines are JSON.
    for (const row of database.prepare("SELECT trace_id, message FROM logs").iterate()) {
      const line = lineOf(String(row["message"]));
      if (line === null) continue;
      const trace = traceOf(String(row["trace_id"]));
      const { requestId } = JSON.parse(line) as { requestId?: string };
      if (requestId !== undefined) trace.requestIds.push(requestId);
      trace.counts.push({ ...NOTHING, logLines: 1, logBytes: line.length });
    }
  } finally {
    database.close();
  }
  return [...traces.values()].map(({ counts, spanIds, parentIds, ...trace }) => ({
    ...trace,
    isWhole: trace.root !== "" && [...parentIds].every((id) => spanIds.has(id)),
    counts: sumOf(counts),
  }));
}

export interface Span {
  readonly name: string;
  /** JSON. */
  readonly attributes: string;
}

/**
 * Reads all spans as the runtime recorded them.
 * @internal A test reads the traces of a service with it.
 */
export function readSpans(stateDir: string): Span[] {
  const database = new DatabaseSync(storeOf(stateDir), { readOnly: true });
  try {
    return database
      .prepare("SELECT name, json(attributes) AS attributes FROM spans WHERE service = 'threadkeep' ORDER BY start_ms")
      .all()
      .map(({ name, attributes }) => ({ name: String(name), attributes: String(attributes ?? "{}") }));
  } finally {
    database.close();
  }
}

function countsOf(name: string, attributes: string): Counts {
  const said = attributes === "" ? {} : (JSON.parse(attributes) as Record<string, unknown>);
  const number = (key: string): number => Number(said[`cloudflare.durable_object.response.${key}`] ?? 0);
  return {
    ...NOTHING,
    // A call has a span of the caller, and an alarm has one of its invocation.
    objectCalls: name === "durable_object_subrequest" || name === "alarm" ? 1 : 0,
    rowsRead: number("rows_read"),
    rowsWritten: number("rows_written") + (name === "durable_object_storage_setAlarm" ? 1 : 0),
    statements: name === "durable_object_storage_exec" ? 1 : 0,
    queueMessages: name === "queue_send" ? 1 : 0,
    deliveries: name === "queue" ? 1 : 0,
    spans: 1,
    spanBytes: SPAN_FRAME_BYTES + name.length + attributes.length,
  };
}

function lineOf(message: string): string | null {
  if (!message.startsWith("[")) return null;
  const [line] = JSON.parse(message) as unknown[];
  return typeof line === "string" && line.startsWith("{") ? line : null;
}

function storeOf(stateDir: string): string {
  const folder = path.join(stateDir, "state/observability/miniflare-wobs-trace-store");
  const file = readdirSync(folder).find((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite");
  if (file === undefined) throw new Error(`The runtime kept no telemetry in ${folder}.`);
  return path.join(folder, file);
}
