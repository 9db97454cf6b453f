import type { Mutant } from "../../tools/mutants/mutant.ts";

/** Pending jobs: when they are sent, who may do them, and how they end. */
export const JOB_MUTANTS: readonly Mutant[] = [
  {
    name: "the twentieth attempt at a better summary waits for 121 days",
    file: "src/lib/retry-policy.ts",
    replace: "jittered(Math.min(RETRY_MAX_MS, UPGRADE_BASE_MS * 2 ** failures), random)",
    by: "jittered(UPGRADE_BASE_MS * 2 ** failures, random)",
    tests: ["unit/delays"],
  },
  {
    name: "a lease does not move the job's next send",
    file: "src/session/summary/run.ts",
    replace: "    nextSendAt: leaseUntil,\n",
    by: "",
    tests: ["worker/promise-10-healthy"],
  },
  {
    name: "a lease that ends early leaves a late alarm",
    file: "src/session/transactions.ts",
    replace: "if (set === null || set <= unit.now || (at !== null && at < set)) this.#setAlarm(at);",
    by: "if (set === null || set <= unit.now) this.#setAlarm(at);",
    tests: ["worker/promise-10-healthy"],
  },
  {
    name: "the last message that a model was given counts as not given",
    file: "src/session/erase/invalidate.ts",
    replace: "const firstGiven = lowestBetween(on, 0, begun);",
    by: "const firstGiven = lowestBetween(on, 0, begun - 1);",
    tests: ["worker/summaries-move-forward"],
  },
  {
    name: "what a model said before a fallback summary had to serve is paid for again",
    file: "src/session/summary/run.ts",
    replace: "good: isFallback ? goodPartOf(job.draft) : draft.good",
    by: "good: null",
    tests: ["worker/summaries-move-forward"],
  },
  {
    name: "a fallback summary from scratch takes the place of what a model made",
    file: "src/session/summary/due.ts",
    replace: "return fromScratch && rebuildBase === null",
    by: "return !fromScratch && rebuildBase === null",
    tests: ["worker/summaries-move-forward"],
  },
  {
    name: "a dead letter of work that is done is listed",
    file: "src/pipeline/failed.ts",
    replace: 'if (standing !== null && standing !== "pending") {',
    by: 'if (standing === "held") {',
    tests: ["unit/runtime/pipeline-jobs"],
  },
];
