// Sends messages in batches: many sessions concurrently, each in its own order, with a limit for what waits in memory.
import type { NewMessage, Seq } from "../../src/api/message.ts";
import type { NewSession } from "../../src/api/session.ts";
import { ApiProblem } from "../api.ts";
import type { Api } from "../api.ts";
import { batchLength, isFullBatch } from "./batch.ts";
import { showPlace } from "./entry.ts";
import type { Prepared } from "./prepare.ts";
import type { Tally } from "./tally.ts";

/** Messages that may wait in memory per concurrent session: a few full batches. */
const WAITING_MESSAGES_PER_SENDER = 500;
const WAITING_BYTES_PER_SENDER = 4 * 1024 * 1024;
/** Errors that concern a single message; the others of its batch are accepted without it. */
const REFUSES_MESSAGE = new Set(["message_conflict", "message_too_large", "body_too_large", "validation_failed"]);
/**
 * Conflict, gone, unprocessable: errors of one session. Any other (no key, no such route …) would concern every
 * session.
 */
const REFUSES_SESSION = new Set([409, 410, 422]);

/** A session to create before its first messages. */
export interface Opened extends NewSession {
  readonly id: string;
  /** When the conversation began, if the source says so; the list of sessions shows this date. */
  readonly createdAt?: string | undefined;
  /** Whether some of its messages do not follow the one before them. */
  readonly isBranched?: boolean;
}

/** The branches of a conversation while it is being sent. */
interface Branches {
  readonly seqs: Map<string, Seq>;
  /** The message that was sent last, accepted or not: the next one follows it by default. */
  last: string | null;
  /** Messages that the service refused; what follows one of these must say explicitly what it follows. */
  readonly refused: Set<string>;
  /** The end of the active branch, as the service last reported it; null before that. */
  headSeq: Seq | null;
  created: number;
  /** Where the active branch ended before this import, if that was not the end of the log. */
  returnTo: Seq | null;
  /** The last message of the active branch in the source. */
  head: string | null;
}

interface Lane {
  readonly session: string;
  readonly waiting: Prepared[];
  waitingBytes: number;
  isSending: boolean;
  /** No more messages for now: the waiting ones are sent although they are no full batch. */
  isEnded: boolean;
  create: Opened | null;
  branches: Branches | null;
}

export interface LoadedSession {
  readonly session: string;
  /** The highest `headSeq` that the service has acknowledged; a lower one would be wrong. */
  readonly headSeq: number;
  /** The service refused the session, so the rest of its messages was left out. */
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

  /** `stop` is aborted by the first error that ends the import, so that other senders stop too. */
  constructor(api: Api, tally: Tally, concurrency: number, stop: AbortController) {
    this.#api = api;
    this.#tally = tally;
    this.#concurrency = concurrency;
    this.#stop = stop;
  }

  /** Creates the session with this data before its first messages, unless it exists. */
  async open(session: Opened): Promise<void> {
    const lane = this.#lane(session.id);
    lane.create = session;
    if (session.isBranched === true) {
      lane.branches ??= {
        seqs: new Map(),
        last: null,
        refused: new Set(),
        headSeq: null,
        created: 0,
        returnTo: null,
        head: null,
      };
    }
    // A session without messages is created as well.
    lane.isEnded = session.isBranched !== true;
    this.#pump();
    await this.#makeRoom();
  }

  /** Resolves when there is room for the next one, so that reading is not faster than the service. */
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

  /** Makes the active branch end with this message once the conversation is complete. */
  follow(session: string, messageId: string): void {
    const branches = this.#lanes.get(session)?.branches;
    if (branches !== null && branches !== undefined) branches.head = messageId;
  }

  /** No more messages of this session for now. */
  end(session: string): void {
    const lane = this.#lanes.get(session);
    if (lane === undefined) return;
    lane.isEnded = true;
    this.#pump();
  }

  /** Sends the rest. Throws the error that ended the import early. */
  async finish(): Promise<LoadedSession[]> {
    this.#isDraining = true;
    // A conversation that was cut off in its file has no explicit end.
    for (const lane of this.#lanes.values()) lane.isEnded = true;
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
      branches: null,
    };
    this.#lanes.set(session, lane);
    return lane;
  }

