import { secretsOf } from "./chat-content.ts";
import type { ModelMessage, ModelSession } from "./model.ts";

/** What an epoch took from another one when it began. */
export interface Source {
  /** `fork`: its messages, up to one of them; `items`: the items of its summary. */
  readonly kind: "fork" | "items";
  readonly epoch: string;
  readonly throughSeq: number;
}

/** One epoch of a session. It is kept after its end, because copies are compared with it. */
export interface EpochRecord {
  readonly epoch: string;
  /** The session's name, with those of its tenant and owner. */
  readonly name: string;
  /** The log as it was after each change, the newest last. */
  readonly moments: (readonly ModelMessage[])[];
  /** Everything that each message ever said. */
  readonly said: Map<number, Set<string>>;
  readonly sources: Source[];
  /** What a file contained that had been erased before: see `noteBrought`. */
  readonly brought: Set<string>;
  /** It is seeded from its user's sessions when its job reads them, which includes sessions that began after it. */
  isOfUser: boolean;
  isErased: boolean;
  isExpired: boolean;
}

/** Every epoch of every session, by epoch. */
export class EpochBook {
  readonly #epochs = new Map<string, EpochRecord>();
  /** See `noteReworded`. */
  readonly #reworded = new Set<string>();

  note(name: string, epoch: string, { log }: ModelSession): void {
    const record: EpochRecord = this.#epochs.get(epoch) ?? {
      epoch,
      name,
      moments: [],
      said: new Map(),
      sources: [],
      brought: new Set(),
      isOfUser: false,
      isErased: false,
      isExpired: false,
    };
    this.#epochs.set(epoch, record);
    if (record.moments.at(-1) === log) return;
    record.moments.push(log);
    for (const { seq, content, metadata } of log) {
      const said = record.said.get(seq) ?? new Set();
      record.said.set(seq, said);
      for (const secret of secretsOf([content, metadata])) said.add(secret);
    }
  }

  addSource(epoch: string, source: Source): void {
    const sources = this.#epochs.get(epoch)?.sources;
    const isKnown = sources?.some((known) => known.kind === source.kind && known.epoch === source.epoch);
    if (isKnown === false && source.epoch !== epoch) sources?.push(source);
  }

  /** A model put what one session said into an item that only cites messages of another one. */
  noteReworded(text: string): void {
    for (const secret of secretsOf(text)) this.#reworded.add(secret);
  }

  /**
   * An import took in an item. A file may be older than an erasure, and a model may have put erased text into an item that only cites other
   * messages, also those of another session: the check by words cannot see that, so such an item is imported.
   * @param from the epoch that confirmed the item; null if it is one of the file's own session
   */
  noteBrought(
    epoch: string,
    from: string | null,
    { text, sourceSeqs }: { text: string; sourceSeqs: readonly number[] },
  ): void {
    if (from !== null && sourceSeqs.some((seq) => this.isErased(from, seq))) return;
    const said = [...(this.#epochs.get(from ?? "")?.said ?? [])].filter(([seq]) => this.isErased(from ?? "", seq));
    const gone = new Set([...this.#reworded, ...said.flatMap(([, secrets]) => [...secrets])]);
    for (const secret of secretsOf(text)) if (gone.has(secret)) this.#epochs.get(epoch)?.brought.add(secret);
  }

  seedFromUser(epoch: string): void {
    const record = this.#epochs.get(epoch);
    if (record !== undefined) record.isOfUser = true;
  }

  end(epoch: string): void {
    const record = this.#epochs.get(epoch);
    if (record !== undefined) record.isErased = true;
  }

  get(epoch: string): EpochRecord | undefined {
    return this.#epochs.get(epoch);
  }

  /** The epochs of one session that are not erased. */
  ofSession(name: string): EpochRecord[] {
    return [...this.#epochs.values()].filter((record) => record.name === name && !record.isErased);
  }

  /** What a fork was made of; undefined for any other epoch. */
  forkedFrom(epoch: string): Source | undefined {
    return this.#epochs.get(epoch)?.sources.find(({ kind }) => kind === "fork");
  }

  /** Whether a message of an epoch is erased, so that its text must be gone. */
  isErased(epoch: string, seq: number): boolean {
    const record = this.#epochs.get(epoch);
    return record === undefined || record.isErased || record.moments.at(-1)?.[seq - 1]?.content === null;
  }

  /** Whether anything of an epoch is gone, or of one that it began with, however far back. */
  isTouched(epoch: string, seen = new Set<string>()): boolean {
    if (seen.has(epoch)) return false;
    seen.add(epoch);
    const record = this.#epochs.get(epoch);
    if (record === undefined || record.isErased || record.isExpired) return true;
    if (record.moments.at(-1)?.some(({ content }) => content === null) === true) return true;
    return this.#sourcesOf(record).some((source) => this.isTouched(source.epoch, seen));
  }

  /**
   * What an epoch may say besides its own messages: carried items from epochs that are not erased.
   * @param without epochs from which it may say nothing
   */
  carried(epoch: string, without: ReadonlySet<string> = new Set(), seen = new Set<string>()): Set<string> {
    const carried = new Set<string>();
    if (seen.has(epoch)) return carried;
    seen.add(epoch);
    const record = this.#epochs.get(epoch);
    for (const secret of record?.brought ?? []) carried.add(secret);
    for (const { kind, epoch: from } of record === undefined ? [] : this.#sourcesOf(record)) {
      const source = this.#epochs.get(from);
      if (source === undefined || source.isErased || without.has(from)) continue;
      for (const secret of this.carried(from, without, seen)) carried.add(secret);
      if (kind === "fork") continue;
      for (const [seq, secrets] of source.said) {
        if (!this.isErased(from, seq)) for (const secret of secrets) carried.add(secret);
      }
    }
    return carried;
  }

  #sourcesOf(record: EpochRecord): readonly Source[] {
    if (!record.isOfUser) return record.sources;
    const others = [...this.#epochs.values()].filter((other) => other !== record && spaceOf(other) === spaceOf(record));
    return [...record.sources, ...others.map(({ epoch }) => ({ kind: "items" as const, epoch, throughSeq: 0 }))];
  }

  /** Epochs with a copy of a message, or an item made of it, and the epochs that copied those in turn. */
  copiesOf(epoch: string, seq: number): EpochRecord[] {
    const found = new Map<string, EpochRecord>();
    const look = (from: string): void => {
      for (const record of this.#epochs.values()) {
        if (record.isErased || found.has(record.epoch)) continue;
        const has = record.sources.some(
          (source) => source.epoch === from && (source.kind === "items" || seq <= source.throughSeq),
        );
        if (!has) continue;
        found.set(record.epoch, record);
        look(record.epoch);
      }
    };
    look(epoch);
    return [...found.values()];
  }
}

/** The tenant and the owner of an epoch. */
function spaceOf({ name }: EpochRecord): string {
  return name.slice(0, name.lastIndexOf("/"));
}
