/** The backlog of each queue, as the queue reports it. */

export interface Backlog {
  readonly queue: string;
  readonly messages: number;
  readonly bytes: number;
  /**
   * When the oldest waiting message was sent, in ms since 1970; null if none waits, or the queue does not report it.
   */
  readonly oldestAt: number | null;
}

/** The method of a queue binding that reports its backlog. Earlier versions of the local simulator lack it. */
export interface CountedQueue {
  readonly metrics?: () => Promise<{
    readonly backlogCount: number;
    readonly backlogBytes: number;
    readonly oldestMessageTimestamp?: Date | number;
  }>;
}

/** What a queue returns when it accepts a message. Earlier versions of the local simulator return nothing. */
export interface TakenByQueue {
  readonly metadata?: { readonly metrics?: { readonly oldestMessageTimestamp?: Date | number } };
}

/** How long the oldest message of the queue has waited, in ms; 0 if none waits, or the queue does not report it. */
export function backlogWaitMs(taken: TakenByQueue | undefined, now: number): number {
  const oldestAt = Number(taken?.metadata?.metrics?.oldestMessageTimestamp ?? 0);
  return oldestAt > 0 ? Math.max(0, now - oldestAt) : 0;
}

/** Queues by the names under which their backlogs are reported. */
export type CountedQueues = Readonly<Record<string, CountedQueue>>;

/** The backlog of one queue; null if the platform does not report it. Rejects if the queue does not answer. */
async function readBacklog(name: string, queue: CountedQueue): Promise<Backlog | null> {
  if (queue.metrics === undefined) return null;
  const { backlogCount, backlogBytes, oldestMessageTimestamp } = await queue.metrics();
  const oldest = Number(oldestMessageTimestamp ?? 0);
  return { queue: name, messages: backlogCount, bytes: backlogBytes, oldestAt: oldest > 0 ? oldest : null };
}

/** The backlogs of all queues that answer. */
export async function readBacklogs(queues: CountedQueues): Promise<Backlog[]> {
  const read = await Promise.allSettled(Object.entries(queues).map(([name, queue]) => readBacklog(name, queue)));
  return read.flatMap((one) => (one.status === "fulfilled" && one.value !== null ? [one.value] : []));
}

/**
 * The backlogs of all queues; null if one of them is not reported, because the rest could be mistaken for the whole.
 * Rejects if one does not answer.
 */
export async function readWholeBacklog(queues: CountedQueues): Promise<Backlog[] | null> {
  const read = await Promise.all(Object.entries(queues).map(([name, queue]) => readBacklog(name, queue)));
  return read.includes(null) ? null : read.filter((one) => one !== null);
}
