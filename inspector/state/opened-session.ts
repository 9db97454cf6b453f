/** The session that is shown: its state, the messages read so far, its context, and its live feed. */

import { batch, computed, effect, signal } from "@preact/signals";
import type { Context, ContextFormat } from "../../src/api/context.ts";
import type { LiveEvent } from "../../src/api/live.ts";
import type { Message } from "../../src/api/message.ts";
import type { Page } from "../../src/api/page.ts";
import type { SessionState } from "../../src/api/session.ts";
import type { Item, SummaryVersion } from "../../src/api/summary.ts";
import { ApiError, ask, sessionPath } from "../api.ts";
import { Answering } from "./answering.ts";
import { followSession } from "./live-feed.ts";
import { countPlaces, placesIn } from "./places.ts";
import { problem, showProblem } from "./problem.ts";

/** The largest page of the API. */
const PAGE = 100;
/** Larger than any seq: asks for the last page without knowing how many messages there are. */
const BEHIND_ALL = 999_999_999;
/** Changes within this time are read together. */
const GATHER_MS = 150;
const SLIDER_MS = 80;
/** Pages read concurrently. Of those that are only scrolled past, most are never requested. */
const MAX_AT_ONCE = 4;
const MAX_ACTIVITY = 30;

export type LiveState = "connecting" | "live" | "lost" | "ended";
export interface Activity {
  readonly at: number;
  readonly text: string;
  readonly isBad?: boolean;
}

export class OpenedSession {
  readonly id: string;
  readonly state = signal<SessionState | null>(null);
  readonly context = signal<Context | null>(null);
  /** The prompt in another format, exactly as it would be sent. */
  readonly rendered = signal<{ readonly format: ContextFormat; readonly prompt: object } | null>(null);
  readonly isReading = signal(false);
  readonly summaries = signal<readonly SummaryVersion[]>([]);
  readonly hasMoreSummaries = signal(false);
  readonly live = signal<LiveState>("connecting");
  /** True for a moment after a lost connection was restored. */
  readonly hasResumed = signal(false);
  readonly activity = signal<readonly Activity[]>([]);
  /** Why the session cannot be shown. */
  readonly refusal = signal("");

  // Parameters of the context
  readonly budget = signal<number | null>(null);
  readonly query = signal("");
  readonly format = signal<ContextFormat>("threadkeep");
  /** The message as of which the context is shown; null: now. */
  readonly atSeq = signal<number | null>(null);

  // Highlights
  /** Messages that are highlighted because an item cites them. */
  readonly litSeqs = signal<ReadonlySet<number>>(new Set());
  /** Items that are highlighted because they cite a message. */
  readonly litItems = signal<ReadonlySet<string>>(new Set());
  /** The message to scroll into view; a new object each time. */
  readonly target = signal<{ readonly seq: number } | null>(null);
  readonly showsOtherBranches = signal(false);
  /**
   * The pane shown on a phone, where there is room for only one: first the context, or the transcript if there are no
   * messages.
   */
  readonly side = signal<"transcript" | "context">("context");

  /** The model's answer in progress. */
  readonly answering = new Answering();

  readonly messages = new Map<number, Message>();
  /** Incremented with each change of `messages`. */
  readonly revision = signal(0);
  readonly lastSeq = computed(() => this.state.value?.lastSeq ?? 0);
  readonly placeOf = computed(() => (this.context.value === null ? null : placesIn(this.context.value)));
  readonly counts = computed(() => (this.context.value === null ? null : countPlaces(this.context.value)));
  /** The items of the summary that cite each message. */
  readonly itemsBySeq = computed(() => {
    const bySeq = new Map<number, Item[]>();
    for (const item of this.context.value?.summary?.items ?? []) {
      if (item.sourceSession !== undefined) continue;
      for (const seq of item.sourceSeqs) bySeq.set(seq, [...(bySeq.get(seq) ?? []), item]);
    }
    return bySeq;
  });

