/** The transcript: all messages in order, each with how it reaches the model. */

import { useComputed, useSignal } from "@preact/signals";
import { useCallback, useRef } from "preact/hooks";
import type { SearchResult } from "../../src/api/search.ts";
import { ask, sessionPath } from "../api.ts";
import { VirtualList } from "../parts/virtual-list.tsx";
import { visibleText } from "../parts/visible-text.tsx";
import type { OpenedSession } from "../state/opened-session.ts";
import { type Place, PLACES } from "../state/places.ts";
import { attempt } from "../state/problem.ts";
import { count, number } from "../text.ts";
import { Composer } from "./composer.tsx";
import { wordsOf } from "./message-parts.tsx";
import { MessageRow } from "./message.tsx";

/** Estimated height of a row that was never rendered: its heading, and its text at so many characters per line. */
const ROW_PX = 76;
const LINE_PX = 22;
const LINE_CHARACTERS = 75;
const MAX_ESTIMATED_LINES = 40;
const MAX_HITS = 20;

export function Transcript({ session }: { session: OpenedSession }) {
  const seqs = useComputed(() => shownSeqs(session)).value;
  // Read so that the rows are rendered again when messages are added or changed.
  const revision = session.revision.value;
  const placeOf = session.placeOf.value;
  const target = session.target.value;
  // Computed once per target, so that incoming messages do not scroll back somebody who has scrolled away.
  const found = useRef<{ readonly target: object; readonly wanted: { readonly index: number } } | null>(null);
  if (target !== null && found.current?.target !== target) {
    const index = seqs.indexOf(target.seq);
    if (index !== -1) found.current = { target, wanted: { index } };
  }
  const wanted = target !== null && found.current?.target === target ? found.current.wanted : null;
  const keyOf = useCallback((index: number) => seqs[index] ?? 0, [seqs]);
  const estimate = useCallback(
    (index: number) => {
      const message = session.messages.get(seqs[index] ?? 0);
      if (message === undefined) return ROW_PX + LINE_PX;
      const lines = Math.ceil(wordsOf(message.content).length / LINE_CHARACTERS);
      return ROW_PX + LINE_PX * Math.min(lines, MAX_ESTIMATED_LINES);
    },
    [seqs, revision],
  );
  return (
    <section class="transcript" aria-labelledby="transcript-title">
      <div class="pane-head">
        <h2 id="transcript-title">Transcript</h2>
        <SessionSearch session={session} />
      </div>
      <Legend session={session} />
      {seqs.length === 0 ? (
        <p class="empty note">
          {session.state.value === null ? "Reading …" : "Nothing was said yet. Type the first turn below."}
        </p>
      ) : (
        <VirtualList
          label="Messages"
          count={seqs.length}
          keyOf={keyOf}
          estimate={estimate}
          target={wanted}
          isAtEnd
          onRange={(first, last) => session.ensure(seqs[first] ?? 1, seqs[last] ?? 1)}
          row={(index) => {
            const seq = seqs[index] ?? 0;
            return (
              <MessageRow session={session} seq={seq} message={session.messages.get(seq)} standing={placeOf?.(seq)} />
            );
          }}
        />
      )}
      <Composer session={session} />
    </section>
  );
}

/** All messages of the active branch, and those of other branches that were asked for. */
function shownSeqs(session: OpenedSession): number[] {
  const { context, showsOtherBranches, lastSeq, revision, messages } = session;
  // For a message that is newer than the context, the message itself says whether it is on the branch.
  const isRead = revision.value >= 0;
  const elsewhere = (context.value?.omitted ?? []).filter(({ reason }) => reason === "branch");
  const seqs: number[] = [];
  for (let seq = 1; seq <= lastSeq.value; seq += 1) {
    const isElsewhere =
      elsewhere.some(({ fromSeq, throughSeq }) => seq >= fromSeq && seq <= throughSeq) ||
      (isRead && messages.get(seq)?.offBranch === true);
    if (!isElsewhere || showsOtherBranches.value) seqs.push(seq);
  }
  return seqs;
}

/** Explains the colours, with the number of messages of each; a click scrolls to the first. */
function Legend({ session }: { session: OpenedSession }) {
  const counts = session.counts.value;
  if (counts === null) return null;
  const shown = (Object.keys(PLACES) as Exclude<Place, "later">[]).filter((place) => counts.has(place));
  return (
    <ul class="legend" aria-label="What the model gets of the messages">
      {shown.map((place) => {
        const found = counts.get(place);
        if (found === undefined) return null;
        const show = (): void => {
          if (place === "branch") session.showsOtherBranches.value = !session.showsOtherBranches.value;
          else session.target.value = { seq: found.first };
        };
        return (
          <li key={place}>
            <button
              type="button"
              class={`place is-${place}`}
              title={PLACES[place].meaning}
              onClick={show}
              {...(place === "branch" ? { "aria-pressed": session.showsOtherBranches.value } : {})}
            >
              <b>{number(found.count)}</b> {PLACES[place].label}
            </button>
          </li>
        );
      })}
    </ul>
  );
}

function SessionSearch({ session }: { session: OpenedSession }) {
  const words = useSignal("");
  const found = useSignal<SearchResult | null>(null);
  const box = useRef<HTMLInputElement>(null);
  async function search(): Promise<void> {
    const query = words.value.trim();
    if (query === "") found.value = null;
    else {
      await attempt(async () => {
        found.value = await ask<SearchResult>("POST", `${sessionPath(session.id)}/search`, {
          body: { query, limit: MAX_HITS },
        });
      });
    }
  }
  /** The hits lie over the transcript. */
  function closeOnEscape({ key }: KeyboardEvent): void {
    if (key !== "Escape" || found.value === null) return;
    found.value = null;
    box.current?.focus();
  }
  return (
    <div class="session-search" onKeyDown={closeOnEscape}>
      <form
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          void search();
        }}
      >
        <input
          type="search"
          ref={box}
          aria-label="Search in this session"
          placeholder="Search in this session"
          value={words.value}
          onInput={({ currentTarget }) => {
            words.value = currentTarget.value;
            if (currentTarget.value === "") found.value = null;
          }}
        />
      </form>
      {found.value === null ? null : (
        <div class="search-hits" role="region" aria-label="Search results">
          <p class="note">
            {found.value.data.length === 0
              ? "Nothing was found."
              : `${found.value.data.length === MAX_HITS ? "The best " : ""}${count(found.value.data.length, "message")}`}
          </p>
          <ul>
            {found.value.data.map(({ message, snippet, why }) => (
              <li key={message.seq}>
                <button type="button" class="quiet" onClick={() => session.show(message.seq)}>
                  <b>#{message.seq}</b> {visibleText(snippet)} <span class="note">{visibleText(why)}</span>
                </button>
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}
