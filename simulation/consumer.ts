import { Activity, type AtGate, type Passage } from "./activity.ts";
import type { QueuedMessage, SimulatedQueues } from "./simulated-queue.ts";
import type { ConsumerDeps, SimulatedBatch, System } from "./system-types.ts";
import { Violation } from "./violation.ts";

/** One invocation of the queues' consumer. */
export class Consumer extends Activity {
  readonly messages: readonly QueuedMessage[];
  /** Calls that it made. The platform ends an invocation that makes too many. */
  calls = 0;
  #failure: Error | null = null;

  constructor(id: number, startedAt: number, messages: readonly QueuedMessage[]) {
    super(id, startedAt);
    this.messages = messages;
  }

  async start(system: System, queues: SimulatedQueues, partsOf: (atGate: AtGate) => ConsumerDeps): Promise<void> {
    const batch = queues.take(this.messages, this.id);
    await this.begin(() => this.#consume(system, batch, partsOf(this.atGate)));
  }

  async #consume(system: System, batch: SimulatedBatch, parts: ConsumerDeps): Promise<void> {
    try {
      await system.consume(batch, parts);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  override async proceed(passage: Passage, choose?: (count: number) => number): Promise<string | null> {
    if (passage === "faulty") this.noteFault();
    this.calls += 1;
    return super.proceed(passage, choose);
  }

  /** Something went wrong that is not its fault; it affects the whole batch. */
  noteFault(): void {
    for (const message of this.messages) message.hasMetFault = true;
  }

  /** Messages that it had not acknowledged are delivered again. */
  end(queues: SimulatedQueues): void {
    this.kill();
    queues.giveBack(this.id);
  }

  protected override expectSound(): void {
    super.expectSound();
    if (this.#failure === null) return;
    throw new Violation(10, `the consumer threw, so that its whole batch is delivered again: ${this.#failure.message}`);
  }
}
