/** One version of the summary: what it covers, what it cost, what it changed, and what it lost. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Page } from "../../src/api/page.ts";
import type { Item, Loss, SummaryChanges } from "../../src/api/summary.ts";
import { ask, sessionPath } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { visibleText } from "../parts/visible-text.tsx";
import type { OpenedSession } from "../state/opened-session.ts";
import { attempt } from "../state/problem.ts";
import { caller, may } from "../state/sign-in.ts";
import { count, moment, number } from "../text.ts";
import { makerText } from "./summary-items.tsx";
import { costText, timeText, tokensText } from "./usage-text.ts";

const MAX_LOSSES = 20;

interface Props {
  readonly session: OpenedSession;
  readonly version: number;
  readonly onTravel: (seq: number) => void;
  readonly onClose: () => void;
}

export function SummaryVersion({ session, version, onTravel, onClose }: Props) {
  const changes = useSignal<SummaryChanges | null>(null);
  const losses = useSignal<Page<Loss> | null>(null);
  const isRestoring = useSignal(false);
  const versions = session.summaries.value;
  const summary = versions.find((one) => one.version === version);
  useEffect(() => {
    const path = `${sessionPath(session.id)}/summaries/${version}`;
    void attempt(async () => {
      const [found, lost] = await Promise.all([
        ask<SummaryChanges>("GET", `${path}/diff`),
        ask<Page<Loss>>("GET", `${path}/losses`, { query: { limit: MAX_LOSSES } }),
      ]);
      changes.value = found;
      losses.value = lost;
    });
  }, [version]);
  if (summary === undefined) return null;
  const newest = versions.at(-1)?.version ?? version;
  const isNewest = newest === version;
  async function restore(): Promise<void> {
    const isDone = await attempt(async () => {
      const body = { expectedVersion: newest };
      await ask("POST", `${sessionPath(session.id)}/summaries/${version}/restore`, { body });
      await session.readSummaries();
      session.refresh();
    });
    if (isDone) onClose();
  }
  const { throughSeq, items, tokens, createdAt, droppedItems } = summary;
  return (
    <Dialog title={`Summary version ${version}`} onClose={onClose} isWide>
      <dl class="facts-list">
        <dt>Covers</dt>
        <dd>{throughSeq === 0 ? "what was carried over" : `messages 1 to ${number(throughSeq)}`}</dd>
        <dt>Made</dt>
        <dd>
          {moment(createdAt)}
          {throughSeq === 0 ? "" : ` by ${makerText(summary)}`}
        </dd>
        <dt>Holds</dt>
        <dd>
          {count(items.length, "item")} in {count(tokens, "token")}
          {droppedItems === 0 ? "" : `; ${count(droppedItems, "item")} left out for want of room or support`}
        </dd>
        {caller.value?.kind === "user" || throughSeq === 0 ? null : (
          <>
            <dt>Took</dt>
            <dd>
              {tokensText(summary)}; {costText(summary)}; {timeText(summary)}
              {summary.usage === undefined
                ? ". What a version took is kept with the version itself: an imported or restored one may have come without it."
                : ""}
            </dd>
          </>
        )}
      </dl>
      <button type="button" class="secondary" onClick={() => onTravel(Math.max(1, throughSeq))}>
        See the session as of message {number(Math.max(1, throughSeq))}
      </button>
      {isNewest || !may("memory:write") ? null : (
        <>
          {isRestoring.value ? (
            <div class="restore" role="group" aria-label="Restore this version">
              <p>
                {version + 1 === newest
                  ? `Version ${newest} is deleted for good, and the messages that only it covered are`
                  : `Versions ${version + 1} to ${newest} are deleted for good, and the messages that only they covered are`}{" "}
                given word for word again, until a new summary is due.
              </p>
              <button type="button" class="danger" onClick={() => void restore()}>
                Restore version {version}
              </button>
            </div>
          ) : (
            <button type="button" class="secondary" onClick={() => (isRestoring.value = true)}>
              Restore …
            </button>
          )}
        </>
      )}
      {changes.value === null ? <p class="note">Reading …</p> : <Changes changes={changes.value} />}
      {losses.value === null ? null : <Losses losses={losses.value} />}
    </Dialog>
  );
}

function Changes({ changes }: { changes: SummaryChanges }) {
  const { from, kept, reworded, dropped, added } = changes;
  return (
    <section class="changes" aria-label="What changed">
      <h3>{from === null ? "What it began with" : `What changed since version ${from}`}</h3>
      <p class="note">
        {count(added.length, "item")} added, {number(reworded.length)} reworded, {number(dropped.length)} dropped,{" "}
        {number(kept.length)} kept.
      </p>
      <ul>
        {added.map((item) => (
          <Change key={`+${item.id}`} sign="+" name="added" item={item} />
        ))}
        {reworded.map(({ before, after }) => (
          <li key={`~${after.id}`} class="is-reworded">
            <b aria-label="reworded">~</b> <del>{visibleText(before.text)}</del> <ins>{visibleText(after.text)}</ins>
            {before.status === after.status ? null : <span class="tag">{after.status}</span>}
          </li>
        ))}
        {dropped.map((item) => (
          <Change key={`-${item.id}`} sign="−" name="dropped" item={item} />
        ))}
      </ul>
    </section>
  );
}

function Change({ sign, name, item }: { sign: string; name: "added" | "dropped"; item: Item }) {
  return (
    <li class={`is-${name}`}>
      <b aria-label={name}>{sign}</b> <span class="tag">{item.kind}</span> {visibleText(item.text)}
    </li>
  );
}

/**
 * Words of users in the covered messages that no item contains. They remain in the session, and can be retrieved by a
 * query.
 */
function Losses({ losses }: { losses: Page<Loss> }) {
  if (losses.data.length === 0) {
    return (
      <p class="note">Nothing was lost: it contains every number, name and standing wish of the covered messages.</p>
    );
  }
  return (
    <section aria-label="What was lost">
      <h3>What it does not say</h3>
      <p class="note">
        Numbers, names and wishes of users that no item has. The messages stay, and a question that they matter for
        brings them back.
      </p>
      <ul>
        {losses.data.map(({ seq, words }) => (
          <li key={seq}>
            <span class="note">#{seq}</span>{" "}
            {words.map(({ text, kind }, index) => (
              <span key={index} class="tag" title={kind}>
                {visibleText(text)}
              </span>
            ))}
          </li>
        ))}
      </ul>
      {losses.hasMore ? <p class="note">And more: these are the first {number(losses.data.length)} messages.</p> : null}
    </section>
  );
}
