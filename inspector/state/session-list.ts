/** The sessions of whoever is shown: listed by page, and looked at one by one as they come into view. */

import { signal } from "@preact/signals";
import type { Message } from "../../src/api/message.ts";
import type { Page } from "../../src/api/page.ts";
import type { ListedSession, SessionState } from "../../src/api/session.ts";
import { ApiError, ask, sessionPath } from "../api.ts";
import { titleIn } from "../views/title.ts";

const PAGE = 100;
/** Requests at a time: a user's token has a hundred in ten seconds. */
const MAX_AT_ONCE = 4;
const REFRESH_MS = 4_000;
/** Beyond any seq: asks for the last message without knowing how many there are. */
const BEHIND_ALL = 999_999_999;

/** What is known of a session besides that it is there. */
export interface SessionFacts {
  readonly title: string;
  readonly state: SessionState | null;
  readonly lastAt: string | null;
}

export class SessionList {
  readonly sessions = signal<readonly ListedSession[]>([]);
  readonly facts = signal<ReadonlyMap<string, SessionFacts>>(new Map());
  readonly hasMore = signal(false);
  readonly isRead = signal(false);
  #cursor: string | null = null;
  #isReading = false;
  #wanted: string[] = [];
  /** Looked at when nothing else is wanted. */
  #untitled: string[] = [];
  readonly #asked = new Set<string>();
  #busy = 0;
  #inView: readonly string[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;

  async open(): Promise<void> {
    this.#timer = setInterval(() => void this.#refresh(), REFRESH_MS);
    await this.more();
    this.isRead.value = true;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#wanted = [];
    this.#untitled = [];
  }

  /** The next page; nothing while one is read. */
  async more(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      const page = await ask<Page<ListedSession>>("GET", "/v1/sessions", {
        query: { limit: PAGE, cursor: this.#cursor },
      });
      const known = new Set(this.sessions.value.map(({ id }) => id));
      this.sessions.value = [...this.sessions.value, ...page.data.filter(({ id }) => !known.has(id))];
      this.#cursor = page.nextCursor;
      this.hasMore.value = page.hasMore;
    } finally {
      this.#isReading = false;
    }
  }

  /** Looks at these sessions, and again from time to time for as long as they are in view. Those that were passed are left alone. */
  look(ids: readonly string[]): void {
    this.#inView = ids;
    this.#wanted = ids.filter((id) => !this.#asked.has(id));
    this.#work();
  }

  /** Reads the first words of sessions that have no title of their own: what they are called by. */
  readTitles(ids: readonly string[]): void {
    this.#untitled = [...ids];
    this.#work();
  }

  async #refresh(): Promise<void> {
    if (document.hidden || this.#isReading) return;
    try {
      // The service may have been away when the page was opened.
      if (!this.isRead.value) {
        await this.more();
        this.isRead.value = true;
        return;
      }
      const page = await ask<Page<ListedSession>>("GET", "/v1/sessions", { query: { limit: PAGE } });
      const before = this.sessions.value;
      const known = new Set(before.map(({ id }) => id));
      const fresh = page.data.filter(({ id }) => !known.has(id));
      if (page.hasMore && fresh.length === page.data.length) {
        // So many are new that those between them and the ones known before were never listed.
        this.sessions.value = page.data;
        this.#cursor = page.nextCursor;
        this.hasMore.value = true;
      } else {
        // The first page tells what is gone, as far as it reaches.
        const listed = new Set(page.data.map(({ id }) => id));
        const reach = page.hasMore ? before.findLastIndex(({ id }) => listed.has(id)) : before.length;
        const kept = before.filter(({ id }, index) => index > reach || listed.has(id));
        if (fresh.length > 0 || kept.length !== before.length) this.sessions.value = [...fresh, ...kept];
      }
    } catch {
      return; // The next time may go well, and what is shown stays.
    }
    for (const id of this.#inView) if (!this.#wanted.includes(id)) this.#wanted.push(id);
    this.#work();
  }

  #work(): void {
    while (this.#busy < MAX_AT_ONCE) {
      // Those that came into view last are looked at first.
      const id = this.#wanted.pop();
      const untitled = id === undefined ? this.#untitled.pop() : undefined;
      if (id !== undefined) this.#asked.add(id);
      else if (untitled === undefined) return;
      const reading = id !== undefined ? this.#read(id) : this.#readTitle(untitled ?? "");
      this.#busy += 1;
      void reading.finally(() => {
        this.#busy -= 1;
        this.#work();
      });
    }
  }

  async #readTitle(id: string): Promise<void> {
    const listed = this.sessions.value.find((session) => session.id === id);
    if (listed === undefined || this.facts.value.has(id)) return;
    try {
      const { data } = await ask<Page<Message>>("GET", `${sessionPath(id)}/messages`, { query: { limit: 1 } });
      this.#tell(id, { title: titleIn(listed.metadata, data[0]?.content, id), state: null, lastAt: null });
    } catch (error) {
      this.#noteGone(listed, error);
    }
  }

  async #read(id: string): Promise<void> {
    const listed = this.sessions.value.find((session) => session.id === id);
    if (listed === undefined) return;
    const before = this.facts.value.get(id);
    try {
      const state = await ask<SessionState>("GET", sessionPath(id));
      const isSame = before?.state?.lastSeq === state.lastSeq;
      const page = (query: object): Promise<Page<Message>> =>
        ask<Page<Message>>("GET", `${sessionPath(id)}/messages`, { query: { limit: 1, ...query } });
      const isNamed = before !== undefined && before.title !== id;
      const [first, last] = await Promise.all([
        isNamed || state.lastSeq === 0 ? null : page({}),
        isSame || state.lastSeq === 0 ? null : page({ beforeSeq: BEHIND_ALL }),
      ]);
      const title =
        isNamed && isSame ? before.title : titleIn(state.metadata, first?.data[0]?.content, before?.title ?? id);
      const newest = last?.data[0];
      const lastAt = newest === undefined ? (before?.lastAt ?? null) : (newest.occurredAt ?? newest.createdAt);
      this.#tell(id, { title, state, lastAt });
    } catch (error) {
      this.#noteGone(listed, error);
    }
  }

  /** An expired one answers 410: its title is all there is. */
  #noteGone({ id, metadata }: ListedSession, error: unknown): void {
    const status = error instanceof ApiError ? error.status : 0;
    if (status === 404 || status === 410)
      this.#tell(id, { title: titleIn(metadata, undefined, id), state: null, lastAt: null });
  }

  #tell(id: string, facts: SessionFacts): void {
    this.facts.value = new Map(this.facts.value).set(id, facts);
  }
}
