import { describe, expect, it } from "vitest";
import { backlogDelayMs, LEASE_MS, resendDelayMs } from "../../src/lib/retry-policy.ts";

/**
 * The queue of summaries, a tenth of what the platform runs: 25 consumers at once, each with a batch of up to four messages, whose summaries are
 * made side by side. A consumer takes its next batch when the slowest of its four is done, so that a message for work that somebody else is
 * at, or that is done, takes the place of one that is worth something. When a job is sent again is decided as src/session does it.
 */
const CONSUMERS = 25;
const BATCH = 4;
/** How long a delivery takes that finds nothing to do. */
const USELESS_MS = 50;
const MINUTE_MS = 60_000;

interface Load {
  readonly jobsPerSecond: number;
  /** How long one call of the model takes. */
  readonly callMs: number;
  readonly chunks?: number;
  readonly hours: number;
  /** Nothing is consumed before this moment. */
  readonly outageMs?: number;
}

interface Outcome {
  /** Jobs done in each second of the last half hour. */
  readonly goodput: number;
  readonly usefulShare: number;
  readonly waiting: number;
  readonly mostSends: number;
}

interface SimulatedJob {
  state: "waiting" | "leased" | "done";
  sends: number;
  nextSendAt: number;
}

/** Smallest number first. */
class Agenda {
  readonly #heap: { at: number; body: () => void }[] = [];

  push(at: number, body: () => void): void {
    const heap = this.#heap;
    let index = heap.push({ at, body }) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if ((heap[parent]?.at ?? 0) <= at) break;
      [heap[index], heap[parent]] = [heap[parent]!, heap[index]!];
      index = parent;
    }
  }

  pop(): { at: number; body: () => void } | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let index = 0; ;) {
      const [left, right] = [2 * index + 1, 2 * index + 2];
      const child = (heap[right]?.at ?? Infinity) < (heap[left]?.at ?? Infinity) ? right : left;
      if ((heap[child]?.at ?? Infinity) >= last.at) return first;
      [heap[index], heap[child]] = [heap[child]!, heap[index]!];
      index = child;
    }
  }
}

function simulate({ jobsPerSecond, callMs, chunks = 1, hours, outageMs = 0 }: Load): Outcome {
  let seed = 1;
  const random = (): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
  const endsAt = hours * 60 * MINUTE_MS;
  const agenda = new Agenda();
  const queue: { job: SimulatedJob; sentAt: number }[] = [];
  let head = 0;
  let [free, useful, useless, waiting, mostSends] = [outageMs > 0 ? 0 : CONSUMERS, 0, 0, 0, 0];
  const doneAt: number[] = [];

  const send = (job: SimulatedJob, now: number): void => {
    if (job.state === "done" || job.nextSendAt > now) return;
    job.sends += 1;
    mostSends = Math.max(mostSends, job.sends);
    queue.push({ job, sentAt: now });
    const waitedMs = now - (queue[head]?.sentAt ?? now);
    sendNext(job, now + Math.max(resendDelayMs(job.sends, random()), backlogDelayMs(waitedMs, random())));
    dispatch(now);
  };
  const sendNext = (job: SimulatedJob, at: number): void => {
    job.nextSendAt = at;
    agenda.push(at, () => send(job, at));
  };
  const chunk = (job: SimulatedJob, left: number, now: number): number => {
    sendNext(job, now + LEASE_MS);
    const at = now + callMs;
    if (left > 1) return chunk(job, left - 1, at);
    agenda.push(at, () => {
      job.state = "done";
      doneAt.push(at);
    });
    return at;
  };
  const dispatch = (now: number): void => {
    while (free > 0 && head < queue.length) {
      const batch = queue.slice(head, head + BATCH);
      head += batch.length;
      free -= 1;
      let end = now + USELESS_MS;
      for (const { job } of batch) {
        if (job.state !== "waiting") {
          useless += 1;
          continue;
        }
        useful += 1;
        waiting -= 1;
        job.state = "leased";
        end = Math.max(end, chunk(job, chunks, now));
      }
      agenda.push(end, () => {
        free += 1;
        dispatch(end);
      });
    }
  };
  const arrive = (at: number): void => {
    agenda.push(at, () => {
      const job: SimulatedJob = { state: "waiting", sends: 0, nextSendAt: at };
      waiting += 1;
      send(job, at);
      arrive(at + (-Math.log(1 - random()) / jobsPerSecond) * 1_000);
    });
  };
  arrive(0);
  if (outageMs > 0) {
    agenda.push(outageMs, () => {
      free = CONSUMERS;
      for (let one = 0; one < CONSUMERS; one += 1) dispatch(outageMs);
    });
  }
  for (let event = agenda.pop(); event !== undefined && event.at <= endsAt; event = agenda.pop()) event.body();
  const lately = doneAt.filter((at) => at > endsAt - 30 * MINUTE_MS).length;
  return { goodput: lately / 1_800, usefulShare: useful / (useful + useless), waiting, mostSends };
}

/** Jobs a second that all consumers together can do, at a minute each. */
const CAPACITY = (CONSUMERS * BATCH) / 60;

describe("the queue of summaries", () => {
  it("completes what comes, up to its capacity, and does hardly anything else", () => {
    const { goodput, usefulShare, waiting } = simulate({ jobsPerSecond: 0.95 * CAPACITY, callMs: MINUTE_MS, hours: 3 });
    expect(goodput).toBeGreaterThan(0.9 * CAPACITY);
    expect(usefulShare).toBeGreaterThan(0.99);
    expect(waiting).toBeLessThan(100);
  });

  it("completes as much when more comes than its capacity, because waiting jobs are not sent repeatedly", () => {
    const { goodput, usefulShare } = simulate({ jobsPerSecond: 1.1 * CAPACITY, callMs: MINUTE_MS, hours: 3 });
    expect(goodput).toBeGreaterThan(0.97 * CAPACITY);
    expect(usefulShare).toBeGreaterThan(0.97);
  });

  it("catches up after an hour in which nothing was consumed", () => {
    const load = { jobsPerSecond: 0.6 * CAPACITY, callMs: MINUTE_MS, hours: 4, outageMs: 60 * MINUTE_MS };
    const { waiting, mostSends } = simulate(load);
    expect(waiting).toBeLessThan(10);
    expect(mostSends).toBeLessThan(8);
  });

  it("is not filled with summaries of many parts, each of which takes longer than the pause before a job is sent again", () => {
    const load = { jobsPerSecond: (0.8 * CAPACITY) / 5, callMs: MINUTE_MS, chunks: 5, hours: 3 };
    const { goodput, usefulShare } = simulate(load);
    expect(goodput).toBeGreaterThan((0.75 * CAPACITY) / 5);
    expect(usefulShare).toBeGreaterThan(0.8);
  });
});
