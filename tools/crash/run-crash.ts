// Runs all kills, one after the other, on one service.
import { chmodSync } from "node:fs";
import path from "node:path";
import { makeFolder } from "../../scripts/dev/folders.ts";
import { makeBundle, makeRunDirectory, removeRunDirectory } from "../bench/host.ts";
import { startAgent } from "../drills/agent.ts";
import type { Chat } from "../drills/load.ts";
import { killOnce, type KillResult } from "./kill.ts";
import type { CrashOptions } from "./options.ts";
import { checkPendingWork } from "./pending-work.ts";
import { planKills } from "./plan.ts";
import { openCrashRig } from "./rig.ts";

export interface CrashReport {
  readonly startedAt: string;
  readonly seconds: number;
  readonly options: Omit<CrashOptions, "jsonFile">;
  readonly kills: readonly KillResult[];
  /** Versions of summaries in PostgreSQL at the end; null if the run did not get that far. */
  readonly summaries: number | null;
  /** The broken promise; null if all held. */
  readonly fault: string | null;
  /** Where the service's data was left for inspection; null if all promises held. */
  readonly leftIn: string | null;
}

export interface CrashNews {
  readonly signal: AbortSignal;
  readonly onKill: (result: KillResult, number: number) => void;
  readonly onStep: (text: string) => void;
}

/** A call that times out may be paid for and is made again, so the timeout is longer than any call takes on a busy machine. */
const AGENT_TIMEOUT_SECONDS = 60;
const LEAST_ACKNOWLEDGED = 2;

export async function runCrash(options: CrashOptions, { signal, onKill, onStep }: CrashNews): Promise<CrashReport> {
  const startedAt = new Date();
  const { jsonFile: _, ...asked } = options;
  const directory = makeRunDirectory();
  const stateDir = path.join(directory, "service");
  makeFolder(stateDir);
  chmodSync(directory, 0o755);
  const agent = await startAgent();
  const kills: KillResult[] = [];
  const chats: Chat[] = [];
  let summaries: number | null = null;
  let fault: string | null = null;
  try {
    onStep("starting …");
    const bundleDir = await makeBundle(directory, signal);
    const rig = await openCrashRig({
      databaseDirectory: path.join(directory, "database"),
      stateDir,
      bundleDir,
      env: { SUMMARIZER_MCP_URL: agent.url, SUMMARIZER_TIMEOUT_SECONDS: String(AGENT_TIMEOUT_SECONDS) },
      signal,
    });
    try {
      const plan = planKills(options.kills, options.victims, options.withinMs, options.seed);
      for (const [index, kill] of plan.entries()) {
        signal.throwIfAborted();
        const name = `kill-${index + 1}`;
        const { result, load } = await killOnce(rig, kill, { name, chats: options.chats, least: LEAST_ACKNOWLEDGED });
        kills.push(result);
        chats.push(...load.chats);
        onKill(result, index + 1);
      }
      onStep("waiting for pending work …");
      summaries = await checkPendingWork(rig, chats, agent.calls);
    } catch (error) {
      if (signal.aborted) throw error;
      fault = error instanceof Error ? error.message : String(error);
    } finally {
      await rig.stop();
    }
  } finally {
    await agent.close();
    if (fault === null) removeRunDirectory(directory);
  }
  return {
    startedAt: startedAt.toISOString(),
    seconds: Math.round((Date.now() - startedAt.getTime()) / 1_000),
    options: asked,
    kills,
    summaries,
    fault,
    leftIn: fault === null ? null : directory,
  };
}
