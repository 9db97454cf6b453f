import { secretsOf } from "./chat-content.ts";
import type { ModelMessage, ModelSession } from "./model.ts";

/** What a life began with, of another one. */
export interface Source {
  /** `fork`: its messages, through one of them; `items`: what its summary held. */
  readonly kind: "fork" | "items";
  readonly incarnation: string;
  readonly throughSeq: number;
}

/** One life of a session, remembered past its end: what was taken from it is held to it. */
export interface Life {
  readonly incarnation: string;
  /** The session's name, with those of its tenant and owner. */
  readonly name: string;
  /** The log as it was after each change, the newest last. */
  readonly moments: (readonly ModelMessage[])[];
  /** Everything that each message ever said. */
  readonly said: Map<number, Set<string>>;
  readonly sources: Source[];
  /** It begins with what is known of its user, as of when that is looked up: sessions that began after it are among it. */
  isOfUser: boolean;
  isErased: boolean;
  isExpired: boolean;
}

/** Every life of every session, by incarnation. */
export class Lives {
  readonly #lives = new Map<string, Life>();

  note(name: string, incarnation: string, { log }: ModelSession): void {
    const life: Life = this.#lives.get(incarnation) ?? {
      incarnation,
      name,
      moments: [],
      said: new Map(),
      sources: [],
      isOfUser: false,
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

  addSource(incarnation: string, source: Source): void {
    const sources = this.#lives.get(incarnation)?.sources;
    const isKnown = sources?.some((known) => known.kind === source.kind && known.incarnation === source.incarnation);
    if (isKnown === false && source.incarnation !== incarnation) sources?.push(source);
  }

  seedFromUser(incarnation: string): void {
    const life = this.#lives.get(incarnation);
    if (life !== undefined) life.isOfUser = true;
  }

  end(incarnation: string): void {
    const life = this.#lives.get(incarnation);
    if (life !== undefined) life.isErased = true;
  }

  get(incarnation: string): Life | undefined {
    return this.#lives.get(incarnation);
  }

  /** Those of one session that are not erased. */
  ofSession(name: string): Life[] {
    return [...this.#lives.values()].filter((life) => life.name === name && !life.isErased);
  }

  /** What a fork was made of; undefined of any other life. */
  forkedFrom(incarnation: string): Source | undefined {
    return this.#lives.get(incarnation)?.sources.find(({ kind }) => kind === "fork");
  }

  /** Whether what a message of a life said has to be gone. */
  isErased(incarnation: string, seq: number): boolean {
    const life = this.#lives.get(incarnation);
    return life === undefined || life.isErased || life.moments.at(-1)?.[seq - 1]?.content === null;
  }

  /** Whether anything of a life is gone, or of one that it began with, however far back. */
  isTouched(incarnation: string, seen = new Set<string>()): boolean {
    if (seen.has(incarnation)) return false;
    seen.add(incarnation);
    const life = this.#lives.get(incarnation);
    if (life === undefined || life.isErased || life.isExpired) return true;
    if (life.moments.at(-1)?.some(({ content }) => content === null) === true) return true;
    return this.#sourcesOf(life).some((source) => this.isTouched(source.incarnation, seen));
  }

  /** What a life may say besides its own messages: what was carried to it, from wherever it is not erased. */
  carried(incarnation: string, seen = new Set<string>()): Set<string> {
    const carried = new Set<string>();
    if (seen.has(incarnation)) return carried;
    seen.add(incarnation);
    const life = this.#lives.get(incarnation);
    for (const { kind, incarnation: from } of life === undefined ? [] : this.#sourcesOf(life)) {
      const source = this.#lives.get(from);
      if (source === undefined || source.isErased) continue;
      for (const secret of this.carried(from, seen)) carried.add(secret);
      if (kind === "fork") continue;
      for (const [seq, secrets] of source.said) {
        if (!this.isErased(from, seq)) for (const secret of secrets) carried.add(secret);
      }
    }
    return carried;
  }

  #sourcesOf(life: Life): readonly Source[] {
    if (!life.isOfUser) return life.sources;
    const others = [...this.#lives.values()].filter((other) => other !== life && spaceOf(other) === spaceOf(life));
    return [
      ...life.sources,
      ...others.map(({ incarnation }) => ({ kind: "items" as const, incarnation, throughSeq: 0 })),
    ];
  }

  /** Lives that hold a copy of a message, or what was made of it, and those that hold copies of these in turn. */
  copiesOf(incarnation: string, seq: number): Life[] {
    const found = new Map<string, Life>();
    const look = (from: string): void => {
      for (const life of this.#lives.values()) {
        if (life.isErased || found.has(life.incarnation)) continue;
        const has = life.sources.some(
          (source) => source.incarnation === from && (source.kind === "items" || seq <= source.throughSeq),
        );
        if (!has) continue;
        found.set(life.incarnation, life);
        look(life.incarnation);
      }
    };
    look(incarnation);
    return [...found.values()];
  }
}

/** The tenant and the owner of a life. */
function spaceOf({ name }: Life): string {
  return name.slice(0, name.lastIndexOf("/"));
}
