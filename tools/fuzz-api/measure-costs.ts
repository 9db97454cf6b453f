import { showTable } from "../../scripts/program/table.ts";
// Measures the processor time that the runtime spends on each of the costly requests, beyond parsing its JSON.
import { processorMs } from "../bench/machine.ts";
import { LAST } from "./as-user.ts";
import { type CostlyRequest, costlyRequests } from "./costly-requests.ts";
import { sendRaw } from "./raw-http.ts";
import { sendFrames } from "./send-frames.ts";

const TIMES = 5;
/** By then the work that an answer does not wait for is usually done. The lowest of several runs is reported. */
const REST_MS = 100;

export interface CostRow {
  readonly name: string;
  readonly bytes: number;
  readonly status: number;
  readonly answerBytes: number;
  /** Processor time of the runtime, the lowest of several runs; null where the system does not report it. */
  readonly processorMs: number | null;
  /** Processor time of `JSON.parse` for the same bytes, in this process. */
  readonly parseMs: number;
}

export async function measureCosts(
  { url, token, runtimePid }: { readonly url: string; readonly token: string; readonly runtimePid: number },
  signal: AbortSignal,
): Promise<CostRow[]> {
  const authorized = { Authorization: `Bearer ${token}` };
  const body = JSON.stringify({ messages: [{ role: "user", content: "Hello." }] });
  const headers = { ...authorized, "Content-Type": "application/json" };
  await fetch(`${url}/v1/sessions/costly/messages`, { method: "POST", headers, body });
  const requests = [
    { name: "a small context, for comparison", method: "GET", path: "/v1/sessions/costly/context" },
    ...costlyRequests(),
  ];
  const rows: CostRow[] = [];
  for (const request of requests) {
    if (signal.aborted) break;
    rows.push(await measureOne(url, token, runtimePid, request));
  }
  return rows;
}

async function measureOne(url: string, token: string, pid: number, request: CostlyRequest): Promise<CostRow> {
  let [least, status, answerBytes] = [Number.POSITIVE_INFINITY, 0, 0];
  for (let time = 0; time < TIMES; time += 1) {
    const before = processorMs(pid);
    ({ status, answerBytes } = await send(url, token, request));
    least = Math.min(least, (processorMs(pid) ?? Number.NaN) - (before ?? Number.NaN));
    await new Promise((resolve) => {
      setTimeout(resolve, REST_MS);
    });
  }
  const { name, body = "" } = request;
  return {
    name,
    bytes: Buffer.byteLength(body),
    status,
    answerBytes,
    processorMs: Number.isFinite(least) ? least : null,
    parseMs: parseTime(body, request.path === "/v1/import" && !body.endsWith("\n\n")),
  };
}

async function send(
  url: string,
  token: string,
  request: CostlyRequest,
): Promise<{ status: number; answerBytes: number }> {
  const { method, path, headers = {}, body, isFrame = false } = request;
  if (isFrame) {
    const { status, texts } = await sendFrames(url, path, token, [
      body ?? "",
      JSON.stringify({ type: "context", id: LAST }),
    ]);
    return { status, answerBytes: Math.max(0, ...texts.map((text) => text.length)) };
  }
  const sent = Object.entries({ Authorization: `Bearer ${token}`, ...headers });
  const bytes = body === undefined ? {} : { body: Buffer.from(body) };
  const answer = await sendRaw(url, { method, path, headers: sent, ...bytes });
  return { status: answer?.status ?? 0, answerBytes: answer?.bodyBytes ?? 0 };
}

function parseTime(text: string, isLines: boolean): number {
  let least = Number.POSITIVE_INFINITY;
  for (let time = 0; time < TIMES; time += 1) {
    const before = process.cpuUsage();
    for (const line of isLines ? text.split("\n") : [text]) {
      try {
        JSON.parse(line);
      } catch {
        // Parsing text that is not JSON takes time as well.
      }
    }
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1_000);
  }
  return text === "" ? 0 : least;
}

export function showCosts(rows: readonly CostRow[]): string[] {
  const ms = (value: number): string => value.toFixed(1);
  return showTable(
    ["request", "bytes", "status", "answer bytes", "processor ms", "JSON.parse ms", "beyond it ms"],
    rows.map((row) => [
      row.name,
      String(row.bytes),
      String(row.status),
      String(row.answerBytes),
      row.processorMs === null ? "-" : ms(row.processorMs),
      ms(row.parseMs),
      row.processorMs === null ? "-" : ms(row.processorMs - row.parseMs),
    ]),
  );
}
