// Finishes a session: requests a summary, waits until it is made and archived, and checks the context.
import { setTimeout } from "node:timers/promises";
import type { SessionState } from "../../src/api/session.ts";
import { ApiProblem } from "../api.ts";
import type { Api } from "../api.ts";
import { checkContext } from "./check-context.ts";
import type { LoadedSession } from "./loader.ts";
import type { Tally } from "./tally.ts";

/** The budget of the context that is checked. */
export const CHECKED_CONTEXT_TOKENS = 4_000;
const FIRST_POLL_MS = 10;
const MAX_POLL_MS = 500;
/**
 * The API refuses a longer wait with 422. It is short, because after a lost connection the whole wait would be
 * repeated.
 */
const WAIT_FOR_SUMMARY_MS = 5_000;

export interface FinishOptions {
  readonly keepRecentTokens: number;
  readonly concurrency: number;
  /**
   * How long to wait while no session makes progress with summarizing or archiving. Shared by all sessions, so that an
   * archive that is down does not cost this time for each.
   */
  readonly patienceMs: number;
}

/** When a session was last summarized, and last archived. */
interface Progress {
  summaryAt: number;
  archiveAt: number;
}

export async function finishSessions(
  api: Api,
  tally: Tally,
  sessions: readonly LoadedSession[],
  options: FinishOptions,
): Promise<void> {
  // A session to which this run added nothing has nothing of ours to summarize; its failure is reported already.
  const queue = sessions.filter(({ headSeq }) => headSeq > 0);
  const progress: Progress = { summaryAt: performance.now(), archiveAt: performance.now() };
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      try {
        await finishSession(api, tally, next, options, progress);
      } catch (error) {
        if (!(error instanceof ApiProblem)) {
          queue.length = 0;
          throw error;
        }
        tally.noteFailure(`session ${next.session}`, error.message);
      }
      tally.finished += 1;
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, work));
}

async function finishSession(
  api: Api,
  tally: Tally,
  loaded: LoadedSession,
  options: FinishOptions,
  progress: Progress,
): Promise<void> {
  const fail = (reason: string): void => tally.noteFailure(`session ${loaded.session}`, reason);
  const startedAt = performance.now();
  const { job, summary } = await api.summarize(loaded.session, {
    waitMs: WAIT_FOR_SUMMARY_MS,
    keepRecentTokens: options.keepRecentTokens,
  });
  // Without a job, everything is covered already.
  const isNewWork = job !== null && job !== undefined;
  const throughSeq = job?.throughSeq ?? 0;
  const isCovered = (through: number): boolean => through >= throughSeq;
  let summaryAt = isCovered(summary?.throughSeq ?? 0) ? performance.now() : null;
  if (summaryAt !== null) progress.summaryAt = summaryAt;
  if (summaryAt !== null && isNewWork) tally.summaryMs.push(summaryAt - startedAt);
  let state: SessionState | null = null;
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(MAX_POLL_MS, pollMs * 1.5)) {
    state = await api.session(loaded.session);
    tally.waiting = null;
    if (state === null) return fail("is gone: it was loaded, and now there is no such session");
    if (summaryAt === null && isCovered(state.summary?.throughSeq ?? 0)) {
      summaryAt = performance.now();
      progress.summaryAt = summaryAt;
      if (isNewWork) tally.summaryMs.push(summaryAt - startedAt);
    }
    if (summaryAt !== null && state.archived && !state.summaryPending) break;
    const waitedMs = performance.now() - (summaryAt === null ? progress.summaryAt : progress.archiveAt);
    if (waitedMs > options.patienceMs) {
      const patience = `${Math.round(options.patienceMs / 1_000)} s`;
      return fail(
        summaryAt === null
          ? `has no summary, and no session has got one for ${patience}`
          : `is not archived, and the archive has taken no session for ${patience}; it catches up by itself when it can`,
      );
    }
    await setTimeout(pollMs);
  }
  progress.archiveAt = performance.now();
  if (isNewWork) tally.archiveMs.push(performance.now() - startedAt);
  if (state.summary === null) tally.withoutSummary += 1;
  if (state.headSeq < loaded.headSeq) {
    fail(`holds ${state.headSeq} messages, but ${loaded.headSeq} were acknowledged`);
  }
  await checkSessionContext(api, tally, loaded.session);
}

async function checkSessionContext(api: Api, tally: Tally, session: string): Promise<void> {
  const startedAt = performance.now();
  const context = await api.context(session, CHECKED_CONTEXT_TOKENS);
  tally.contextMs.push(performance.now() - startedAt);
  const check = checkContext(context, CHECKED_CONTEXT_TOKENS);
  tally.contextsChecked += 1;
  if (!check.isWithinBudget) {
    tally.noteFailure(
      `session ${session}`,
      `its context takes ${context.tokens.used} tokens of ${CHECKED_CONTEXT_TOKENS}`,
    );
  }
  if (check.gaps > 0) {
    tally.noteFailure(`session ${session}`, `${check.gaps} messages are missing from its context in silence`);
  }
  if (check.omitted > 0) {
    tally.noteFailure(`session ${session}`, `its context leaves out ${check.omitted} messages`);
  }
  if (check.isWithinBudget && check.gaps === 0 && check.omitted === 0) tally.contextsGood += 1;
}
