// How much CPU the Worker's modules take to load in workerd, before the first request is looked at.
import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { LOOPBACK } from "../dev/ports.ts";
import { listModules } from "../dev/worker-modules.ts";

/** Linux counts CPU time in ticks of 10 ms, whatever the machine. */
const TICK_MS = 10;
/** Fields of /proc/PID/stat after the name, which may hold spaces: CPU in the program and in the kernel. */
const UTIME = 11;
const STIME = 12;

/** https://developers.cloudflare.com/workers/platform/limits/: past it Cloudflare refuses the upload. */
export const STARTUP_LIMIT_MS = 1_000;
/** CPU that gzip takes for a MiB of a bundle where loading it takes 370 ms: by it a slow machine is known. */
const REFERENCE_GZIP_MS_PER_MIB = 50;
/** A garbage collection may fall into one of them. */
const MAX_TRIES = 3;

/** Loads the Worker when it is asked to, so that the start of workerd itself is not counted. */
const LOADER = `export default { async fetch() { await import("./worker.js"); return new Response("loaded"); } };`;

export interface Startup {
  /** CPU time of the quickest try, in milliseconds. */
  readonly cpuMs: number;
  /** Cloudflare's limit, stretched as far as this machine is slower than the reference; never below it. */
  readonly limitMs: number;
}

/** Null where it cannot be measured, which is anywhere but on Linux. */
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

/** At least 1. */
function slowness(modules: string): number {
  const bytes = readFileSync(path.join(modules, "worker.js"));
  const before = process.cpuUsage();
  gzipSync(bytes);
  const { user, system } = process.cpuUsage(before);
  const referenceMs = (bytes.length / 2 ** 20) * REFERENCE_GZIP_MS_PER_MIB;
  return Math.max(1, (user + system) / 1_000 / referenceMs);
}

/**
 * CPU time in milliseconds, which a busy machine does not lengthen, unlike the time on the clock. Null where the system does not tell it
 * (it is read from /proc, so on Linux alone).
 *
 * @param modules where `wrangler deploy --dry-run --outdir` put the bundle
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
