/** All sessions: their title, their size, how far the summary reaches, and the time of the last message. */

import { useComputed, useSignal } from "@preact/signals";
import { useCallback, useEffect, useMemo } from "preact/hooks";
import type { MemorySearchResult } from "../../src/api/memory-search.ts";
import type { ListedSession } from "../../src/api/session.ts";
import { ask, user } from "../api.ts";
import { VirtualList } from "../parts/virtual-list.tsx";
import { visibleText } from "../parts/visible-text.tsx";
import { attempt, showProblem } from "../state/problem.ts";
import { sessionAddress } from "../state/route.ts";
import { type SessionFacts, SessionList } from "../state/session-list.ts";
import { ago, count, moment, number, roughly } from "../text.ts";
import { ImportButton } from "./import.tsx";
import { SampleButton } from "./sample.tsx";
import { titleIn } from "./title.ts";

const ROW_PX = 62;
/** Once this many sessions match, further pages are searched when one scrolls. */
const ENOUGH = 30;
/** How many sessions are searched by title before asking whether to continue. */
const LOOKED_THROUGH = 5_000;

export function SessionsView() {
  const list = useMemo(() => new SessionList(), [user.value]);
  const words = useSignal("");
  useEffect(() => {
    document.title = "Sessions · Threadkeep";
    list.open().catch(showProblem);
    return () => list.close();
  }, [list]);
  const shown = useComputed(() => matching(list, words.value)).value;
  const bound = useSignal(LOOKED_THROUGH);
  const isSearched = words.value.trim() !== "";
  const isLooking = isSearched && list.hasMore.value && list.sessions.value.length < bound.value;
  useEffect(() => {
    if (isLooking && shown.length < ENOUGH) void attempt(() => list.more());
  }, [list, shown, isLooking]);
  const keyOf = useCallback((index: number) => shown[index]?.id ?? index, [shown]);
  const estimate = useCallback(() => ROW_PX, []);
  const isEmpty = list.isRead.value && list.sessions.value.length === 0;
  return (
    <main class="sessions">
      <div class="intro">
        <h1>{user.value === "" ? "Sessions" : <>Sessions of {visibleText(user.value)}</>}</h1>
        <p>
          Threadkeep is the memory of your chats: open one to see what it remembers, what it gives the model for the
          next answer, and why.
        </p>
        <div class="row">
          <SampleButton isMain={isEmpty} />
          <ImportButton />
        </div>
      </div>
      <MemorySearch words={words} list={list} />
      {!list.isRead.value ? (
        <p class="empty note">Reading …</p>
      ) : isEmpty ? (
        <p class="empty">
          {user.value === "" ? "There are no sessions yet." : "This user has no sessions."} Open the sample chat, or
          append a message with the <a href="/docs">API</a>.
        </p>
      ) : shown.length === 0 ? (
        <p class="empty note">{isLooking ? "Looking …" : "No title or id has these words."}</p>
      ) : (
        <VirtualList
          label="Sessions"
          count={shown.length}
          keyOf={keyOf}
          estimate={estimate}
          onRange={(first, last) => {
            list.look(shown.slice(first, last + 1).map(({ id }) => id));
            const goesOn = isSearched ? isLooking : list.hasMore.value;
            if (last >= shown.length - 1 && goesOn) void attempt(() => list.more());
          }}
          row={(index) => {
            const session = shown[index];
            return session === undefined ? null : (
              <SessionRow session={session} facts={list.facts.value.get(session.id)} />
            );
          }}
        />
      )}
      {isSearched ? <Looked list={list} isLooking={isLooking} onMore={() => (bound.value += LOOKED_THROUGH)} /> : null}
    </main>
  );
}

/** Says how many sessions were not searched, and lets one continue. */
function Looked({ list, isLooking, onMore }: { list: SessionList; isLooking: boolean; onMore: () => void }) {
  const { sessions, facts, hasMore } = list;
  const untitled = sessions.value.filter(
    ({ id, metadata, expiredAt }) =>
      expiredAt === undefined && !facts.value.has(id) && titleIn(metadata, undefined, id) === id,
  );
  return (
    <>
      {hasMore.value && !isLooking ? (
        <p class="note">
          Among the newest {count(sessions.value.length, "session")}.{" "}
          <button type="button" class="quiet" onClick={onMore}>
            Look through more
          </button>
        </p>
      ) : null}
      {untitled.length > 0 ? (
        <p class="note">
          {count(untitled.length, "session")} without a title {untitled.length === 1 ? "was" : "were"} looked through by
          id alone.{" "}
          <button type="button" class="quiet" onClick={() => list.readTitles(untitled.map(({ id }) => id))}>
            Look at their first words
          </button>
        </p>
      ) : null}
    </>
  );
}

