// Sends messages in batches: many sessions at once, each session in its own order, with a bound on what waits in memory.
import type { NewSession } from "../../src/contracts/session.ts";
import { ApiProblem } from "../api.ts";
import type { Api } from "../api.ts";
import { batchLength, isFullBatch } from "./batch.ts";
import { showPlace } from "./entry.ts";
import type { Prepared } from "./prepare.ts";
import type { Tally } from "./tally.ts";

/** What may wait in memory, for every session sent at once: a few full batches. */
const WAITING_MESSAGES_PER_SENDER = 500;
const WAITING_BYTES_PER_SENDER = 4 * 1024 * 1024;
/** Refusals for one message's sake: the others of its batch pass without it. */
const REFUSES_MESSAGE = new Set(["message_conflict", "message_too_large", "body_too_large", "validation_failed"]);
/** Conflict, gone, unprocessable: refusals of one session. Any other (no key, no such route …) would meet every session alike. */
const REFUSES_SESSION = new Set([409, 410, 422]);

interface Lane {
  readonly session: string;
  readonly waiting: Prepared[];
  waitingBytes: number;
  isSending: boolean;
  /** Nothing more comes for now: what waits goes out although it fills no batch. */
  isEnded: boolean;
  create: (NewSession & { readonly id: string }) | null;
}

export interface LoadedSession {
  readonly session: string;
  /** `headSeq` as the service last acknowledged it: less is never right again. */
  readonly headSeq: number;
  /** The session takes no more: the rest of its messages was left out. */
  readonly refused: boolean;
}

export class Loader {
  readonly #api: Api;
  readonly #tally: Tally;
  readonly #concurrency: number;
  readonly #stop: AbortController;
  readonly #lanes = new Map<string, Lane>();
  readonly #loaded = new Map<string, { headSeq: number; refused: boolean }>();
  #sending = 0;
  #waiting = 0;
  #waitingBytes = 0;
  #isDraining = false;
  #fatal: { readonly error: unknown } | null = null;
  #wakers: (() => void)[] = [];

  /** `stop` is aborted by the first fault that ends the import, so that no other sender goes on trying. */
  constructor(api: Api, tally: Tally, concurrency: number, stop: AbortController) {
    this.#api = api;
    this.#tally = tally;
    this.#concurrency = concurrency;
    this.#stop = stop;
  }

  /** The session is created with these before its first messages, if it isn't there already. */
  async open(session: NewSession & { readonly id: string }): Promise<void> {
    const lane = this.#lane(session.id);
    lane.create = session;
    // A session without messages is a session all the same.
    lane.isEnded = true;
    this.#pump();
    await this.#makeRoom();
  }

