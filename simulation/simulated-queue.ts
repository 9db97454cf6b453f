import type { JobMessage, UserJobMessage } from "../src/api/job.ts";
import type { SimulatedBatch } from "./system-types.ts";

/** A queue forgets a message after this time. */
const MAX_AGE_MS = 4 * 24 * 3_600_000;
/** Fewer than in wrangler.toml, so that a message that is retried without success runs out of retries within a seed. */
const MAX_RETRIES = 4;

export type QueueName = "threadkeep-summarize" | "threadkeep-archive";
type DeadLetterQueue = `${QueueName}-failed`;

export interface QueuedMessage {
  readonly id: number;
  readonly queue: QueueName | DeadLetterQueue;
  readonly body: JobMessage | UserJobMessage;
  readonly sentAt: number;
  attempts: number;
  /** The simulation made something go wrong in one of its deliveries. */
  hasMetFault: boolean;
  /** It is not delivered before this moment. */
  dueAt: number;
  /** The consumer that has it. */
  takenBy: number | null;
}

/** What a message is about, in one line. */
export function describeMessage({ queue, body }: QueuedMessage): string {
  const about = "session" in body ? `${body.kind} ${body.session}` : `${body.kind} ${body.owner}`;
  return queue.endsWith("-failed") ? `the dead letter of ${about}` : about;
}

/** Both queues and their dead letters. Delivery is at least once, in no order; the simulation decides when and how often. */
export class SimulatedQueues {
  readonly #now: () => number;
  readonly #messages = new Map<number, QueuedMessage>();
  #nextId = 1;
  /** `down`: nothing is accepted. `silent`: messages are accepted, but the sender is told that they were not. */
  state: "up" | "down" | "silent" = "up";
  /** Called for each message that ran out of deliveries. */
  onDeadLetter: (message: QueuedMessage) => void = () => undefined;
  /** Called for each message that was forgotten and that no consumer acknowledged. */
  onLost: (message: QueuedMessage) => void = () => undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  send(queue: QueueName, body: QueuedMessage["body"]): void {
    if (this.state === "down") throw new Error("the queue is out of reach");
    this.#put(queue, body);
    if (this.state === "silent") throw new Error("the queue's answer got lost");
  }

  #put(queue: QueuedMessage["queue"], body: QueuedMessage["body"]): QueuedMessage {
    const id = this.#nextId;
    this.#nextId += 1;
    const sentAt = this.#now();
    const message = { id, queue, body, sentAt, attempts: 0, hasMetFault: false, dueAt: sentAt, takenBy: null };
    this.#messages.set(id, message);
    return message;
  }

  /** Messages that no consumer has. */
  waiting(): QueuedMessage[] {
    for (const message of this.#messages.values()) {
      if (message.takenBy === null && this.#now() - message.sentAt > MAX_AGE_MS) this.lose(message);
    }
    return [...this.#messages.values()].filter((message) => message.takenBy === null);
  }

  /** Delivered once more later. */
  duplicate(message: QueuedMessage): QueuedMessage {
    return this.#put(message.queue, message.body);
  }

  lose(message: QueuedMessage): void {
    this.#messages.delete(message.id);
    this.onLost(message);
  }

  /** Gives messages of one queue to a consumer. */
  take(messages: readonly QueuedMessage[], consumer: number): SimulatedBatch {
    for (const message of messages) {
      message.takenBy = consumer;
      message.attempts += 1;
    }
    return {
      queue: messages[0]?.queue ?? "threadkeep-archive",
      messages: messages.map((message) => ({
        id: String(message.id),
        timestamp: new Date(this.#now()),
        body: structuredClone(message.body),
        attempts: message.attempts,
        ack: () => this.#messages.delete(message.id),
        retry: (options) => this.#retry(message, options?.delaySeconds ?? 0),
      })),
    };
  }

  #retry(message: QueuedMessage, delaySeconds: number): void {
    message.takenBy = null;
    message.dueAt = this.#now() + delaySeconds * 1_000;
    if (message.attempts <= MAX_RETRIES) return;
    this.#messages.delete(message.id);
    if (message.queue.endsWith("-failed")) return;
    this.#put(`${message.queue as QueueName}-failed`, message.body);
    this.onDeadLetter(message);
  }

  /** The consumer died: messages that it had not acknowledged come again. */
  giveBack(consumer: number): void {
    for (const message of this.#messages.values()) {
      if (message.takenBy !== consumer) continue;
      message.hasMetFault = true;
      this.#retry(message, 0);
    }
  }
}
