import type { SimulatedArchive } from "./simulated-archive.ts";
import { type Run, runScript, type Script, type Step } from "./simulation.ts";
import type { System } from "./system-types.ts";

/** A shorter script is not worth more runs than this. */
const MAX_RUNS = 250;

/** The script without all steps that its failure does not need. It breaks the same promise, not always with the same message. */
export async function shrink(
  system: System,
  archive: SimulatedArchive,
  script: Script,
  failed: Run,
): Promise<{ script: Script; run: Run }> {
  const promise = failed.violation?.promise;
  let steps: readonly Step[] = script.steps.slice(0, failed.trace.length);
  let run = failed;
  let runs = 0;
  const attempt = async (shorter: readonly Step[]): Promise<void> => {
    runs += 1;
    const tried = await runScript(system, archive, { seed: script.seed, steps: shorter });
    if (tried.violation === null || tried.violation.promise !== promise) return;
    steps = shorter.slice(0, tried.trace.length);
    run = tried;
  };
  /** Leaves out pieces of one size, from the end, because a failure needs its beginnings. Returns whether any could be left out. */
  const leaveOut = async (size: number): Promise<boolean> => {
    const before = steps.length;
    for (let end = steps.length; end > 0; end -= size) {
      if (runs >= MAX_RUNS) return false;
      await attempt([...steps.slice(0, Math.max(0, end - size)), ...steps.slice(end)]);
    }
    return steps.length < before;
  };
  for (let size = Math.ceil(steps.length / 2); size > 1; size = Math.ceil(size / 2)) await leaveOut(size);
  for (let isShorter = true; isShorter;) isShorter = await leaveOut(1);
  return { script: { seed: script.seed, steps }, run };
}
