// The service that drills run on, and what surrounds it: an agent, a receiver of alerts, and a list of what was seen.
import { mkdtempSync } from "node:fs";
import path from "node:path";
import { type Service, startService } from "../../scripts/dev/service.ts";
import { type Agent, startAgent } from "./agent.ts";
import { type Bell, createBell } from "./alerts.ts";
import { type Crash, type KeptReport, checkKept } from "./check-kept.ts";
import { type Load, startLoad } from "./load.ts";
import { type Mailbox, startMailbox } from "./mailbox.ts";
import { type Plant, plantBundle } from "./planted-bundle.ts";
import { untilIdle } from "./sessions.ts";

export interface Seen {
  readonly drill: string;
  readonly what: string;
  /** Counted from the start of the drill. */
  readonly atSeconds: number;
}

export interface StageOptions {
  /** A folder for this run alone. */
  readonly directory: string;
  /** The bundle, made by `bundleWorker`. */
  readonly bundleDir: string;
  readonly isShort: boolean;
  readonly onSeen: (seen: Seen) => void;
  readonly signal?: AbortSignal;
}

/** A call that times out may be paid for and is made again, so the timeout is longer than any call takes on a busy machine. */
const AGENT_TIMEOUT_SECONDS = 60;
const LOAD = { short: { chats: 3, pauseMs: 150 }, whole: { chats: 12, pauseMs: 250 } };
/** The pause between two checks for alerts; on the platform it is a minute. */
const LOOK_EVERY_MS = { short: 300, whole: 5_000 };

/** What one drill uses of the stage. */
export interface Scene {
  readonly isShort: boolean;
  readonly agent: Agent;
  readonly bell: Bell;
  /** The service that runs now; each restart replaces it. */
  readonly service: () => Service;
  readonly load: () => Promise<Load>;
  readonly saw: (what: string) => void;
  /** Ends the service by `end`, and starts it again on the same data, with this module in front of the Worker from then on. */
  readonly restart: (end: "stop" | "kill -9", plant?: Plant) => Promise<void>;
  /**
   * Restarts it by `stop` while chats continue. A summary that is interrupted is made again three minutes later, when its lease expires:
   * in the short form the chats pause for a moment, so that there is none.
   */
  readonly restartAround: (load: Load, plant: Plant) => Promise<void>;
  /** Restarts the service if another module than this one is in front of the Worker. */
  readonly plant: (plant: Plant) => Promise<void>;
  /** Ends the load, and verifies that everything is there. */
  readonly checkLoad: (load: Load) => Promise<KeptReport>;
}

export interface Stage {
  scene(drill: string): Scene;
  close(): Promise<void>;
}

export async function openStage({ directory, bundleDir, isShort, onSeen, signal }: StageOptions): Promise<Stage> {
  const agent = await startAgent();
  const mailbox: Mailbox = await startMailbox();
  const stateDir = mkdtempSync(path.join(directory, "state-"));
  const env = {
    ...mailbox.env,
    SUMMARIZER_MCP_URL: agent.url,
    SUMMARIZER_TIMEOUT_SECONDS: String(AGENT_TIMEOUT_SECONDS),
  };
  const start = (plant: Plant): Promise<Service> =>
    startService({
      stateDir,
      bundleDir: plantBundle(bundleDir, directory, plant),
      env,
      ...(signal === undefined ? {} : { signal }),
    });
  let service = await start("nothing");
  let planted: Plant = "nothing";
  const crashes: Crash[] = [];
  const loads: Load[] = [];

  async function restart(end: "stop" | "kill -9", plant: Plant = "nothing"): Promise<void> {
    const begunAt = Date.now();
    await (end === "stop" ? service.stop() : service.kill9());
    crashes.push({ begunAt, overAt: Date.now() });
    service = await start(plant);
    planted = plant;
  }

  function scene(drill: string): Scene {
    const startedAt = performance.now();
    const saw = (what: string): void =>
      onSeen({ drill, what, atSeconds: Math.round((performance.now() - startedAt) / 100) / 10 });
    const size = isShort ? "short" : "whole";
    return {
      isShort,
      agent,
      bell: createBell(() => service, mailbox, LOOK_EVERY_MS[size]),
      service: () => service,
      saw,
      async load() {
        const name = `${drill}-${crypto.randomUUID().slice(0, 8)}`;
        const load = await startLoad(() => service, { name, ...LOAD[size] });
        loads.push(load);
        return load;
      },
      restart,
      async restartAround(load, plant) {
        if (!isShort) return restart("stop", plant);
        await load.whileSilent(async () => {
          await untilIdle(service, load.chats);
          await restart("stop", plant);
        });
      },
      async plant(plant) {
        if (plant !== planted) await restart("stop", plant);
      },
      async checkLoad(load) {
        await load.stop();
        const { databaseUrl } = service;
        const report = await checkKept({ target: service, databaseUrl, load, calls: agent.calls, crashes });
        saw(
          `kept: ${report.messages} messages of ${load.chats.length} chats and ${report.summaries} summaries, also in the archive; none paid twice`,
        );
        return report;
      },
    };
  }

  return {
    scene,
    async close() {
      for (const load of loads) load.abandon();
      await service.stop();
      await Promise.all([agent.close(), mailbox.close()]);
    },
  };
}
