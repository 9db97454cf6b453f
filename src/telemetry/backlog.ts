/** How much waits in the queues, as they tell it. */

export interface Backlog {
  readonly queue: string;
  readonly messages: number;
  readonly bytes: number;
  /** When the message was sent that waits longest, ms since 1970; null if none waits, or the queue does not say. */
  readonly oldestAt: number | null;
}

/** The part of a queue's binding that counts. Local simulators of earlier versions lack it. */
export interface CountedQueue {
  readonly metrics?: () => Promise<{
    readonly backlogCount: number;
    readonly backlogBytes: number;
    readonly oldestMessageTimestamp?: Date | number;
  }>;
}

/** What a queue tells of itself with each message that it takes. Local simulators of earlier versions tell nothing. */
export interface TakenByQueue {
  readonly metadata?: { readonly metrics?: { readonly oldestMessageTimestamp?: Date | number } };
}

/** For how long the oldest message of the queue waits, in ms; 0 if none does, or the queue does not tell. */
export function backlogWaitMs(taken: TakenByQueue | undefined, now: number): number {
  const oldestAt = Number(taken?.metadata?.metrics?.oldestMessageTimestamp ?? 0);
  return oldestAt > 0 ? Math.max(0, now - oldestAt) : 0;
}

/** By the names that they are told under. */
export type CountedQueues = Readonly<Record<string, CountedQueue>>;

/** Null where queues are not counted. Rejects if this one does not answer. */
async function readBacklog(name: string, queue: CountedQueue): Promise<Backlog | null> {
  if (queue.metrics === undefined) return null;
  const { backlogCount, backlogBytes, oldestMessageTimestamp } = await queue.metrics();
  const oldest = Number(oldestMessageTimestamp ?? 0);
  return { queue: name, messages: backlogCount, bytes: backlogBytes, oldestAt: oldest > 0 ? oldest : null };
}

/** A queue that does not tell is left out, and holds up none of the others. */
export async function readBacklogs(queues: CountedQueues): Promise<Backlog[]> {
  const read = await Promise.allSettled(Object.entries(queues).map(([name, queue]) => readBacklog(name, queue)));
  return read.flatMap((one) => (one.status === "fulfilled" && one.value !== null ? [one.value] : []));
}

/** Null if one of them is not counted: half of a backlog would pass for the whole. Rejects if one does not answer. */
export async function readWholeBacklog(queues: CountedQueues): Promise<Backlog[] | null> {
  const read = await Promise.all(Object.entries(queues).map(([name, queue]) => readBacklog(name, queue)));
  return read.includes(null) ? null : read.filter((one) => one !== null);
}
