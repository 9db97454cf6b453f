/** Shows the session as of any message, and each version of its summary. */

import { useSignal } from "@preact/signals";
import type { OpenedSession } from "../state/opened-session.ts";
import { caller } from "../state/sign-in.ts";
import { ago, count, number } from "../text.ts";
import { makerText } from "./summary-items.tsx";
import { SummaryVersion } from "./summary-version.tsx";
import { costText, timeText, tokensText } from "./usage-text.ts";

export function TimeTravel({ session }: { session: OpenedSession }) {
  const last = session.lastSeq.value;
  const shown = useSignal<number | null>(null);
  if (last < 2) return null;
  const at = session.atSeq.value;
  const versions = session.summaries.value;
  function travel(seq: number): void {
    session.atSeq.value = seq >= last ? null : seq;
    session.target.value = { seq: Math.min(seq, last) };
  }
  return (
    <section class="time" aria-label="Time travel">
      <div class="row">
        <label class="slider">
          As of message
          <input
            type="range"
            min={1}
            max={last}
            value={at ?? last}
            aria-valuetext={at === null ? "now" : `message ${at} of ${last}`}
            onInput={({ currentTarget }) => travel(Number(currentTarget.value))}
          />
          <output>{at === null ? `now (${number(last)})` : `${number(at)} of ${number(last)}`}</output>
        </label>
        {at === null ? null : (
          <button type="button" class="secondary" onClick={() => travel(last)}>
            Back to now
          </button>
        )}
      </div>
      {versions.length === 0 ? null : (
        <ol class="strip" aria-label="Versions of the summary" tabIndex={0}>
          {versions.map((summary) => {
            const { version, throughSeq, items, tokens, createdAt } = summary;
            return (
              <li key={version}>
                <button type="button" class="version" onClick={() => (shown.value = version)}>
                  <b>Summary {version}</b>
                  <span>{throughSeq === 0 ? "carried over" : `messages 1–${number(throughSeq)}`}</span>
                  <span>
                    {count(items.length, "item")}, {number(tokens)} tokens
                  </span>
                  <span class="made">
                    {throughSeq === 0 ? "" : `${makerText(summary)}, `}
                    {ago(createdAt)}
                  </span>
                  {caller.value?.kind === "user" || throughSeq === 0 ? null : (
                    <span>
                      {tokensText(summary)} · {costText(summary)} · {timeText(summary)}
                    </span>
                  )}
                </button>
              </li>
            );
          })}
        </ol>
      )}
      {shown.value === null ? null : (
        <SummaryVersion
          key={shown.value}
          session={session}
          version={shown.value}
          onTravel={(seq) => {
            shown.value = null;
            travel(seq);
          }}
          onClose={() => (shown.value = null)}
        />
      )}
    </section>
  );
}
