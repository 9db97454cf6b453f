import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import {
  identifyProcess,
  isRunning,
  killTrees,
  listDescendants,
  type ProcessIdentity,
} from "../../scripts/dev/processes.ts";

/** What `npm start` writes into dev.json. */
export interface DevJson {
  url: string;
  apiKey: string;
  adminKey: string;
  databaseUrl: string;
  pids: Record<string, number>;
}

export interface CommandOptions {
  command?: string[];
  cwd?: string;
  env?: Record<string, string>;
  uid?: number;
  gid?: number;
}

export interface StartCommand {
  readonly child: ChildProcess;
  readonly stateDir: string;
  /** Everything that it has printed, on both streams. */
  output(): string;
  /** Resolves when it has printed its addresses; fails with its output if it ends before. */
  ready(): Promise<DevJson>;
  /** Resolves with the exit code. */
  readonly exited: Promise<number | null>;
  /** It and all processes that it has started. */
  processes(): ProcessIdentity[];
}

/** Runs `npm start` as a process of its own, like a person, on a free port. It is killed with all its processes when the test ends. */
export function runStart(stateDir: string, args: string[] = [], options: CommandOptions = {}): StartCommand {
  const { command = [process.execPath, "scripts/run.mjs", "start"], cwd = projectRoot, env = {}, uid, gid } = options;
  const [program = "", ...rest] = command;
  const child = spawn(
    program,
    [...rest, "--state", stateDir, ...(args.includes("--port") ? [] : ["--port", "0"]), ...args],
    {
      cwd,
      env: { ...cleanEnvironment(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
      ...(uid === undefined || gid === undefined ? {} : { uid, gid }),
    },
  );
  let output = "";
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", reject);
  });
  const identity = child.pid === undefined ? null : identifyProcess(child.pid);
  const processes = (): ProcessIdentity[] =>
    identity === null ? [] : [identity, ...listDescendants(identity.pid)].filter(isRunning);
  onTestFinished(() => killTrees(processes()));

  const devJson = path.join(stateDir, "dev.json");
  const ready = async (): Promise<DevJson> => {
    while (!output.includes("Stop with Ctrl-C") || !existsSync(devJson)) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`It ended:\n${output}`);
      await sleep(50);
    }
    return JSON.parse(readFileSync(devJson, "utf8"));
  };
  return { child, stateDir, output: () => output, ready, exited, processes };
}

/** Like in a new terminal: without variables of the npm that runs the tests, and without a developer's settings for the service. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const own = /^(npm_|VITEST|NODE_|DATABASE_URL$|WORKER_DATABASE_URL$|PORT$|THREADKEEP_|SUMMARIZER_|INIT_CWD$)/i;
  const kept = Object.entries(process.env).filter(([name]) => !own.test(name));
  const searchPath = (process.env["PATH"] ?? "")
    .split(path.delimiter)
    .filter((entry) => !entry.includes("node_modules"));
  return { ...Object.fromEntries(kept), PATH: searchPath.join(path.delimiter) };
}
