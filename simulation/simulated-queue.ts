import type { JobMessage, UserJobMessage } from "../src/api/job.ts";
import type { SimulatedBatch } from "./system-types.ts";

/** A queue forgets a message after that. */
const MAX_AGE_MS = 4 * 24 * 3_600_000;
/** Fewer than wrangler.toml has, so that a message that goes round in vain runs out of them within a seed. */
const MAX_RETRIES = 4;

export type QueueName = "threadkeep-summarize" | "threadkeep-archive";
type DeadLetterQueue = `${QueueName}-failed`;

export interface QueuedMessage {
  readonly id: number;
  readonly queue: QueueName | DeadLetterQueue;
  readonly body: JobMessage | UserJobMessage;
  readonly sentAt: number;
  attempts: number;
  /** Something went wrong in one of its deliveries that the simulation asked for. */
  hasMetFault: boolean;
  /** Not delivered before this. */
  dueAt: number;
  /** The consumer that has it. */
  takenBy: number | null;
}

/** What a message is about, in a line. */
export function describeMessage({ queue, body }: QueuedMessage): string {
  const about = "session" in body ? `${body.kind} ${body.session}` : `${body.kind} ${body.owner}`;
  return queue.endsWith("-failed") ? `the dead letter of ${about}` : about;
}

/** Both queues and their dead letters. At least once, in no order: what is delivered, and how often, the simulation decides. */
export class SimulatedQueues {
  readonly #now: () => number;
  readonly #messages = new Map<number, QueuedMessage>();
  #nextId = 1;
  /** `down`: nothing is taken. `silent`: it is taken, and the sender is told that it was not. */
  state: "up" | "down" | "silent" = "up";
  /** Told of each message that ran out of deliveries. */
  onDeadLetter: (message: QueuedMessage) => void = () => undefined;
  /** Told of each message that was forgotten, and that no consumer acknowledged. */
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

  /** Those that no consumer has. */
  waiting(): QueuedMessage[] {
    for (const message of this.#messages.values()) {
      if (message.takenBy === null && this.#now() - message.sentAt > MAX_AGE_MS) this.lose(message);
    }
    return [...this.#messages.values()].filter((message) => message.takenBy === null);
  }

  /** Delivered once more later on. */
  duplicate(message: QueuedMessage): QueuedMessage {
    return this.#put(message.queue, message.body);
  }

  lose(message: QueuedMessage): void {
    this.#messages.delete(message.id);
    this.onLost(message);
  }

  /** Hands messages of one queue to a consumer. */
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

  /** The consumer died: what it had not acknowledged comes again. */
  giveBack(consumer: number): void {
    for (const message of this.#messages.values()) {
      if (message.takenBy !== consumer) continue;
      message.hasMetFault = true;
      this.#retry(message, 0);
    }
  }
}