  readonly #path: string;
  readonly #loading = new Map<number, Promise<void>>();
  readonly #stale = new Set<number>();
  /** The visible range whose pages wait for others to be read. */
  #waiting: { readonly fromSeq: number; readonly throughSeq: number } | null = null;
  #reading: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking: ReturnType<typeof setTimeout> | undefined;
  #unfollow: () => void = () => undefined;
  #stopAsking: () => void = () => undefined;
  #isClosed = false;
  #stateReads = 0;
  /** The first reading; resolves also if it fails. */
  #first: Promise<void> = Promise.resolve();

  constructor(id: string) {
    this.id = id;
    this.#path = sessionPath(id);
  }

  open(): void {
    this.#unfollow = followSession(this.id, {
      onOpen: () => this.#opened(),
      onLost: () => {
        this.live.value = "lost";
      },
      onEvent: (event) => this.#take(event),
      onReset: () => this.#readAnew(),
      onEnd: (reason) => {
        this.live.value = "ended";
        if (reason !== "") this.#note(reason, true);
      },
    });
    // The context is read again when one of its parameters changes.
    let pause = 0;
    this.#stopAsking = effect(() => {
      const asked = [this.budget.value, this.query.value, this.format.value, this.atSeq.value];
      clearTimeout(this.#asking);
      if (asked.length > 0) this.#asking = setTimeout(() => void this.readContext(), pause);
      // The first is read at once; later ones after a pause, because a slider sends many values on its way.
      pause = SLIDER_MS;
    });
    this.#first = this.#readFirst();
  }

  async #readFirst(): Promise<void> {
    try {
      const tail = ask<Page<Message>>("GET", `${this.#path}/messages`, {
        query: { beforeSeq: BEHIND_ALL, limit: PAGE },
      });
      const [state, page] = await Promise.all([ask<SessionState>("GET", this.#path), tail, this.readSummaries()]);
      batch(() => {
        this.state.value = state;
        if (state.lastSeq === 0) this.side.value = "transcript";
        this.#keep(page.data);
      });
    } catch (error) {
      if (this.#isClosed) return;
      if (error instanceof ApiError && (error.status === 404 || error.status === 410))
        this.refusal.value =
          error.status === 404 ? "It does not exist, or it belongs to somebody else." : error.message;
      else showProblem(error);
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#asking);
    this.#reading?.abort();
    this.answering.stop();
    this.#unfollow();
    this.#stopAsking();
  }

  /** Reads the messages of the visible range that are not here yet. */
  ensure(fromSeq: number, throughSeq: number): void {
    this.#waiting = null;
    for (let page = pageOf(fromSeq); page <= pageOf(throughSeq); page += 1) {
      if (!this.#lacks(page, throughSeq)) continue;
      if (this.#loading.has(page)) {
        // What is being read is outdated already, so the page is read once more afterwards.
        if (this.#stale.has(page)) this.#waiting = { fromSeq, throughSeq };
        continue;
      }
      if (this.#loading.size >= MAX_AT_ONCE) {
        this.#waiting = { fromSeq, throughSeq };
        return;
      }
      this.#load(page);
    }
  }

  /** Returns a message, reading it if necessary. */
  async messageAt(seq: number): Promise<Message | undefined> {
    const page = pageOf(seq);
    if (!this.#loading.has(page) && this.#lacks(page, seq)) this.#load(page);
    await this.#loading.get(page);
    return this.messages.get(seq);
  }

  #load(page: number): void {
    const loading = this.#loadPage(page)
      .catch((error: unknown) => {
        this.#stale.add(page);
        if (!this.#isClosed) showProblem(error);
      })
      .finally(() => {
        this.#loading.delete(page);
        if (this.#waiting !== null && !this.#isClosed) this.ensure(this.#waiting.fromSeq, this.#waiting.throughSeq);
      });
    this.#loading.set(page, loading);
  }

  async readContext(): Promise<void> {
    this.#reading?.abort();
    const reading = new AbortController();
    this.#reading = reading;
    this.isReading.value = true;
    const query = this.query.value.trim();
    const format = this.format.value;
    const asked = {
      ...(this.budget.value === null ? {} : { maxTokens: this.budget.value }),
      ...(this.atSeq.value === null ? {} : { atSeq: this.atSeq.value }),
      ...(query === "" ? {} : { query }),
    };
    const read = <T>(body: object): Promise<T> =>
      ask<T>("POST", `${this.#path}/context`, { body, signal: reading.signal });
    try {
      const [context, prompt] = await Promise.all([
        read<Context>(asked),
        format === "threadkeep" ? null : read<object>({ ...asked, format }),
      ]);
      batch(() => {
        this.context.value = context;
        this.rendered.value = prompt === null ? null : { format, prompt };
      });
    } catch (error) {
      // If the session itself is gone, that is shown once, in its own place.
      const isGone = error instanceof ApiError && (error.status === 404 || error.status === 410);
      if (!reading.signal.aborted && !this.#isClosed && !isGone) showProblem(error);
    } finally {
      if (this.#reading === reading) this.isReading.value = false;
    }
  }

  async readSummaries(): Promise<void> {
    const page = await ask<Page<SummaryVersion>>("GET", `${this.#path}/summaries`, { query: { limit: PAGE } });
    batch(() => {
      this.summaries.value = page.data.toReversed();
      this.hasMoreSummaries.value = page.hasMore;
    });
  }

  async readState(): Promise<void> {
    this.#stateReads += 1;
    const read = this.#stateReads;
    const state = await ask<SessionState>("GET", this.#path);
    // An answer that was overtaken by a later one is not shown.
    if (read !== this.#stateReads) return;
    // The feed may have told of messages since the answer was made.
    this.state.value = { ...state, lastSeq: Math.max(state.lastSeq, this.lastSeq.value) };
  }

  /** Highlights the messages that an item cites, and scrolls to the first. */
  point(item: Item): void {
    batch(() => {
      this.litItems.value = new Set([item.id]);
      this.litSeqs.value = new Set(item.sourceSeqs);
      const [first] = item.sourceSeqs;
      if (first !== undefined) this.target.value = { seq: first };
    });
  }

  /** Highlights a message and scrolls to it. */
  show(seq: number): void {
    batch(() => {
      this.side.value = "transcript";
      this.litSeqs.value = new Set([seq]);
      this.target.value = { seq };
    });
  }

  /** Highlights the items that cite a message. */
  pointFrom(seq: number): void {
    batch(() => {
      this.side.value = "context";
      this.litSeqs.value = new Set([seq]);
      this.litItems.value = new Set((this.itemsBySeq.value.get(seq) ?? []).map(({ id }) => id));
    });
  }

  unpoint(): void {
    batch(() => {
      this.litSeqs.value = new Set();
      this.litItems.value = new Set();
    });
  }

  /** After a change made here, its effects elsewhere are read at once instead of when the feed reports them. */
  refresh(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#readChanged(), GATHER_MS);
  }

  /** Marks what was read as outdated; it is read again when it is visible. */
  invalidate(): void {
    for (const seq of this.messages.keys()) this.#stale.add(pageOf(seq));
    this.revision.value += 1;
  }

  #opened(): void {
    if (this.live.value === "lost") {
      this.hasResumed.value = true;
      if (problem.value.startsWith("The service does not answer")) problem.value = "";
    }
    void this.#catchUp(this.live.value === "lost").catch(showProblem);
    this.live.value = "live";
  }

  /**
   * Reads what happened between the first reading and the start of the feed, or while the connection was lost. No event
   * reports it.
   */
  async #catchUp(wasLost: boolean): Promise<void> {
    await this.#first;
    if (this.#isClosed) return;
    if (this.state.value === null) {
      this.#first = this.#readFirst();
      return this.readContext();
    }
    const before = JSON.stringify(this.state.value);
    await this.readState();
    if (wasLost || JSON.stringify(this.state.value) !== before) this.#readAnew();
  }

  #take(event: LiveEvent): void {
    if (event.type === "appended" || event.type === "edited") {
      const isNew = !this.messages.has(event.message.seq);
      batch(() => {
        this.#keep([event.message]);
        const state = this.state.value;
        if (state !== null && event.message.seq > state.lastSeq) {
          this.state.value = { ...state, lastSeq: event.message.seq };
        }
      });
      // The alternatives of a message are only in the list of messages, so that is read again.
      if (event.message.afterSeq !== undefined) this.invalidate();
      this.#note(
        event.type === "edited"
          ? `Message ${event.message.seq} was edited.`
          : isNew
            ? `Message ${event.message.seq} was appended.`
            : "",
      );
    } else if (event.type === "erased") {
      const { seq, throughSeq } = event;
      this.invalidate();
      this.#note(seq === throughSeq ? `Message ${seq} was erased.` : `Messages ${seq} to ${throughSeq} were erased.`);
    } else if (event.type === "branched") {
      this.invalidate();
      this.#note(`The chat continues from message ${event.headSeq}.`);
    } else if (event.type === "summarized") {
      void this.readSummaries().catch(showProblem);
      if (event.degraded) {
        this.#note(`The model failed: summary version ${event.version} was made without it, until it is back.`, true);
      } else {
        this.#note(`Summary version ${event.version} is ready: it covers messages 1 to ${event.throughSeq}.`);
      }
    } else if (event.type === "summaryFailed") {
      this.#note(
        `A summary through message ${event.throughSeq} failed. It will be retried; the chat continues without it.`,
        true,
      );
    } else {
      this.#note("The session has expired; its summary is kept in the archive.", true);
    }
    this.refresh();
  }

  async #readChanged(): Promise<void> {
    if (this.#isClosed) return;
    await Promise.all([this.readContext(), this.readState().catch(() => undefined)]);
  }

  #readAnew(): void {
    this.invalidate();
    void this.readSummaries().catch(showProblem);
    this.refresh();
  }

  #note(text: string, isBad = false): void {
    if (text === "") return;
    const told = { at: Date.now(), text, ...(isBad ? { isBad } : {}) };
    this.activity.value = [told, ...this.activity.value].slice(0, MAX_ACTIVITY);
  }

  #keep(messages: readonly Message[]): void {
    for (const message of messages) this.messages.set(message.seq, message);
    this.revision.value += 1;
  }

  #lacks(page: number, throughSeq: number): boolean {
    if (this.#stale.has(page)) return true;
    const last = Math.min((page + 1) * PAGE, this.lastSeq.value, Math.max(throughSeq, 1));
    for (let seq = page * PAGE + 1; seq <= last; seq += 1) if (!this.messages.has(seq)) return true;
    return false;
  }

  async #loadPage(page: number): Promise<void> {
    const end = (page + 1) * PAGE;
    // Unmarked before it is read: a change that is reported meanwhile marks it again.
    this.#stale.delete(page);
    // A page of large messages may end early.
    for (let after = page * PAGE; after < end;) {
      const query = { afterSeq: after, limit: Math.min(PAGE, end - after) };
      const { data, hasMore } = await ask<Page<Message>>("GET", `${this.#path}/messages`, { query });
      this.#keep(data);
      after = data.at(-1)?.seq ?? end;
      if (!hasMore) break;
    }
  }
}

const pageOf = (seq: number): number => Math.floor((seq - 1) / PAGE);

/** Makes a text such as "Messages 1 to 24". */
export function rangeText(fromSeq: number, throughSeq: number): string {
  return fromSeq === throughSeq ? `Message ${fromSeq}` : `Messages ${fromSeq} to ${throughSeq}`;
}
