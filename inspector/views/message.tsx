/** One message of the transcript: who said what, how it reaches the model, and which items cite it. */

import type { ComponentChildren } from "preact";
import type { Message } from "../../src/api/message.ts";
import { visibleText } from "../parts/visible-text.tsx";
import type { OpenedSession } from "../state/opened-session.ts";
import { PLACES, type Standing } from "../state/places.ts";
import { ago, count, moment } from "../text.ts";
import { BranchSwitch } from "./branch-switch.tsx";
import { MessageActions } from "./message-actions.tsx";
import { MessageContent } from "./message-parts.tsx";

interface MessageRowProps {
  readonly session: OpenedSession;
  readonly seq: number;
  /** Undefined while it is being read. */
  readonly message: Message | undefined;
  readonly standing: Standing | undefined;
}

export function MessageRow({ session, seq, message, standing }: MessageRowProps) {
  const place = standing?.place ?? "recent";
  const isLit = session.litSeqs.value.has(seq);
  return (
    <article class={`message is-${place} ${isLit ? "is-lit" : ""}`} aria-label={`Message ${seq}`} data-seq={seq}>
      {message === undefined ? (
        <p class="note">Message {seq} …</p>
      ) : (
        <Said session={session} message={message} standing={standing} />
      )}
    </article>
  );
}

interface SaidProps {
  readonly session: OpenedSession;
  readonly message: Message;
  readonly standing: Standing | undefined;
}

function Said({ session, message, standing }: SaidProps) {
  const { seq, role, author, createdAt, occurredAt, tokens, editedAt, erased, content } = message;
  const at = occurredAt ?? createdAt;
  const items = session.itemsBySeq.value.get(seq) ?? [];
  return (
    <>
      <header>
        <span class={`role role-${role}`}>{author === undefined ? role : visibleText(author)}</span>
        <span class="note">#{seq}</span>
        <time class="note" dateTime={at} title={moment(at)}>
          {ago(at)}
        </time>
        {editedAt === undefined ? null : <span class="note">edited</span>}
        <StandingLabel standing={standing} tokens={tokens} isErased={erased === true} />
        <span class="grow" />
        <BranchSwitch session={session} message={message} />
        {erased === true ? null : <MessageActions session={session} message={message} />}
      </header>
      {erased === true ? (
        <p class="note">Erased: the words are gone from the log, the summary and every copy.</p>
      ) : (
        <MessageContent content={content} />
      )}
      {items.length === 0 ? null : (
        <button type="button" class="quiet rests" onClick={() => session.pointFrom(seq)}>
          {count(items.length, "item")} of the summary {items.length === 1 ? "rests" : "rest"} on this
        </button>
      )}
    </>
  );
}

function StandingLabel({
  standing,
  tokens,
  isErased,
}: {
  standing: Standing | undefined;
  tokens: number;
  isErased: boolean;
}) {
  if (standing === undefined || isErased) return null;
  const { place, why, isCut } = standing;
  if (place === "later") return <span class="place is-later">not said yet</span>;
  const because: ComponentChildren = why === undefined ? "" : `: ${why}`;
  return (
    <span
      class={`place is-${place}`}
      title={`${PLACES[place].meaning}${why === undefined ? "" : `: ${why}`}. ${count(tokens, "token")}.`}
    >
      {PLACES[place].label}
      {place === "retrieved" || place === "omitted" ? because : null}
      {isCut === true ? ", cut to fit" : null}
    </span>
  );
}
