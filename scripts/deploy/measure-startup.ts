// Measures the CPU time that the Worker's modules take to load in workerd, before the first request.
import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { LOOPBACK } from "../dev/ports.ts";
import { listModules } from "../dev/worker-modules.ts";

/** Linux counts CPU time in ticks of 10 ms on every machine. */
const TICK_MS = 10;
/**
 * Fields of /proc/PID/stat, counted after the name, which may contain spaces: CPU time in the program and in the
 * kernel.
 */
const UTIME = 11;
const STIME = 12;

/** https://developers.cloudflare.com/workers/platform/limits/: Cloudflare refuses an upload that takes longer. */
export const STARTUP_LIMIT_MS = 1_000;
/**
 * CPU time that gzip takes per MiB of the bundle on a reference machine, where loading takes 370 ms. It shows how slow
 * this machine is.
 */
const REFERENCE_GZIP_MS_PER_MIB = 50;
/** Several attempts, because a garbage collection may happen in one. */
const MAX_TRIES = 3;

/** Loads the Worker on request, so that the start of workerd itself is not counted. */
const LOADER = `export default { async fetch() { await import("./worker.js"); return new Response("loaded"); } };`;

export interface Startup {
  /** CPU time of the fastest attempt, in milliseconds. */
  readonly cpuMs: number;
  /**
   * Cloudflare's limit, multiplied by how much slower this machine is than the reference; never less than the limit.
   */
  readonly limitMs: number;
}

/** Null if it cannot be measured, which is possible only on Linux. */
export async function measureStartup(modules: string, compatibilityDate: string): Promise<Startup | null> {
  const limitMs = Math.round(STARTUP_LIMIT_MS * slowness(modules));
  let cpuMs = Infinity;
  for (let attempt = 0; attempt < MAX_TRIES && cpuMs > limitMs; attempt += 1) {
    const measured = await measureOnce(modules, compatibilityDate);
    if (measured === null) return null;
    cpuMs = Math.min(cpuMs, measured);
  }
  return { cpuMs, limitMs };
}

/** How many times slower this machine is than the reference; at least 1. */
function slowness(modules: string): number {
  const bytes = readFileSync(path.join(modules, "worker.js"));
  const before = process.cpuUsage();
  gzipSync(bytes);
  const { user, system } = process.cpuUsage(before);
  const referenceMs = (bytes.length / 2 ** 20) * REFERENCE_GZIP_MS_PER_MIB;
  return Math.max(1, (user + system) / 1_000 / referenceMs);
}

/**
 * CPU time in milliseconds, which, unlike elapsed time, does not depend on how busy the machine is. Null if the system
 * does not report it (it is read from /proc, so only on Linux).
 *
 * @param modules the `--outdir` of `wrangler deploy --dry-run`
 */
async function measureOnce(modules: string, compatibilityDate: string): Promise<number | null> {
  let pid: number | undefined;
  const note = (message: unknown): void => {
    const child = childOf(message);
    child?.once("spawn", () => {
      if (child.spawnfile.includes("workerd")) pid = child.pid;
    });
  };
  subscribe("child_process", note);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: LOOPBACK,
      cf: false,
      log: new Log(LogLevel.ERROR),
      modulesRoot: modules,
      modules: [{ type: "ESModule", path: path.join(modules, "loader.js"), contents: LOADER }, ...listModules(modules)],
      compatibilityDate,
      compatibilityFlags: ["nodejs_compat"],
    }),
  );
  try {
    await miniflare.ready;
    const before = cpuTime(pid);
    const answer = await miniflare.dispatchFetch(`http://${LOOPBACK}/`);
    if (!answer.ok) throw new Error(`The Worker does not load: ${(await answer.text()).slice(0, 2_000)}`);
    await answer.text();
    const after = cpuTime(pid);
    return before === null || after === null ? null : after - before;
  } finally {
    unsubscribe("child_process", note);
    await miniflare.dispose();
  }
}

function cpuTime(pid: number | undefined): number | null {
  if (pid === undefined || process.platform !== "linux") return null;
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[UTIME]) + Number(fields[STIME])) * TICK_MS;
}

function childOf(message: unknown): ChildProcess | undefined {
  if (typeof message !== "object" || message === null || !("process" in message)) return undefined;
  return message.process as ChildProcess;
}
