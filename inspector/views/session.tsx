/** A session: the transcript beside the context, as of now or of any message. */

import { useEffect, useMemo } from "preact/hooks";
import { user } from "../api.ts";
import { visibleText } from "../parts/visible-text.tsx";
import { OpenedSession } from "../state/opened-session.ts";
import { attempt } from "../state/problem.ts";
import { canSwitchUser, may } from "../state/sign-in.ts";
import { ago, count, number, roughly } from "../text.ts";
import { ContextPane } from "./context-pane.tsx";
import { TimeTravel } from "./time-travel.tsx";
import { titleIn } from "./title.ts";
import { Transcript } from "./transcript.tsx";

export function SessionView({ id, seq }: { id: string; seq: number | null }) {
  const session = useMemo(() => new OpenedSession(id), [id]);
  const { side } = session;
  useEffect(() => {
    session.open();
    return () => session.close();
  }, [session]);
  useEffect(() => {
    if (seq === null) return;
    void attempt(async () => {
      await session.messageAt(seq);
      session.show(seq);
    });
  }, [session, seq, session.lastSeq.value > 0]);
  if (session.refusal.value !== "") {
    return (
      <main class="refusal">
        <h1>There is no such session here</h1>
        <p>{session.refusal.value}</p>
        {canSwitchUser.value ? (
          <p>
            {user.value === "" ? (
              "Sessions without a user are shown."
            ) : (
              <>The sessions of {visibleText(user.value)} are shown.</>
            )}{" "}
            You can choose another user at the top right.
          </p>
        ) : null}
        <a href="#/sessions">All sessions</a>
      </main>
    );
  }
  return (
    <main class={`session shows-${side.value}`}>
      <SessionHead session={session} />
      <div class="sides" role="group" aria-label="What is shown">
        {(["transcript", "context"] as const).map((name) => (
          <button key={name} type="button" aria-pressed={side.value === name} onClick={() => (side.value = name)}>
            {name === "transcript" ? "Transcript" : "What the model gets"}
          </button>
        ))}
      </div>
      <div class="panes">
        <Transcript session={session} />
        <ContextPane session={session} />
      </div>
      <TimeTravel session={session} />
    </main>
  );
}

function SessionHead({ session }: { session: OpenedSession }) {
  const state = session.state.value;
  const first = session.messages.get(1);
  const title = state === null ? session.id : titleIn(state.metadata, first?.content, session.id);
  useEffect(() => {
    document.title = `${title} · Threadkeep`;
    // A session without a title is named by its first words.
    if (state !== null && state.lastSeq > 0 && first === undefined) void session.messageAt(1);
  }, [title, state?.lastSeq]);
  return (
    <header class="session-head">
      <a href="#/sessions" class="back">
        ‹ Sessions
      </a>
      <h1>{visibleText(title)}</h1>
      <p class="note facts">
        {state === null ? (
          "Reading …"
        ) : (
          <>
            <span>{count(state.lastSeq, "message")}</span> · <span>{roughly(state.messageTokens)} tokens</span> ·{" "}
            <span>{summaryText(state.summary?.throughSeq, state.headSeq, state.summaryPending)}</span> ·{" "}
            <span>begun {ago(state.createdAt)}</span> · <code>{session.id}</code>
            {state.origin === null ? null : (
              <>
                {" "}
                · {state.origin.kind === "fork" ? "forked from" : "continues"}{" "}
                <a href={`#/sessions/${encodeURIComponent(state.origin.session)}`}>{state.origin.session}</a>
              </>
            )}
          </>
        )}
      </p>
      <LiveLine session={session} />
    </header>
  );
}

function summaryText(through: number | undefined, head: number, isPending: boolean): string {
  const pending = isPending ? ", a newer one on its way" : "";
  if (through === undefined) return isPending ? "first summary on its way" : "no summary yet";
  return `${number(Math.max(0, head - through))} since the summary${pending}`;
}

const LIVE_TEXTS = {
  connecting: "Connecting …",
  live: "Live",
  lost: "Connection lost, trying again …",
  ended: "Not live",
} as const;

/** Shows whether the view is live, and what happened last. */
function LiveLine({ session }: { session: OpenedSession }) {
  const live = session.live.value;
  const [last] = session.activity.value;
  return (
    <p class={`live is-${live}`} role="status">
      <span class="dot" aria-hidden="true" />
      {live === "live" && session.hasResumed.value ? "Live again, nothing missed" : LIVE_TEXTS[live]}
      {last === undefined || live === "lost" ? null : (
        <span class={last.isBad === true ? "bad" : "note"}> · {last.text}</span>
      )}
      {may("memory:write") ? null : <span class="note"> · read only</span>}
    </p>
  );
}
