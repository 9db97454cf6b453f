/** The items of the summary, each with the messages that it cites. */

import { useSignal } from "@preact/signals";
import type { Item, ItemKind, Summary } from "../../src/api/summary.ts";
import { visibleText } from "../parts/visible-text.tsx";
import type { OpenedSession } from "../state/opened-session.ts";
import { sessionAddress } from "../state/route.ts";
import { ago, count, number } from "../text.ts";

/** The kinds that readers look for first come first. */
export const KINDS: readonly (readonly [ItemKind, string])[] = [
  ["instruction", "Standing wishes"],
  ["fact", "Facts"],
  ["preference", "Preferences"],
  ["decision", "Decisions"],
  ["task", "Tasks"],
  ["question", "Open questions"],
  ["event", "What happened"],
];

/** Says in words what made a summary. */
export function makerText({ summarizer, degraded }: Pick<Summary, "summarizer" | "degraded">): string {
  const maker =
    summarizer === "extractive" ? "the built-in summarizer" : summarizer === "none" ? "no summarizer" : summarizer;
  return degraded ? `${maker}, until the model is back` : maker;
}

/** What a summary is about, in words. The version that a session begins with covers no messages of its own. */
function aboutText({ throughSeq, items }: Summary): string {
  if (throughSeq === 0) return "What it knows from earlier sessions";
  const range = `What it knows of messages 1 to ${number(throughSeq)}`;
  return items.some(({ sourceSession }) => sourceSession !== undefined) ? `${range}, and from earlier sessions` : range;
}

interface Props {
  readonly session: OpenedSession;
  readonly summary: Summary;
  readonly isPending: boolean;
}

export function SummaryItems({ session, summary, isPending }: Props) {
  const showsPast = useSignal(false);
  const past = summary.items.filter(({ status }) => status !== "current");
  const shown = showsPast.value ? summary.items : summary.items.filter(({ status }) => status === "current");
  const groups = KINDS.map(([kind, title]) => ({ kind, title, items: shown.filter((item) => item.kind === kind) }));
  return (
    <div class="part is-summarized">
      <h3>{aboutText(summary)}</h3>
      {summary.degraded ? (
        <p class="bad">
          The model failed, so this summary was made without it, of sentences from the chat. It is replaced when the
          model answers again.
        </p>
      ) : null}
      <p class="note">
        Summary version {summary.version},{" "}
        {summary.throughSeq === 0
          ? `carried over ${ago(summary.createdAt)}. Each item links to the session that it comes from.`
          : `made ${ago(summary.createdAt)} by ${makerText({ ...summary, degraded: false })}.${isPending && !summary.degraded ? " A newer one is being made." : ""} Choose an item to see the messages that it rests on.`}
      </p>
      {groups.map(({ kind, title, items }) =>
        items.length === 0 ? null : (
          <div key={kind} class="items">
            <h4>
              {title} <span class="note">{items.length}</span>
            </h4>
            <ul>
              {items.map((item) => (
                <ItemRow key={item.id} session={session} item={item} />
              ))}
            </ul>
          </div>
        ),
      )}
      {past.length === 0 ? null : (
        <label class="check">
          <input
            type="checkbox"
            checked={showsPast.value}
            onChange={({ currentTarget }) => (showsPast.value = currentTarget.checked)}
          />
          Show {count(past.length, "item")} that {past.length === 1 ? "is" : "are"} done or superseded
        </label>
      )}
    </div>
  );
}

function ItemRow({ session, item }: { session: OpenedSession; item: Item }) {
  const { id, text, status, sourceSeqs, sourceSession } = item;
  const isLit = session.litItems.value.has(id);
  return (
    <li class={`item is-${status} ${isLit ? "is-lit" : ""}`}>
      {sourceSession === undefined ? (
        <button type="button" class="item-text" onClick={() => session.point(item)} aria-pressed={isLit}>
          {visibleText(text)}
        </button>
      ) : (
        <span class="item-text">{visibleText(text)}</span>
      )}
      <span class="cites">
        {status === "current" ? null : <span class="tag">{status}</span>}
        {sourceSession === undefined ? (
          sourceSeqs.map((seq) => <Citation key={seq} session={session} item={item} seq={seq} />)
        ) : (
          <a href={sessionAddress(sourceSession, sourceSeqs[0])}>carried over from {visibleText(sourceSession)}</a>
        )}
      </span>
    </li>
  );
}

function Citation({ session, item, seq }: { session: OpenedSession; item: Item; seq: number }) {
  const show = (): void => {
    session.point(item);
    session.side.value = "transcript";
    session.target.value = { seq };
  };
  return (
    <button type="button" class="quiet seq" onClick={show} aria-label={`Show message ${seq}`}>
      #{seq}
    </button>
  );
}
