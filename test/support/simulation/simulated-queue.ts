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
  /** A consumer has it. */
  isTaken: boolean;
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
    this.#messages.set(id, { id, queue, body, attempts: 0, dueAt: this.#now(), isTaken: false });
  }

  /** Those that no consumer has. */
  waiting(): QueuedMessage[] {
    return [...this.#messages.values()].filter((message) => !message.isTaken);
  }

  /** Delivered once more later on. */
  duplicate(message: QueuedMessage): void {
    this.#put(message.queue, message.body);
  }

  lose(message: QueuedMessage): void {
    this.#messages.delete(message.id);
  }

  /** Hands messages of one queue to a consumer. */
  take(messages: readonly QueuedMessage[]): SimulatedBatch {
    for (const message of messages) {
      message.isTaken = true;
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
    message.isTaken = false;
    message.dueAt = this.#now() + delaySeconds * 1_000;
  }

  /** The consumer died: what it had not acknowledged comes again. */
  giveBack(messages: readonly QueuedMessage[]): void {
    for (const message of messages) if (this.#messages.has(message.id)) this.#retry(message, 0);
  }
}
