/** A user: what is known across all sessions, with its sources; export and erasure. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { user } from "../api.ts";
import { visibleText } from "../parts/visible-text.tsx";
import { KnownMemory } from "../state/known-memory.ts";
import { attempt, showProblem } from "../state/problem.ts";
import { sessionAddress } from "../state/route.ts";
import { caller, may } from "../state/sign-in.ts";
import { count, number } from "../text.ts";
import { KINDS } from "./summary-items.tsx";
import { titleIn } from "./title.ts";
import { EraseUser, ExportUser } from "./user-data.tsx";

/** Items of one kind that are shown at first. */
const SHOWN = 50;

export function UserView() {
  const memory = useMemo(() => new KnownMemory(), [user.value]);
  const showsPast = useSignal(false);
  const words = useSignal("");
  useEffect(() => {
    document.title = "Memory · Threadkeep";
    memory.more().catch(showProblem);
    return () => memory.close();
  }, [memory]);
  const owner = caller.value?.kind === "user" ? caller.value.owner : user.value;
  const known = useComputed(() => {
    const wanted = words.value.trim().toLowerCase();
    return memory.items.value.filter(
      ({ item }) => (showsPast.value || item.status === "current") && item.text.toLowerCase().includes(wanted),
    );
  }).value;
  return (
    <main class="page">
      <h1>{owner === "" ? "What sessions without a user remember" : <>What is known of {visibleText(owner)}</>}</h1>
      <p>
        {memory.isDone.value
          ? `${count(memory.items.value.length, "item")} from ${count(memory.sessions.value.length, "session")}.`
          : `Reading: ${number(memory.read.value)} of ${count(memory.sessions.value.length, "session")} …`}{" "}
        Each comes from a summary, and leads to the messages that it rests on.
        {owner === "" ? " Name a user at the top right to see what is known of one person." : ""}
      </p>
      <div class="row">
        <input
          type="search"
          aria-label="Search what is known"
          placeholder="Look for words"
          value={words.value}
          onInput={({ currentTarget }) => (words.value = currentTarget.value)}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={showsPast.value}
            onChange={({ currentTarget }) => (showsPast.value = currentTarget.checked)}
          />
          Also what is done or superseded
        </label>
        <span class="grow" />
        {owner === "" ? null : <ExportUser owner={owner} memory={memory} />}
        {owner === "" || !may("memory:erase") ? null : <EraseUser owner={owner} memory={memory} />}
      </div>
      {memory.isDone.value && known.length === 0 ? (
        <p class="empty note">
          {memory.items.value.length === 0
            ? "Nothing yet: memory comes with the first summary of a session."
            : "Nothing has these words."}
        </p>
      ) : null}
      {KINDS.map(([kind, title]) => (
        <KnownKind key={kind} title={title} known={known.filter(({ item }) => item.kind === kind)} />
      ))}
      {memory.hasMore.value && memory.isDone.value ? (
        <button type="button" class="secondary" onClick={() => void attempt(() => memory.more())}>
          Look at older sessions
        </button>
      ) : null}
    </main>
  );
}

function KnownKind({ title, known }: { title: string; known: KnownMemory["items"]["value"] }) {
  const isWhole = useSignal(false);
  if (known.length === 0) return null;
  const shown = isWhole.value ? known : known.slice(0, SHOWN);
  return (
    <section class="card" aria-label={title}>
      <h2>
        {title} <span class="note">{number(known.length)}</span>
      </h2>
      <ul>
        {shown.map(({ item, session }) => (
          <li key={`${session.id} ${item.id}`} class={`item is-${item.status}`}>
            <span class="item-text">{visibleText(item.text)}</span>
            {item.status === "current" ? null : <span class="tag">{item.status}</span>}{" "}
            <a class="note" href={sessionAddress(item.sourceSession ?? session.id, item.sourceSeqs[0])}>
              {visibleText(item.sourceSession ?? titleIn(session.metadata, undefined, session.id))} #
              {item.sourceSeqs[0]}
            </a>
          </li>
        ))}
      </ul>
      {shown.length === known.length ? null : (
        <button type="button" class="quiet" onClick={() => (isWhole.value = true)}>
          Show all {number(known.length)}
        </button>
      )}
    </section>
  );
}
