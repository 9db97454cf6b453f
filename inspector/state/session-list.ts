/** The list of sessions: read page by page; details of each session are read when it becomes visible. */

import { signal } from "@preact/signals";
import type { Message } from "../../src/api/message.ts";
import type { Page } from "../../src/api/page.ts";
import type { ListedSession, SessionState } from "../../src/api/session.ts";
import { ApiError, ask, sessionPath } from "../api.ts";
import { titleIn } from "../views/title.ts";

const PAGE = 100;
/** Concurrent requests. A user's token may make a hundred in ten seconds. */
const MAX_AT_ONCE = 4;
const REFRESH_MS = 4_000;
/** Larger than any seq: asks for the last message without knowing how many there are. */
const BEHIND_ALL = 999_999_999;

/** Details of a session. */
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
  /** Sessions whose titles are read when nothing else is waiting. */
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

  /** Reads the next page; does nothing while one is being read. */
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

  /** The name of a session, as far as it was read; its id if nothing else is known. */
  titleOf(
    id: string,
    metadata: ListedSession["metadata"] = this.sessions.value.find((session) => session.id === id)?.metadata ?? {},
  ): string {
    return this.facts.value.get(id)?.title ?? titleIn(metadata, undefined, id);
  }

  /** Reads details of these sessions, again and again while they are visible. Others are dropped. */
  look(ids: readonly string[]): void {
    this.#inView = ids;
    this.#wanted = ids.filter((id) => !this.#asked.has(id));
    this.#work();
  }

  /** Reads the first words of sessions without a title, which serve as their title. */
  readTitles(ids: readonly string[]): void {
    this.#untitled = [...ids];
    this.#work();
  }

  async #refresh(): Promise<void> {
    if (document.hidden || this.#isReading) return;
    try {
      // The service may have been out of reach when the page was opened.
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
        // So many sessions are new that some between them and the known ones were never listed.
        this.sessions.value = page.data;
        this.#cursor = page.nextCursor;
        this.hasMore.value = true;
      } else {
        // Sessions missing from the first page are gone, as far as the page reaches.
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
      // The sessions that became visible last are read first.
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

  /** An expired session answers 410; only its title is known. */
  #noteGone({ id, metadata }: ListedSession, error: unknown): void {
    const status = error instanceof ApiError ? error.status : 0;
    if (status === 404 || status === 410)
      this.#tell(id, { title: titleIn(metadata, undefined, id), state: null, lastAt: null });
  }

  #tell(id: string, facts: SessionFacts): void {
    this.facts.value = new Map(this.facts.value).set(id, facts);
  }
}
