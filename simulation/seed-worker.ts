import { parentPort, workerData } from "node:worker_threads";
import { isOfDatabase, patchesOf, SOUND } from "./planted-bugs.ts";
import { shrink } from "./shrink.ts";
import { SimulatedArchive } from "./simulated-archive.ts";
import { type Run, runScript, type Script, scriptOf } from "./simulation.ts";
import { loadSystem } from "./system.ts";
import { Endless } from "./violation.ts";

/** A thread that runs seeds. A simulation replaces the clock and the randomness of its whole thread, so each has a thread of its own. */

/** One seed, with a planted bug if one is named. */
export interface SeedTask {
  readonly seed: number;
  readonly steps: number;
  readonly bug: string | undefined;
}

/** `run`: does it keep every promise? `shrink`: with which of its steps does it break one? */
export type Asked = { readonly what: "run" | "shrink" } & SeedTask;

export interface Answered {
  /** Null if every promise held. */
  readonly violation: string | null;
  /** It does not end, so a shorter script may not end either. */
  readonly isEndless: boolean;
  /** What each step did; nothing for a run that held. */
  readonly trace: readonly string[];
  /** The worker itself failed: nothing is known of the seed. */
  readonly fault?: string;
}

/** After this many seeds, dead rows of the tables are removed. */
const SEEDS_PER_COMPACTION = 100;

/** Does its tasks one after the other. Returns the result. */
async function openWorker(databaseUrl: string): Promise<(asked: Asked) => Promise<Answered>> {
  const archive = await SimulatedArchive.open(databaseUrl);
  let sinceCompaction = 0;
  const run = async (script: Script, bug: string | undefined): Promise<Run> => {
    sinceCompaction += 1;
    if (sinceCompaction >= SEEDS_PER_COMPACTION) {
      sinceCompaction = 0;
      await archive.compact();
    }
    return runScript(await loadSystem(bug ?? SOUND), archive, script);
  };
  return async ({ what, seed, steps, bug }) => {
    const script = scriptOf(seed, steps);
    await archive.patch(patchesOf(bug ?? SOUND).filter(isOfDatabase));
    const first = await run(script, bug);
    if (first.violation === null) return { violation: null, isEndless: false, trace: [] };
    const { violation, trace } =
      what === "run" ? first : (await shrink(await loadSystem(bug ?? SOUND), archive, script, first)).run;
    return { violation: violation?.message ?? null, isEndless: violation instanceof Endless, trace };
  };
}

/** Absent if this module is only read for its types. */
if (parentPort !== null) {
  const port = parentPort;
  const opened = openWorker(String(workerData));
  port.on("message", (asked: Asked) => {
    opened
      .then((answer) => answer(asked))
      .catch((error: unknown): Answered => {
        const fault = error instanceof Error ? (error.stack ?? error.message) : String(error);
        return { violation: null, isEndless: false, trace: [], fault };
      })
      .then((answered) => port.postMessage(answered));
  });
}
