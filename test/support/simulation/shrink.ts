import type { SimulatedArchive } from "./simulated-archive.ts";
import { type Run, runScript, type Script, type Step } from "./simulation.ts";
import type { System } from "./system.ts";

/** Shorter scripts are not worth more runs than this. */
const MAX_RUNS = 250;

/** The script without all steps that its failure does not need. Fails with the same promise, not always in the same words. */
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
  const attempt = async (shorter: readonly Step[]): Promise<boolean> => {
    runs += 1;
    const tried = await runScript(system, archive, { seed: script.seed, steps: shorter });
    if (tried.violation === null || tried.violation.promise !== promise) return false;
    steps = shorter.slice(0, tried.trace.length);
    run = tried;
    return true;
  };
  // From halves down to single steps: what is left out at once is tried from the end, since a failure needs its beginnings.
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    let isShorter = true;
    while (isShorter && runs < MAX_RUNS) {
      isShorter = false;
      for (let end = steps.length; end > 0 && runs < MAX_RUNS; end -= size) {
        const at = Math.max(0, end - size);
        if (await attempt([...steps.slice(0, at), ...steps.slice(end)])) isShorter = true;
      }
      if (size > 1) break;
    }
  }
  return { script: { seed: script.seed, steps }, run };
}
