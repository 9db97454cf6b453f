import type { JobMessage } from "../../../src/contracts/job.ts";
import type { SimulatedBatch } from "./system.ts";

/** As wrangler.toml has it. */
const MAX_RETRIES = 10;

export type QueueName = "threadkeep-summarize" | "threadkeep-archive";

export interface QueuedMessage {
  readonly id: number;
  readonly queue: QueueName;
  readonly body: JobMessage;
  attempts: number;
  /** Not delivered before this. */
  dueAt: number;
  /** The consumer that has it. */
  takenBy: number | null;
}

/** Both queues. At least once, in no order: what is delivered, and how often, the simulation decides. */
export class SimulatedQueues {
  readonly #now: () => number;
  readonly #messages = new Map<number, QueuedMessage>();
  #nextId = 1;
  /** `down`: nothing is taken. `silent`: it is taken, and the sender is told that it was not. */
  state: "up" | "down" | "silent" = "up";

  constructor(now: () => number) {
    this.#now = now;
  }

  send(queue: QueueName, body: JobMessage): void {
    if (this.state === "down") throw new Error("the queue is out of reach");
    this.#put(queue, body);
    if (this.state === "silent") throw new Error("the queue's answer got lost");
  }

  #put(queue: QueueName, body: JobMessage): void {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#messages.set(id, { id, queue, body, attempts: 0, dueAt: this.#now(), takenBy: null });
  }

  /** Those that no consumer has. */
  waiting(): QueuedMessage[] {
    return [...this.#messages.values()].filter((message) => message.takenBy === null);
  }

  /** Delivered once more later on. */
  duplicate(message: QueuedMessage): void {
    this.#put(message.queue, message.body);
  }

  lose(message: QueuedMessage): void {
    this.#messages.delete(message.id);
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
        ack: () => this.lose(message),
        retry: (options) => this.#retry(message, options?.delaySeconds ?? 0),
      })),
    };
  }

  #retry(message: QueuedMessage, delaySeconds: number): void {
    if (message.attempts > MAX_RETRIES) {
      this.lose(message);
      return;
    }
    message.takenBy = null;
    message.dueAt = this.#now() + delaySeconds * 1_000;
  }

  /** The consumer died: what it had not acknowledged comes again. */
  giveBack(consumer: number): void {
    for (const message of this.#messages.values()) if (message.takenBy === consumer) this.#retry(message, 0);
  }
}
