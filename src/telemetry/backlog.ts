/** How much waits in the queues, as they tell it. */

export interface Backlog {
  readonly queue: string;
  readonly messages: number;
  readonly bytes: number;
  /** When the message was sent that waits longest, ms since 1970; null where the queue does not say. */
  readonly oldestAt: number | null;
}

/** The part of a queue's binding that tells. */
type Telling = Pick<Queue, "metrics">;

/** A queue that does not answer is left out, and holds up none of the others. */
export async function readBacklogs(queues: Readonly<Record<string, Telling>>): Promise<Backlog[]> {
  const read = await Promise.allSettled(
    Object.entries(queues).map(async ([queue, binding]): Promise<Backlog> => {
      const { backlogCount, backlogBytes, oldestMessageTimestamp: oldest } = await binding.metrics();
      return { queue, messages: backlogCount, bytes: backlogBytes, oldestAt: oldest?.getTime() ?? null };
    }),
  );
  return read.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
}
