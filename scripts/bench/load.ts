// Many sessions that chat at once, at a fixed rate.
import { type BenchClient, RequestFailure } from "./client.ts";
import type { FailureTally } from "./failures.ts";
import { processorMs, residentMiB } from "./machine.ts";
import { dueCount, type LoadKind, type LoadPlan, plannedCount, plannedRequest } from "./pacing.ts";
import { type BenchSessions, inParallel } from "./sessions.ts";
import { type Distribution, distributionOf } from "./statistics.ts";
import { createTalk } from "./talk.ts";

const PLACE = "load";
/** From one session to the next, as a share of the way to a summary. Every run of sessions is spread over it evenly. */
const GOLDEN_SHARE = 0.618_034;
/** Beyond these a request waits for a connection, which counts as its latency. */
export const LOAD_CONNECTIONS = 256;
const PROGRESS_MS = 1_000;

export interface LoadReport extends LoadPlan {
  readonly requests: number;
  readonly succeeded: number;
  /** From the intended start to the last byte. */
  readonly append: Distribution | null;
  readonly context: Distribution | null;
  /** From the moment a request was really sent: without the lateness of the client's own clock, and without stalls. */
  readonly fromSend: { readonly append: Distribution | null; readonly context: Distribution | null };
  readonly lateness: Distribution | null;
  readonly answeredPerSecond: number;
  /** Acknowledged appends that the sessions do not hold in the end. */
  readonly lostAppends: number;
  /** Sessions that got their first summary meanwhile: as in a service that has run for long, they stand at every point on the way to one. */
  readonly summaries: number;
  readonly runtime: {
    readonly startMiB: number | null;
    readonly endMiB: number | null;
    /** Processors that workerd kept busy. */
    readonly processors: number | null;
  };
  /** Share of the time in which the client was at work. Near 1 it measures itself. */
  readonly clientBusy: number;
}

export interface LoadParts {
  readonly client: BenchClient;
  readonly sessions: BenchSessions;
  readonly failures: FailureTally;
  readonly runtimePid: number | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

interface Samples {
  readonly fromDue: Record<LoadKind, number[]>;
  readonly fromSend: Record<LoadKind, number[]>;
  readonly lateness: number[];
  readonly appended: number[];
}

export async function runLoad(parts: LoadParts, plan: LoadPlan): Promise<LoadReport> {
  const { sessions, runtimePid, onProgress } = parts;
  const ids = Array.from({ length: plan.sessions }, (_, at) => sessions.name(`load-${at}`));
  const turnsToSummary = await countTurnsToSummary(sessions);
  const seeded = ids.map((_, at) => 1 + Math.floor(((at * GOLDEN_SHARE) % 1) * turnsToSummary));
  await inParallel(ids, async (id, at) => {
    if (at % 50 === 0) onProgress(`load: making session ${at} of ${ids.length}`);
    await sessions.fill(id, seeded[at] ?? 1, createTalk(at));
  });
  const readMiB = (): number | null => (runtimePid === undefined ? null : residentMiB(runtimePid));
  const readMs = (): number | null => (runtimePid === undefined ? null : processorMs(runtimePid));

  const startMiB = readMiB();
  const startMs = readMs();
  const loop = performance.eventLoopUtilization();
  const startedAt = performance.now();
  const samples = await sendAll(parts, plan, ids);
  const elapsedMs = performance.now() - startedAt;
  const clientBusy = performance.eventLoopUtilization(loop).utilization;
  const endMs = readMs();
  const endMiB = readMiB();

  const succeeded = samples.lateness.length;
  const found = await lookUpAll(parts, ids, (at) => (seeded[at] ?? 1) + (samples.appended[at] ?? 0));
  return {
    ...plan,
    requests: plannedCount(plan),
    succeeded,
    append: distributionOf(samples.fromDue.append),
    context: distributionOf(samples.fromDue.context),
    fromSend: { append: distributionOf(samples.fromSend.append), context: distributionOf(samples.fromSend.context) },
    lateness: distributionOf(samples.lateness),
    answeredPerSecond: Math.round((succeeded * 1_000) / elapsedMs),
    ...found,
    runtime: {
      startMiB,
      endMiB,
      processors: startMs === null || endMs === null ? null : (endMs - startMs) / elapsedMs,
    },
    clientBusy,
  };
}

function sendAll(parts: LoadParts, plan: LoadPlan, ids: readonly string[]): Promise<Samples> {
  const { sessions, failures, signal, onProgress } = parts;
  const talk = createTalk(0);
  const samples: Samples = {
    fromDue: { append: [], context: [] },
    fromSend: { append: [], context: [] },
    lateness: [],
    appended: ids.map(() => 0),
  };
  const total = plannedCount(plan);
  const inFlight = new Set<Promise<void>>();

  const sendOne = async (index: number, startedAt: number): Promise<void> => {
    const { dueMs, kind, session } = plannedRequest(plan, index);
    const id = ids[session] ?? "";
    const sentMs = performance.now() - startedAt;
    const { ms } = kind === "append" ? await sessions.append(id, talk()) : await sessions.context(id);
    if (kind === "append") samples.appended[session] = (samples.appended[session] ?? 0) + 1;
    samples.fromSend[kind].push(ms);
    samples.fromDue[kind].push(sentMs - dueMs + ms);
    samples.lateness.push(sentMs - dueMs);
  };

  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    let sent = 0;
    let shownAt = startedAt;
    const tick = (): void => {
      const now = performance.now();
      for (const due = dueCount(plan, now - startedAt); sent < due; sent += 1) {
        const request = sendOne(sent, startedAt)
          .catch((error: unknown) => failures.note(PLACE, error))
          .catch(reject)
          .finally(() => inFlight.delete(request));
        inFlight.add(request);
      }
      if (now - shownAt > PROGRESS_MS) {
        shownAt = now;
        onProgress(
          `load: ${sent.toLocaleString("en")} of ${total.toLocaleString("en")} sent, ${inFlight.size} under way`,
        );
      }
      if (signal.aborted) reject(signal.reason);
      else if (sent < total) {
        const waitMs = plannedRequest(plan, sent).dueMs - (performance.now() - startedAt);
        setTimeout(tick, Math.max(0, waitMs));
      } else void Promise.all(inFlight).then(() => resolve(samples), reject);
    };
    tick();
  });
}

/** How many turns there are from one summary to the next. */
async function countTurnsToSummary(sessions: BenchSessions): Promise<number> {
  const id = sessions.name("load-scale");
  await sessions.fill(id, 10, createTalk(0));
  const { settings, messageTokens, headSeq } = await sessions.state(id);
  return Math.floor(((settings.summarizeAfterTokens ?? 0) * headSeq) / messageTokens);
}

/** Asks each session for its newest message: what was acknowledged must be there. */
async function lookUpAll(
  { sessions, failures, onProgress }: LoadParts,
  ids: readonly string[],
  expectedHeadSeq: (at: number) => number,
): Promise<Pick<LoadReport, "lostAppends" | "summaries">> {
  onProgress("load: counting what is there");
  let lostAppends = 0;
  let summaries = 0;
  await inParallel(ids, async (id, at) => {
    try {
      const { headSeq, summary } = await sessions.state(id);
      lostAppends += Math.max(0, expectedHeadSeq(at) - headSeq);
      if (summary !== null) summaries += 1;
    } catch (error) {
      failures.note(PLACE, error);
    }
  });
  if (lostAppends > 0) {
    failures.note(PLACE, new RequestFailure("lost", `${lostAppends} acknowledged appends are not there`));
  }
  return { lostAppends, summaries };
}
