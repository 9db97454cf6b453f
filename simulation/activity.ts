import { drain } from "./surroundings.ts";
import { Violation } from "./violation.ts";

/** How a gate is passed. The numbers in it come from the step. */
export type Passage = "well" | "faulty";

interface Gate {
  readonly label: string;
  pass(passage: Passage): Promise<void>;
}

interface GateOptions {
  /** The call may wait for others to do something: it is let go, and not waited for. */
  readonly mayWait?: boolean;
}

/** What code that runs for a while asks of the world, one at a time, each only when a step lets it. */
export type AtGate = <T>(label: string, body: (passage: Passage) => Promise<T>, options?: GateOptions) => Promise<T>;

/** Code under test that stops wherever it calls something, until a step lets it go on. */
export abstract class Activity {
  readonly id: number;
  /** ms since 1970. */
  readonly startedAt: number;
  readonly #gates: Gate[] = [];
  /** Called when it comes to another gate. */
  #onGate: () => void = () => undefined;
  /** Calls that were let go, and have yet to be answered. */
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

  /** The calls that it waits to be let through. */
  get gates(): readonly string[] {
    return this.#gates.map(({ label }) => label);
  }

  protected readonly atGate: AtGate = (label, body, { mayWait = false } = {}) => {
    // The code of an instance that was ended may run on for a moment; nothing it does arrives anywhere.
    if (this.#isDead) return new Promise(() => undefined);
    return new Promise((resolve, reject) => {
      this.#gates.push({
        label,
        pass: async (passage) => {
          // What it called may call others in turn: it then waits at a gate of its own.
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
      // A broken promise is no fault that the code may handle.
      if (error instanceof Violation) this.fail(error);
      else reject(error);
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Begins the code, and lets it come to its first gates. */
  protected async begin(body: () => Promise<void>): Promise<void> {
    void body().finally(() => {
      this.#isDone = true;
    });
    await drain();
    this.expectSound();
  }

  /** A promise is broken: whoever lets it go on is told. */
  protected fail(violation: Violation): void {
    this.#violation ??= violation;
  }

  /** Lets one thing happen that it stands before. Returns what that was; null if there is none. */
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

  /** Ends it where it stands: the calls that it waits for never happen. */
  kill(): void {
    this.#isDead = true;
    this.#gates.length = 0;
  }

  protected expectSound(): void {
    if (this.#violation !== null) throw this.#violation;
  }
}
