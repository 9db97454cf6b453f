/** The sessions of whoever is shown: listed by page, and looked at one by one as they come into view. */

import { signal } from "@preact/signals";
import type { Message } from "../../src/contracts/message.ts";
import type { Page } from "../../src/contracts/page.ts";
import type { ListedSession, SessionState } from "../../src/contracts/session.ts";
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
  readonly #wanted: string[] = [];
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
    this.#wanted.length = 0;
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

  /** Looks at these sessions, and again from time to time for as long as they are in view. */
  look(ids: readonly string[]): void {
    this.#inView = ids;
    for (const id of ids) {
      if (this.#asked.has(id)) continue;
      this.#asked.add(id);
      this.#wanted.push(id);
    }
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
      const known = new Map(this.sessions.value.map((session) => [session.id, session]));
      const fresh = page.data.filter(({ id }) => !known.has(id));
      // The first page tells what is gone, as far as it reaches.
      const isWhole = !page.hasMore;
      const listed = new Set(page.data.map(({ id }) => id));
      const kept = this.sessions.value.filter(({ id }) => !isWhole || listed.has(id));
      if (fresh.length > 0 || kept.length !== this.sessions.value.length) this.sessions.value = [...fresh, ...kept];
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
      if (id === undefined) return;
      this.#busy += 1;
      void this.#read(id).finally(() => {
        this.#busy -= 1;
        this.#work();
      });
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
      // An expired one answers 410: its title is all there is.
      const status = error instanceof ApiError ? error.status : 0;
      if (status === 404 || status === 410)
        this.#tell(id, { title: titleIn(listed.metadata, undefined, id), state: null, lastAt: null });
    }
  }

  #tell(id: string, facts: SessionFacts): void {
    this.facts.value = new Map(this.facts.value).set(id, facts);
  }
}