  /** Resolves when there is room for the next: the reader goes no faster than the service. */
  async add(session: string, prepared: Prepared): Promise<void> {
    const lane = this.#lane(session);
    lane.isEnded = false;
    lane.waiting.push(prepared);
    lane.waitingBytes += prepared.bytes;
    this.#waiting += 1;
    this.#waitingBytes += prepared.bytes;
    if (this.#isDue(lane)) this.#pump();
    await this.#makeRoom();
  }

  /** No more of this session comes for now. */
  end(session: string): void {
    const lane = this.#lanes.get(session);
    if (lane === undefined) return;
    lane.isEnded = true;
    this.#pump();
  }

  /** Sends the rest. Throws what ended the import early. */
  async finish(): Promise<LoadedSession[]> {
    this.#isDraining = true;
    this.#pump();
    while (this.#lanes.size > 0 && this.#fatal === null) await this.#nextChange();
    await this.#settle();
    return [...this.#loaded].map(([session, result]) => ({ session, ...result }));
  }

  #lane(session: string): Lane {
    const known = this.#lanes.get(session);
    if (known !== undefined) return known;
    if (!this.#loaded.has(session)) {
      this.#loaded.set(session, { headSeq: 0, refused: false });
      this.#tally.conversations += 1;
    }
    const lane: Lane = {
      session,
      waiting: [],
      waitingBytes: 0,
      isSending: false,
      isEnded: false,
      create: null,
    };
    this.#lanes.set(session, lane);
    return lane;
  }

  async #makeRoom(): Promise<void> {
    while (this.#isOverfull() && this.#fatal === null) {
      // Many sessions with few messages each fill the memory without filling a batch.
      this.#isDraining = true;
      this.#pump();
      await this.#nextChange();
    }
    this.#isDraining = false;
    if (this.#fatal !== null) await this.#settle();
  }

  #isOverfull(): boolean {
    return (
      this.#waiting >= this.#concurrency * WAITING_MESSAGES_PER_SENDER ||
      this.#lanes.size >= this.#concurrency * WAITING_MESSAGES_PER_SENDER ||
      this.#waitingBytes >= this.#concurrency * WAITING_BYTES_PER_SENDER
    );
  }

  #pump(): void {
    if (this.#fatal !== null) return;
    for (const lane of this.#lanes.values()) {
      if (this.#sending >= this.#concurrency) return;
      if (!lane.isSending && this.#isDue(lane)) void this.#run(lane);
    }
  }

  #isDue(lane: Lane): boolean {
    if (lane.waiting.length === 0) return lane.isEnded || this.#isDraining;
    return this.#isDraining || lane.isEnded || isFullBatch(lane.waiting.length, lane.waitingBytes);
  }

  async #run(lane: Lane): Promise<void> {
    lane.isSending = true;
    this.#sending += 1;
    try {
      while (this.#fatal === null && (lane.create !== null || lane.waiting.length > 0) && this.#isDue(lane)) {
        if (lane.create !== null) await this.#create(lane);
        const batch = this.#take(lane);
        if (batch.length > 0) await this.#send(lane, batch);
        this.#changed();
      }
      // A lane that is done is dropped, so that a million sessions cost no more than their counts.
      if (lane.waiting.length === 0 && lane.create === null) this.#lanes.delete(lane.session);
    } catch (error) {
      this.#fatal ??= { error };
      this.#stop.abort();
    } finally {
      lane.isSending = false;
      this.#sending -= 1;
      this.#changed();
      this.#pump();
    }
  }

  #take(lane: Lane): Prepared[] {
    const batch = lane.waiting.splice(0, batchLength(lane.waiting));
    for (const { bytes } of batch) {
      lane.waitingBytes -= bytes;
      this.#waiting -= 1;
      this.#waitingBytes -= bytes;
    }
    return batch;
  }

  async #create(lane: Lane): Promise<void> {
    const { create } = lane;
    lane.create = null;
    if (create === null) return;
    try {
      await this.#api.createSession(create);
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      this.#refuse(lane, error);
    }
  }

  async #send(lane: Lane, batch: readonly Prepared[]): Promise<void> {
    if (this.#loaded.get(lane.session)?.refused === true) return;
    const startedAt = performance.now();
    try {
      const answer = await this.#api.append(
        lane.session,
        batch.map(({ message }) => message),
      );
      this.#tally.appendMs.push(performance.now() - startedAt);
      this.#tally.waiting = null;
      const created = answer.messages.filter((message) => message.created).length;
      this.#tally.messagesSent += batch.length;
      this.#tally.messagesNew += created;
      this.#tally.messagesKnown += batch.length - created;
      const loaded = this.#loaded.get(lane.session);
      if (loaded !== undefined) loaded.headSeq = Math.max(loaded.headSeq, answer.headSeq);
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      await this.#sendHalves(lane, batch, error);
    }
  }

  /** A batch is refused whole for one message's sake: its halves find the message, and the others go in, in their order. */
  async #sendHalves(lane: Lane, batch: readonly Prepared[], problem: ApiProblem): Promise<void> {
    if (!REFUSES_MESSAGE.has(problem.code)) {
      this.#refuse(lane, problem);
      return;
    }
    const [first] = batch;
    if (first !== undefined && batch.length === 1) {
      this.#tally.noteFailure(`${showPlace(first.place)}, message ${first.message.id}`, problem.message);
      return;
    }
    const middle = Math.ceil(batch.length / 2);
    await this.#send(lane, batch.slice(0, middle));
    await this.#send(lane, batch.slice(middle));
  }

  #refuse(lane: Lane, problem: ApiProblem): void {
    if (!REFUSES_SESSION.has(problem.status)) throw problem;
    const loaded = this.#loaded.get(lane.session);
    if (loaded !== undefined) loaded.refused = true;
    this.#tally.noteFailure(`session ${lane.session}`, problem.message);
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => this.#wakers.push(resolve));
  }

  #changed(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }

  /** Waits for what is under way; throws what ended the import early. */
  async #settle(): Promise<void> {
    while (this.#sending > 0) await this.#nextChange();
    if (this.#fatal !== null) throw this.#fatal.error;
  }
}
