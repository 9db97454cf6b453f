import type { QueuedMessage, SimulatedQueues } from "./simulated-queue.ts";
import { drain } from "./surroundings.ts";
import type { SimulatedBatch, SimulatedParts, System } from "./system.ts";
import { Violation } from "./violation.ts";

/** How a gate is passed. The numbers in it come from the step. */
export type Passage = "well" | "faulty";

interface Gate {
  readonly label: string;
  pass(passage: Passage): Promise<void>;
}

/** What a consumer asks of the world, one at a time, each only when a step lets it. */
export type AtGate = <T>(label: string, body: (passage: Passage) => Promise<T>) => Promise<T>;

/** One invocation of the queue's consumer: it stops wherever it calls something, until a step lets it go on. */
export class Consumer {
  readonly id: number;
  readonly messages: readonly QueuedMessage[];
  readonly #gates: Gate[] = [];
  #isDone = false;
  #isDead = false;
  #failure: unknown = null;

  constructor(id: number, messages: readonly QueuedMessage[]) {
    this.id = id;
    this.messages = messages;
  }

  get isDone(): boolean {
    return this.#isDone || this.#isDead;
  }

  /** What it waits for. */
  get waitsFor(): readonly string[] {
    return this.#gates.map(({ label }) => label);
  }

  readonly #atGate: AtGate = (label, body) => {
    // A dead consumer's code may go on for a moment; nobody hears it.
    if (this.#isDead) return new Promise(() => undefined);
    return new Promise((resolve, reject) => {
      this.#gates.push({
        label,
        pass: (passage) =>
          body(passage).then(resolve, (error: unknown) => {
            // A broken promise is no fault that the consumer may handle.
            if (error instanceof Violation) this.#failure = error;
            else reject(error);
          }),
      });
    });
  };

  async start(system: System, queues: SimulatedQueues, partsOf: (atGate: AtGate) => SimulatedParts): Promise<void> {
    const batch = queues.take(this.messages, this.id);
    void this.#consume(system, batch, partsOf(this.#atGate));
    await drain();
    this.#expectNoFailure();
  }

  async #consume(system: System, batch: SimulatedBatch, parts: SimulatedParts): Promise<void> {
    try {
      await system.consume(batch, parts);
    } catch (error) {
      this.#failure = error;
    }
    this.#isDone = true;
  }

  /** Lets one thing happen that it waits for. Returns what that was; null if it is done. */
  async proceed(passage: Passage, choose: (count: number) => number = () => 0): Promise<string | null> {
    const [gate] = this.#gates.splice(choose(this.#gates.length), 1);
    if (gate === undefined) {
      if (!this.isDone) throw new Violation(0, "a consumer waits for something that the simulation does not control");
      return null;
    }
    await gate.pass(passage);
    await drain();
    this.#expectNoFailure();
    return gate.label;
  }

  /** It dies where it stands: what it waits for never happens, and what it had not acknowledged is delivered again. */
  kill(queues: SimulatedQueues): void {
    this.#isDead = true;
    this.#gates.length = 0;
    queues.giveBack(this.id);
  }

  #expectNoFailure(): void {
    if (this.#failure === null) return;
    if (this.#failure instanceof Violation) throw this.#failure;
    const { message } = this.#failure instanceof Error ? this.#failure : { message: String(this.#failure) };
    throw new Violation(10, `the consumer threw, which runs its whole batch again: ${message}`);
  }
}
