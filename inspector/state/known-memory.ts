/** What is known about a user across sessions: the items of each session's newest summary. */

import { signal } from "@preact/signals";
import type { Page } from "../../src/api/page.ts";
import type { ListedSession } from "../../src/api/session.ts";
import type { Item, Summary } from "../../src/api/summary.ts";
import { ApiError, ask, sessionPath } from "../api.ts";

const PAGE = 100;
const MAX_AT_ONCE = 4;
/** If a user has more sessions, the newest are read, and the others on demand. */
const SESSIONS_AT_ONCE = 200;

export interface KnownItem {
  readonly item: Item;
  /** The session whose summary contains it. */
  readonly session: ListedSession;
}

export class KnownMemory {
  readonly items = signal<readonly KnownItem[]>([]);
  readonly sessions = signal<readonly ListedSession[]>([]);
  readonly read = signal(0);
  readonly isDone = signal(false);
  readonly hasMore = signal(false);
  #cursor: string | null = null;
  #isClosed = false;

  /** Reads the next sessions. */
  async more(): Promise<void> {
    this.isDone.value = false;
    const listed: ListedSession[] = [];
    do {
      const page = await ask<Page<ListedSession>>("GET", "/v1/sessions", {
        query: { limit: PAGE, cursor: this.#cursor },
      });
      listed.push(...page.data);
      this.#cursor = page.nextCursor;
      this.hasMore.value = page.hasMore;
    } while (this.hasMore.value && listed.length < SESSIONS_AT_ONCE);
    this.sessions.value = [...this.sessions.value, ...listed];
    const waiting = listed.values();
    const work = async (): Promise<void> => {
      for (const session of waiting) {
        if (this.#isClosed) return;
        await this.#look(session);
      }
    };
    await Promise.all(Array.from({ length: MAX_AT_ONCE }, work));
    this.isDone.value = true;
  }

  close(): void {
    this.#isClosed = true;
  }

  async #look(session: ListedSession): Promise<void> {
    try {
      const { data } = await ask<Page<Summary>>("GET", `${sessionPath(session.id)}/summaries`, { query: { limit: 1 } });
      // Items carried over from a session that is read as well are shown there.
      const known = (data[0]?.items ?? []).filter(
        ({ sourceSession }) => sourceSession === undefined || !this.#knows(sourceSession),
      );
      this.items.value = [...this.items.value, ...known.map((item) => ({ item, session }))];
    } catch (error) {
      // An expired session has no summary here any more; other errors are shown.
      if (!(error instanceof ApiError) || (error.status !== 404 && error.status !== 410)) throw error;
    } finally {
      this.read.value += 1;
    }
  }

  #knows(id: string): boolean {
    return this.sessions.value.some((session) => session.id === id);
  }
}
