import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { readJsonFile, writePrivateFile } from "./files.ts";

/** Process ids are reused, so killing by id alone is unsafe. Id and start time together identify one process. */
export interface ProcessIdentity {
  pid: number;
  startedAt: string;
}

interface ProcessEntry extends ProcessIdentity {
  parentPid: number;
  isZombie: boolean;
}

/** Returns null if there is no such process, or only a zombie. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  const entry = readProcess(pid);
  return entry === null || entry.isZombie ? null : { pid: entry.pid, startedAt: entry.startedAt };
}

export function isRunning(identity: ProcessIdentity): boolean {
  const now = identifyProcess(identity.pid);
  return now !== null && now.startedAt === identity.startedAt;
}

/**
 * The processes that `pid` started, and their descendants, nearest first.
 * @internal A test ends what a start that it made has left.
 */
export function listDescendants(pid: number): ProcessIdentity[] {
  const all = listProcesses();
  const found: ProcessIdentity[] = [];
  let parents = new Set([pid]);
  while (parents.size > 0) {
    const children = all.filter((entry) => parents.has(entry.parentPid) && !entry.isZombie);
    found.push(...children.map(({ pid: childPid, startedAt }) => ({ pid: childPid, startedAt })));
    parents = new Set(children.map((entry) => entry.pid));
  }
  return found;
}

/** Does nothing if the process has ended or its id belongs to another one by now. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if (!isErrorWithCode(error, "ESRCH")) throw error;
  }
}

/** Kills the processes and their descendants; resolves when the last one has ended. */
export async function killTrees(identities: ProcessIdentity[]): Promise<void> {
  const living = identities.filter(isRunning);
  const all = [...living, ...living.flatMap((identity) => listDescendants(identity.pid))];
  for (const identity of all) signalProcess(identity, "SIGKILL");
  for (const identity of all) await waitUntilGone(identity, 10_000);
}

/** Resolves to false if the process is still running after `timeoutMs`. */
export async function waitUntilGone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isRunning(identity)) {
    if (Date.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

/** The command line of a running process; null if the system does not reveal it. */
export function readCommandLine(pid: number): string | null {
  try {
    if (process.platform === "linux") return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    if (process.platform === "win32") return null;
    return execFileSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
  } catch {
    return null; // it has ended
  }
}

/** Records the running processes of a start on disk, so that the next start can end what a `kill -9` left behind. */
export class ProcessRecord {
  readonly #file: string;
  readonly #entries = new Map<string, ProcessIdentity>();

  constructor(file: string) {
    this.#file = file;
  }

  set(role: string, pid: number | undefined): void {
    const identity = pid === undefined ? null : identifyProcess(pid);
    if (identity === null) this.#entries.delete(role);
    else this.#entries.set(role, identity);
    this.#write();
  }

  delete(role: string): void {
    this.#entries.delete(role);
    this.#write();
  }

  forgetEnded(): void {
    for (const [role, identity] of this.#entries) if (!isRunning(identity)) this.#entries.delete(role);
    this.#write();
  }

  all(): ProcessIdentity[] {
    return [...this.#entries.values()];
  }

  pids(): Record<string, number> {
    return Object.fromEntries([...this.#entries].map(([role, identity]) => [role, identity.pid]));
  }

  removeFile(): void {
    rmSync(this.#file, { force: true });
  }

  #write(): void {
    writePrivateFile(this.#file, `${JSON.stringify(Object.fromEntries(this.#entries))}\n`);
  }
}

/** The processes of an earlier start that are still running, by role. A file that a crash truncated counts as empty. */
export function readSurvivors(file: string): Map<string, ProcessIdentity> {
  const survivors = new Map<string, ProcessIdentity>();
  const recorded = readJsonFile(file);
  if (typeof recorded !== "object" || recorded === null) return survivors;
  for (const [role, identity] of Object.entries(recorded)) {
    if (isIdentity(identity) && identity.pid !== process.pid && isRunning(identity)) survivors.set(role, identity);
  }
  return survivors;
}

export function isIdentity(value: unknown): value is ProcessIdentity {
  return (
    typeof value === "object" &&
    value !== null &&
    "pid" in value &&
    typeof value.pid === "number" &&
    "startedAt" in value &&
    typeof value.startedAt === "string"
  );
}

export function isErrorWithCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function readProcess(pid: number): ProcessEntry | null {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  if (process.platform === "linux") return readLinuxProcess(pid);
  if (process.platform === "win32") return readWindowsProcess(pid);
  try {
    const output = execFileSync("ps", ["-o", "pid=,ppid=,stat=,lstart=", "-p", String(pid)], { encoding: "utf8" });
    return parsePsLine(output.trim());
  } catch {
    return null; // ps ends with 1 when there is no such process
  }
}

function listProcesses(): ProcessEntry[] {
  if (process.platform === "linux") {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map((name) => readLinuxProcess(Number(name)))
      .filter((entry) => entry !== null);
  }
  if (process.platform === "win32") return [];
  return execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat=,lstart="], { encoding: "utf8" })
    .split("\n")
    .map((line) => parsePsLine(line.trim()))
    .filter((entry) => entry !== null);
}

/**
 * proc(5): the second field, the command, is in parentheses and may contain anything; state, parent and start time
 * follow.
 */
function readLinuxProcess(pid: number): ProcessEntry | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return null; // it has ended
  }
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, parentPid, ticks] = [fields[0], fields[1], fields[19]];
  if (state === undefined || ticks === undefined) return null;
  return {
    pid,
    parentPid: Number(parentPid),
    isZombie: state === "Z" || state === "X",
    startedAt: `${bootId()} ${ticks}`,
  };
}

/**
 * Start times count from boot, so the boot's id is included: otherwise a process from before a reboot could match a
 * later one.
 */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "unknown-boot";
  }
}

function parsePsLine(line: string): ProcessEntry | null {
  const match = /^(\d+)\s+(\d+)\s+(\S+)\s+(.+)$/.exec(line);
  const [, pid, parentPid, state, startedAt] = match ?? [];
  if (pid === undefined || state === undefined || startedAt === undefined) return null;
  return { pid: Number(pid), parentPid: Number(parentPid), isZombie: state.startsWith("Z"), startedAt };
}

function readWindowsProcess(pid: number): ProcessEntry | null {
  try {
    const startedAt = execFileSync(
      "powershell",
      ["-NoProfile", "-Command", `(Get-Process -Id ${pid}).StartTime.Ticks`],
      { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
    ).trim();
    return startedAt === "" ? null : { pid, parentPid: 0, isZombie: false, startedAt };
  } catch {
    return null; // no such process
  }
}