function matching(list: SessionList, words: string): readonly ListedSession[] {
  const wanted = words.trim().toLowerCase();
  if (wanted === "") return list.sessions.value;
  return list.sessions.value.filter(({ id, metadata }) => {
    return `${list.titleOf(id, metadata)} ${id}`.toLowerCase().includes(wanted);
  });
}

function SessionRow({ session, facts }: { session: ListedSession; facts: SessionFacts | undefined }) {
  const { id, metadata, createdAt, expiredAt } = session;
  const title = facts?.title ?? titleIn(metadata, undefined, id);
  const state = facts?.state ?? null;
  return (
    <a class="session-row" href={sessionAddress(id)}>
      <span class="title">{visibleText(title)}</span>
      <span class="note facts">
        {expiredAt !== undefined ? (
          <span class="tag">expired {ago(expiredAt)}</span>
        ) : state === null ? (
          <span>begun {ago(createdAt)}</span>
        ) : (
          <>
            <span>{count(state.lastSeq, "message")}</span>
            <span>{roughly(state.messageTokens)} tokens</span>
            <span>
              {state.summary === null
                ? "no summary"
                : `${count(state.summary.items, "item")} remembered, ${number(Math.max(0, state.headSeq - state.summary.throughSeq))} messages since`}
            </span>
            {state.summaryPending ? <span class="tag">summarizing</span> : null}
            {facts === undefined || facts.lastAt === null ? null : (
              <time dateTime={facts.lastAt} title={moment(facts.lastAt)}>
                last message {ago(facts.lastAt)}
              </time>
            )}
          </>
        )}
        <code>{id}</code>
      </span>
    </a>
  );
}

/** A session that continues another holds its items as well: each is shown once. */
function withoutCopies(hits: MemorySearchResult["data"]): MemorySearchResult["data"] {
  const sources = hits.map(({ sessionId, item: { sourceSession = sessionId, sourceSeqs, text } }) =>
    JSON.stringify([sourceSession, sourceSeqs, text]),
  );
  return hits.filter((_, index) => sources.indexOf(sources[index] ?? "") === index);
}

/** Searches by title while one types; Enter searches the summaries of all sessions. */
function MemorySearch({ words, list }: { words: { value: string }; list: SessionList }) {
  const found = useSignal<MemorySearchResult | null>(null);
  const asked = useSignal("");
  async function search(): Promise<void> {
    const query = words.value.trim();
    if (query === "") return;
    await attempt(async () => {
      const result = await ask<MemorySearchResult>("POST", "/v1/search", { body: { query, limit: 20 } });
      found.value = { data: withoutCopies(result.data) };
      asked.value = query;
      list.readTitles(result.data.map(({ sessionId, item }) => item.sourceSession ?? sessionId));
    });
  }
  return (
    <div class="memory-search">
      <form
        role="search"
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          void search();
        }}
      >
        <input
          type="search"
          aria-label="Search sessions by title or summary"
          placeholder="Search titles"
          value={words.value}
          onInput={({ currentTarget }) => {
            words.value = currentTarget.value;
            if (currentTarget.value === "") found.value = null;
          }}
        />
        <button type="submit" class="secondary">
          Search memory
        </button>
      </form>
      {found.value === null ? null : (
        <section class="memory-hits" aria-label="What sessions remember">
          <h2>
            Remembered for “{visibleText(asked.value)}”{" "}
            <button type="button" class="quiet" onClick={() => (found.value = null)}>
              Close
            </button>
          </h2>
          {found.value.data.length === 0 ? (
            <p class="note">Nothing. Only summaries are searched here, not the messages.</p>
          ) : null}
          <ul>
            {found.value.data.map(({ sessionId, item }) => (
              <li key={`${sessionId} ${item.id}`}>
                <span class="tag">{item.kind}</span> {visibleText(item.text)}{" "}
                <a
                  class="note"
                  href={sessionAddress(item.sourceSession ?? sessionId, item.sourceSeqs[0])}
                  title="Open the session at the message that this rests on"
                >
                  {visibleText(list.titleOf(item.sourceSession ?? sessionId))} #{item.sourceSeqs[0]}
                </a>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}
