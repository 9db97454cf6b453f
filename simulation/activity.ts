import { drain } from "./surroundings.ts";
import { Violation } from "./violation.ts";

/** How code passes a gate. The numbers in it come from the step. */
export type Passage = "well" | "faulty";

interface Gate {
  readonly label: string;
  pass(passage: Passage): Promise<void>;
}

interface GateOptions {
  /** The call may wait for others to do something: it is let through, and the step does not wait for its answer. */
  readonly mayWait?: boolean;
}

/** What long-running code asks of the world, one call at a time, each only when a step lets it. */
export type AtGate = <T>(label: string, body: (passage: Passage) => Promise<T>, options?: GateOptions) => Promise<T>;

/** Code under test that stops wherever it makes a call, until a step lets it continue. */
export abstract class Activity {
  readonly id: number;
  /** ms since 1970. */
  readonly startedAt: number;
  readonly #gates: Gate[] = [];
  /** Called when the code comes to another gate. */
  #onGate: () => void = () => undefined;
  /** Calls that were let through and are not answered yet. */
  #waiting = 0;
  #isDone = false;
  #isDead = false;
  #violation: Violation | null = null;

  constructor(id: number, startedAt: number) {
    this.id = id;
    this.startedAt = startedAt;
  }

  get isDone(): boolean {
    return this.#isDone || this.#isDead;
  }

  /** The calls that wait at a gate. */
  get gates(): readonly string[] {
    return this.#gates.map(({ label }) => label);
  }

  protected readonly atGate: AtGate = (label, body, { mayWait = false } = {}) => {
    // The code of an ended instance may continue for a moment, but none of its calls arrives anywhere.
    if (this.#isDead) return new Promise(() => undefined);
    return new Promise((resolve, reject) => {
      this.#gates.push({
        label,
        pass: async (passage) => {
          // The called code may make calls itself: it then waits at a gate of its own.
          const asksFurther = new Promise<void>((asked) => {
            this.#onGate = asked;
          });
          const passed = this.#pass(body(passage), resolve, reject);
          if (!mayWait) await Promise.race([passed, asksFurther]);
        },
      });
      this.#onGate();
    });
  };

  async #pass<T>(called: Promise<T>, resolve: (answer: T) => void, reject: (error: unknown) => void): Promise<void> {
    this.#waiting += 1;
    try {
      resolve(await called);
    } catch (error) {
      // The code may not handle a broken promise as if it were a fault.
      if (error instanceof Violation) this.fail(error);
      else reject(error);
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Starts the code, and lets it come to its first gates. */
  protected async begin(body: () => Promise<void>): Promise<void> {
    void body().finally(() => {
      this.#isDone = true;
    });
    await drain();
    this.expectSound();
  }

  /** Reports a broken promise to whoever lets the code continue. */
  protected fail(violation: Violation): void {
    this.#violation ??= violation;
  }

  /** Lets one of the waiting calls happen. Returns which one; null if there is none. */
  async proceed(passage: Passage, choose: (count: number) => number = () => 0): Promise<string | null> {
    const [gate] = this.#gates.splice(choose(this.#gates.length), 1);
    if (gate === undefined) {
      await drain();
      this.expectSound();
      // What it waited for may just have been answered.
      if (this.#gates.length > 0) return this.proceed(passage, choose);
      if (this.isDone || this.#waiting > 0) return null;
      throw new Violation(0, "code waits for something that the simulation does not control");
    }
    await gate.pass(passage);
    await drain();
    this.expectSound();
    return gate.label;
  }

  /** Ends the code where it is: its waiting calls never happen. */
  kill(): void {
    this.#isDead = true;
    this.#gates.length = 0;
  }

  protected expectSound(): void {
    if (this.#violation !== null) throw this.#violation;
  }
}
