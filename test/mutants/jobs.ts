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
    replace: "good: isFallback ? goodPartOf(inProgress.draft) : draft.good",
    by: "good: null",
    tests: ["worker/summaries-move-forward"],
  },
  {
    name: "a fallback summary from scratch takes the place of what a model made",
    file: "src/session/summary/due.ts",
    replace: 'return goal.is === "from-scratch" && throughSeq',
    by: 'return goal.is === "continue" && throughSeq',
    tests: ["worker/summaries-move-forward"],
  },
  {
    name: "a dead letter of work that is done is listed",
    file: "src/pipeline/failed.ts",
    replace: 'if (standing !== null && standing !== "pending") {',
    by: 'if (standing === "held") {',
    tests: ["unit/runtime/pipeline-jobs"],
  },
  {
    name: "a draft stays in the pages of the database when its job ends",
    file: "src/session/outbox/job-store.ts",
    replace: "deleteInProgress(jobId: string): void {\n    this.#overwriteDraft(jobId);\n",
    by: "deleteInProgress(jobId: string): void {\n",
    tests: ["unit/runtime/summary-in-progress"],
  },
  {
    name: "a draft stays in the pages of the database when its session is erased",
    file: "src/session/outbox/job-store.ts",
    replace: '    this.#sql.exec(`UPDATE summaries_in_progress SET draft = ${overwritten("draft")}`);\n',
    by: "",
    tests: ["unit/runtime/summary-in-progress"],
  },
  {
    name: "what a consumer returned counts as given to a summarizer",
    file: "src/session/summary/in-progress.ts",
    replace: "lease === null ? 0 : (chunk?.throughSeq ?? 0)",
    by: "chunk?.throughSeq ?? 0",
    tests: ["unit/runtime/summary-in-progress"],
  },
  {
    name: "a summary that is begun again from scratch forgets what was erased meanwhile",
    file: "src/session/summary/in-progress.ts",
    replace: "if (invalidatedFromSeq === null) return released(job);",
    by: "if (invalidatedFromSeq === null || lastKept(job.goal) === null) return released(job);",
    tests: ["unit/runtime/summary-in-progress"],
  },
  {
    name: "a rebuild from scratch forgets that it is one once more is erased",
    file: "src/session/summary/goal.ts",
    replace: "isFromScratch: isFromScratch(goal),",
    by: "isFromScratch: false,",
    tests: ["unit/runtime/summary-in-progress"],
  },
];