  async #makeRoom(): Promise<void> {
    while (this.#isOverfull() && this.#fatal === null) {
      // Many sessions with few messages each would fill the memory without filling a batch, so all are sent.
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
      if (this.#fatal === null && lane.isEnded && lane.waiting.length === 0) await this.#settleBranches(lane);
      // A finished lane is dropped, so that a million sessions take no more memory than their counts.
      const isDone = lane.branches === null || lane.isEnded;
      if (lane.waiting.length === 0 && lane.create === null && isDone) this.#lanes.delete(lane.session);
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
    const { createdAt, isBranched: _, ...session } = create;
    try {
      const isNew = createdAt === undefined ? null : await this.#api.beginSession(session, createdAt);
      if (createdAt === undefined) await this.#api.createSession(session);
      if (isNew !== true) await this.#goToTheEnd(lane);
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      this.#refuse(lane, error);
    }
  }

  /**
   * An existing session may have another active branch; new messages follow the end of its log, as in the first run.
   */
  async #goToTheEnd(lane: Lane): Promise<void> {
    if (lane.branches === null) return;
    const state = await this.#api.session(lane.session);
    if (state === null || state.headSeq === state.lastSeq) return;
    lane.branches.returnTo = state.headSeq;
    await this.#api.switchBranch(lane.session, state.lastSeq);
    lane.branches.headSeq = state.lastSeq;
  }

  /** Activates the branch that was last seen in the source, or, if nothing was new, the one that was active before. */
  async #settleBranches({ session, branches }: Lane): Promise<void> {
    if (branches === null || this.#loaded.get(session)?.refused === true) return;
    const seen = branches.head === null ? undefined : branches.seqs.get(branches.head);
    const target = branches.created === 0 && branches.returnTo !== null ? branches.returnTo : seen;
    if (target === undefined || target === branches.headSeq) return;
    try {
      await this.#api.switchBranch(session, target);
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      this.#tally.noteFailure(`session ${session}`, `its active branch is not the one last seen: ${error.message}`);
    }
  }

  /** @param isTurned inverts whether the first message says explicitly what it follows */
  async #send(lane: Lane, batch: readonly Prepared[], isTurned = false): Promise<void> {
    if (this.#loaded.get(lane.session)?.refused === true) return;
    const startedAt = performance.now();
    try {
      const answer = await this.#api.append(lane.session, placed(batch, lane.branches, isTurned));
      this.#tally.appendMs.push(performance.now() - startedAt);
      this.#tally.waiting = null;
      const created = answer.messages.filter((message) => message.created).length;
      this.#tally.messagesSent += batch.length;
      this.#tally.messagesNew += created;
      this.#tally.messagesKnown += batch.length - created;
      const loaded = this.#loaded.get(lane.session);
      if (loaded !== undefined) loaded.headSeq = Math.max(loaded.headSeq, answer.headSeq);
      if (lane.branches !== null) {
        for (const { id, seq } of answer.messages) lane.branches.seqs.set(id, seq);
        lane.branches.last = batch.at(-1)?.message.id ?? null;
        lane.branches.headSeq = answer.headSeq;
        lane.branches.created += created;
      }
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      await this.#sendHalves(lane, batch, error, isTurned);
    }
  }

  /**
   * A batch is refused because of one message. Its halves are sent separately until that message is found; the others
   * are appended in order.
   */
  async #sendHalves(lane: Lane, batch: readonly Prepared[], problem: ApiProblem, isTurned: boolean): Promise<void> {
    if (!REFUSES_MESSAGE.has(problem.code)) {
      this.#refuse(lane, problem);
      return;
    }
    const [first] = batch;
    if (first !== undefined && batch.length === 1) {
      // The message exists with another `afterSeq`: in the first run it may have said explicitly what it follows, and
      // not now, because another part of the chat is missing.
      const isPlaced = lane.branches !== null && first.after !== undefined;
      if (isPlaced && problem.code === "message_conflict" && !isTurned) return await this.#send(lane, batch, true);
      this.#tally.noteFailure(`${showPlace(first.place)}, message ${first.message.id}`, problem.message);
      standIn(first, lane.branches);
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

  /** Waits for the requests in flight; throws the error that ended the import early. */
  async #settle(): Promise<void> {
    while (this.#sending > 0) await this.#nextChange();
    if (this.#fatal !== null) throw this.#fatal.error;
  }
}

/** The messages of a batch. The first says what it follows, if that is not the one before it. */
function placed(batch: readonly Prepared[], branches: Branches | null, isTurned: boolean): NewMessage[] {
  return batch.map(({ message, after }, index) => {
    if (branches === null || after === undefined) return message;
    const before = index === 0 ? branches.last : batch[index - 1]?.message.id;
    const isNext = after === before && !(after !== null && branches.refused.has(after));
    if (isNext !== isTurned) return message;
    const afterSeq = after === null ? 0 : branches.seqs.get(after);
    return afterSeq === undefined ? message : { ...message, afterSeq };
  });
}

/** A message after a refused one follows what the refused one would have followed. */
function standIn({ message, after }: Prepared, branches: Branches | null): void {
  if (branches === null || after === undefined) return;
  const seq = after === null ? 0 : branches.seqs.get(after);
  if (seq !== undefined) branches.seqs.set(message.id, seq);
  branches.refused.add(message.id);
  branches.last = message.id;
}
