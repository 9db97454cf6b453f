/**
 * Runs an operation from its first step to its report. Each step is durable: after a crash only the interrupted step is
 * repeated.
 */

import {
  EMPTY_STATE,
  MAX_NAMED_SESSIONS,
  type NamedSession,
  type OperationReport,
  type OperationRequest,
  type OperationState,
  partIdOf,
  type WorkflowPayload,
} from "../api/operation-run.ts";
import { faultOf } from "../api/problem.ts";
import { TENANT_OWNER } from "../api/session.ts";
import { errorFields } from "../telemetry/redact.ts";
import { auditRun } from "./audit-run.ts";
import type { MaintenanceDeps, Slice } from "./operation.ts";
import { OPERATIONS } from "./operations.ts";

/** The methods of a Workflow instance: `do` stores the result of its body, and does not run a completed step again. */
export interface Steps {
  do<T extends Rpc.Serializable<T>>(name: string, config: StepConfig, body: () => Promise<T>): Promise<T>;
  sleep(name: string, milliseconds: number): Promise<void>;
}

interface StepConfig {
  readonly retries: { readonly limit: number; readonly delay: number; readonly backoff: "exponential" };
  readonly timeout: number;
}

/** Eight attempts, the last about ten minutes after the first, which is longer than a restart or a deployment takes. */
const STEP: StepConfig = { retries: { limit: 7, delay: 5_000, backoff: "exponential" }, timeout: 900_000 };

export interface Pacing {
  /**
   * Steps after which a new instance continues, because an instance stores the result of each step and has limited
   * space for them.
   */
  readonly slicesPerInstance: number;
  /** Pause between two steps, so that a long run does not slow down users' requests. */
  readonly pauseMs: number;
}

export const PACING: Pacing = { slicesPerInstance: 200, pauseMs: 1_000 };

/** How an instance ended. `continued`: another instance continues the run. */
export type RunEnd = { readonly status: "complete" | "cancelled" | "continued"; readonly report: OperationReport };

export interface RunDeps extends MaintenanceDeps {
  readonly pacing: Pacing;
}

/** @param instanceId id of this instance; for the first instance of a run it is also the run's id */
export async function runOperation(
  payload: WorkflowPayload,
  instanceId: string,
  steps: Steps,
  parts: RunDeps,
): Promise<RunEnd> {
  const { chain, ...request } = payload;
  const run = chain?.run ?? instanceId;
  const part = chain?.part ?? 1;
  const { runs } = parts.operations;
  try {
    if (chain === undefined) await steps.do("begin", STEP, () => begin(run, request, parts));
    let state = chain?.state ?? EMPTY_STATE;
    for (let slice = 1; ; slice += 1) {
      const before = state;
      const next = await steps.do(`slice ${slice}`, STEP, () => takeSlice(run, request, before, parts));
      if (next === null) return { status: "cancelled", report: before.report };
      state = next.state;
      if (state.cursor === null) break;
      if (slice >= parts.pacing.slicesPerInstance) {
        const following = { run, part: part + 1, state };
        await steps.do("go on", STEP, async () => {
          const instance = partIdOf(run, following.part);
          await parts.startRun(instance, { ...request, chain: following });
          // Only after the instance was started: whoever reads the run asks this instance for its status, which fails
          // before it exists.
          const { progress, report } = following.state;
          await runs.progress(run, { progress, report, instance });
          return following.part;
        });
        return { status: "continued", report: state.report };
      }
      await steps.sleep(`pause ${slice}`, Math.max(parts.pacing.pauseMs, next.waitMs));
    }
    const { report } = state;
    await steps.do("finish", STEP, async () => (await runs.finish(run, "complete", null))?.status ?? null);
    parts.log.info("operation_complete", { run, op: request.op, dryRun: request.dryRun, ...state.progress });
    return { status: "complete", report };
  } catch (error) {
    parts.log.error("operation_failed", { run, op: request.op, ...errorFields(error) });
    const told = `It stopped after several attempts (${faultOf(error).code}). What was done stays done: start it again, and it goes over the rest.`;
    await steps.do("fail", STEP, async () => (await runs.finish(run, "failed", told))?.status ?? null);
    throw error;
  }
}

/**
 * A run started over HTTP is recorded, and audited, already. A run that is not recorded yet was started with wrangler.
 */
async function begin(run: string, request: OperationRequest, parts: RunDeps): Promise<string> {
  const begun = await parts.operations.runs.begin(run, request, "running");
  const { tenant = null, user: owner = TENANT_OWNER } = request;
  if (begun.created) auditRun("startOperation", { tenant, owner }, run, parts);
  parts.log.info("operation_begun", { run, op: request.op, dryRun: request.dryRun });
  return begun.run.status;
}

/** Null if the run was ended meanwhile, for example cancelled. */
async function takeSlice(
  run: string,
  request: OperationRequest,
  before: OperationState,
  parts: RunDeps,
): Promise<{ state: OperationState; waitMs: number } | null> {
  const known = await parts.operations.runs.read(run);
  if (known !== null && known.finishedAt !== null) return null;
  const slice = await OPERATIONS[request.op].slice(request, before.cursor, parts, run);
  const state = add(before, slice);
  const { progress, report } = state;
  await parts.operations.runs.progress(run, { progress, report });
  return { state, waitMs: (slice.waitSeconds ?? 0) * 1_000 };
}

function add({ progress, report }: OperationState, slice: Slice): OperationState {
  const { cursor, counts, found = {}, failures = [], findings = [], failed = failures.length, notes = [] } = slice;
  const done = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const summed = { ...report.counts };
  for (const [word, count] of Object.entries({ ...counts, ...found })) summed[word] = (summed[word] ?? 0) + count;
  const named = (before: readonly NamedSession[], more: readonly NamedSession[]): NamedSession[] =>
    [...before, ...more].slice(0, MAX_NAMED_SESSIONS);
  return {
    cursor,
    progress: {
      done: progress.done + done,
      failed: progress.failed + failed,
      total: slice.total ?? progress.total,
    },
    report: {
      counts: summed,
      failures: named(report.failures, failures),
      findings: named(report.findings, findings),
      notes: [...new Set([...report.notes, ...notes])],
    },
  };
}
