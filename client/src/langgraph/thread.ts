import { compareWritesSortKeys, WRITES_IDX_MAP, writesSortKey } from "@langchain/langgraph-checkpoint";
import type { CallOptions } from "../connection.ts";
import type { Message } from "../contract.ts";
import { ThreadkeepError } from "../errors.ts";
import type { Session } from "../session.ts";
import { type CheckpointRecord, RecordReader, type ThreadRecord, toBatches, type WritesRecord } from "./records.ts";
import type { Blob, Dumped } from "./values.ts";

/** A checkpoint with all its channels, including those that it inherits from its parents. */
export interface Held {
  readonly record: CheckpointRecord;
  readonly channels: ReadonlyMap<string, Blob>;
}

interface Write {
  readonly task: string;
  readonly path: string;
  readonly index: number;
  readonly channel: string;
  readonly value: Dumped;
}

const MAX_PAGE = 100;

/**
 * The records of a thread that were read so far. Records are only ever added, so each call reads only those that are
 * new.
 */
export class Thread {
  readonly #session: Session;
  #reader = new RecordReader();
  #held = new Map<string, Held>();
  #blobs = new Map<string, Blob>();
  #writes = new Map<string, Map<string, Write>>();
  /** By channel: the record that wrote it last, in any checkpoint. */
  #lastWriters = new Map<string, number>();
  #last: { readonly seq: number; readonly id: string } | null = null;
  /** Reads and appends of this process run one after the other, each from where the previous one ended. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(session: Session) {
    this.#session = session;
  }

  /** Reads new records; false if the session does not exist. */
  read(options: CallOptions = {}): Promise<boolean> {
    return this.#next(() => this.#readOn(options));
  }

  /**
   * Appends a record.
   * @param make creates it, after the existing records were read, so that it can contain only what is new
   */
  append(make: () => Promise<ThreadRecord>): Promise<void> {
    return this.#next(async () => {
      if (this.#last === null) await this.#readOn({});
      const record = await make();
      for (const batch of toBatches(record)) {
        const { messages } = await this.#session.append(batch);
        for (const { id, seq } of messages) {
          // Another process has written meanwhile. Its records come first, so they are read.
          if (seq !== (this.#last?.seq ?? 0) + 1) await this.#readOn({});
          else this.#takeMessage({ id, seq, content: batch.find((message) => message.id === id)?.content ?? "" });
        }
      }
    });
  }

  /** Newest first. */
  checkpoints(): Held[] {
    return [...this.#held.values()].toSorted((a, b) => (a.record.id < b.record.id ? 1 : -1));
  }

  find(ns: string, id: string): Held | null {
    return this.#held.get(keyOf(ns, id)) ?? null;
  }

  newest(ns: string): Held | null {
    let newest: Held | null = null;
    for (const held of this.#held.values()) {
      if (held.record.ns === ns && (newest === null || held.record.id > newest.record.id)) newest = held;
    }
    return newest;
  }

  /**
   * Whether the last write of a channel is not among the parents of a checkpoint, that is, whether the graph continues
   * from an earlier checkpoint.
   */
  isFork(ns: string, channel: string, parent: Held | null): boolean {
    const last = this.#lastWriters.get(keyOf(ns, channel));
    return last !== undefined && parent?.channels.get(channel)?.seq !== last;
  }

  /** What tasks wrote after a checkpoint, in the order in which a graph applies it. */
  writesAfter(ns: string, id: string): Write[] {
    return [...(this.#writes.get(keyOf(ns, id))?.values() ?? [])].toSorted((a, b) =>
      compareWritesSortKeys(writesSortKey(a.path, a.task, a.index), writesSortKey(b.path, b.task, b.index)),
    );
  }

  async #next<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return await done;
  }

  async #readOn(options: CallOptions): Promise<boolean> {
    try {
      // The last known message is read again: if it has changed, the thread was deleted and created again.
      const from = this.#last === null ? 0 : this.#last.seq - 1;
      let isFirst = this.#last !== null;
      for await (const message of this.#session.messages({ ...options, afterSeq: from, limit: MAX_PAGE })) {
        if (isFirst) {
          isFirst = false;
          if (message.seq === this.#last?.seq && message.id === this.#last.id) continue;
          this.#forget();
          return await this.#readOn(options);
        }
        this.#takeMessage(message);
      }
      if (isFirst) {
        this.#forget();
        return await this.#readOn(options);
      }
      return true;
    } catch (error) {
      if (!(error instanceof ThreadkeepError && error.code === "session_not_found")) throw error;
      this.#forget();
      return false;
    }
  }

  #forget(): void {
    this.#reader = new RecordReader();
    this.#held.clear();
    this.#blobs.clear();
    this.#writes.clear();
    this.#lastWriters.clear();
    this.#last = null;
  }

  #takeMessage(message: Pick<Message, "id" | "seq" | "content" | "erased">): void {
    const record = this.#reader.read(message);
    if (record !== null) this.#take(record, message.seq);
    this.#last = { seq: message.seq, id: message.id };
  }

  #take(record: ThreadRecord, seq: number): void {
    if (record.kind === "writes") {
      this.#takeWrites(record);
      return;
    }
    const parent = record.parent === null ? null : this.find(record.ns, record.parent);
    const channels = new Map(parent?.channels);
    for (const [channel, version, stored] of record.channels) {
      const baseSeq = "list" in stored ? stored.list.base : null;
      const base = baseSeq === null ? null : (this.#blobs.get(blobKey(baseSeq, channel)) ?? null);
      const blob: Blob = { version, stored, base, seq };
      channels.set(channel, blob);
      this.#blobs.set(blobKey(seq, channel), blob);
      this.#lastWriters.set(keyOf(record.ns, channel), seq);
    }
    this.#held.set(keyOf(record.ns, record.id), { record, channels });
  }

  #takeWrites({ ns, checkpoint, task, path, writes }: WritesRecord): void {
    const key = keyOf(ns, checkpoint);
    const held = this.#writes.get(key) ?? new Map<string, Write>();
    this.#writes.set(key, held);
    for (const [index, channel, value] of writes) {
      const place = JSON.stringify([task, index]);
      // The first write of a task to a channel is kept. Errors, interrupts and resume values are replaced by the last
      // one.
      if (channel in WRITES_IDX_MAP || !held.has(place)) held.set(place, { task, path, index, channel, value });
    }
  }
}

function keyOf(ns: string, id: string): string {
  return JSON.stringify([ns, id]);
}

function blobKey(seq: number, channel: string): string {
  return `${seq}.${channel}`;
}
