import { secretsOf } from "./chat-content.ts";
import type { ModelMessage, ModelSession } from "./model.ts";

/** One life of a session, remembered past its end: what was taken from it is held to it. */
export interface Life {
  readonly session: string;
  /** The log as it was after each change, the newest last. */
  readonly moments: (readonly ModelMessage[])[];
  /** Everything that each message ever said. */
  readonly said: Map<number, Set<string>>;
  isErased: boolean;
  isExpired: boolean;
}

/** Every life of every session, by incarnation. */
export class Lives {
  readonly #lives = new Map<string, Life>();

  note(session: string, incarnation: string, { log }: ModelSession): void {
    const life: Life = this.#lives.get(incarnation) ?? {
      session,
      moments: [],
      said: new Map(),
      isErased: false,
      isExpired: false,
    };
    this.#lives.set(incarnation, life);
    if (life.moments.at(-1) === log) return;
    life.moments.push(log);
    for (const { seq, content, metadata } of log) {
      const said = life.said.get(seq) ?? new Set();
      life.said.set(seq, said);
      for (const secret of secretsOf([content, metadata])) said.add(secret);
    }
  }

  end(incarnation: string): void {
    const life = this.#lives.get(incarnation);
    if (life !== undefined) life.isErased = true;
  }

  get(incarnation: string): Life | undefined {
    return this.#lives.get(incarnation);
  }

  /** Whether what a message of a life said has to be gone. */
  isErased(incarnation: string, seq: number): boolean {
    const life = this.#lives.get(incarnation);
    return life === undefined || life.isErased || life.moments.at(-1)?.[seq - 1]?.content === null;
  }

  /** What may have been taken from a life and kept: everything that was ever said in it, but for what is erased. */
  carriable(incarnation: string): string[] {
    const life = this.#lives.get(incarnation);
    if (life === undefined || life.isErased) return [];
    return [...life.said].flatMap(([seq, secrets]) => (this.isErased(incarnation, seq) ? [] : [...secrets]));
  }
}
