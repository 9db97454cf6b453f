/** What the model gets: how much of the budget each part takes, and each part with the reason why it is included. */

import { useSignal } from "@preact/signals";
import type { Context, ContextFormat } from "../../src/api/context.ts";
import { visibleText } from "../parts/visible-text.tsx";
import { type OpenedSession, rangeText } from "../state/opened-session.ts";
import { OMITTED_BECAUSE } from "../state/places.ts";
import { beginning, count, number } from "../text.ts";
import { wordsOf } from "./message-parts.tsx";
import { SummaryItems } from "./summary-items.tsx";

const FORMATS: readonly (readonly [ContextFormat, string])[] = [
  ["threadkeep", "Explained"],
  ["text", "Text"],
  ["openai-chat", "OpenAI chat"],
  ["openai-responses", "OpenAI responses"],
  ["anthropic", "Anthropic"],
  ["ai-sdk", "AI SDK"],
  ["ui", "AI SDK UI messages"],
];
const LINE = 140;

export function ContextPane({ session }: { session: OpenedSession }) {
  const context = session.context.value;
  return (
    <section class="context" aria-labelledby="context-title" tabIndex={0}>
      <div class="pane-head">
        <h2 id="context-title">What the model gets</h2>
        <label>
          Shown as{" "}
          <select
            value={session.format.value}
            onChange={({ currentTarget }) => (session.format.value = currentTarget.value as ContextFormat)}
          >
            {FORMATS.map(([format, name]) => (
              <option key={format} value={format}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <QuestionBox session={session} />
      {context === null ? (
        <p class="empty note">Reading …</p>
      ) : (
        <>
          <Budget session={session} context={context} />
          {session.rendered.value === null ? (
            <Explained session={session} context={context} />
          ) : (
            <Rendered session={session} />
          )}
        </>
      )}
    </section>
  );
}

function QuestionBox({ session }: { session: OpenedSession }) {
  const words = useSignal(session.query.value);
  return (
    <form
      class="question"
      onSubmit={(event) => {
        event.preventDefault();
        session.unpoint();
        session.query.value = words.value;
      }}
    >
      <label>
        What would it remember for …?
        <span class="row">
          <input
            type="search"
            placeholder="Ask as a user would: what must I not eat?"
            value={words.value}
            onInput={({ currentTarget }) => {
              words.value = currentTarget.value;
              if (currentTarget.value === "") session.query.value = "";
            }}
          />
          <button type="submit">Ask</button>
        </span>
      </label>
    </form>
  );
}

/** The steps of the slider grow from the smallest budget to that of the largest models. */
const LEAST = 256;
const MOST = 200_000;
const STEPS = 200;
const budgetAt = (step: number): number => {
  const exact = LEAST * (MOST / LEAST) ** (step / STEPS);
  const round = exact < 2_000 ? 50 : exact < 20_000 ? 250 : 1_000;
  return Math.max(LEAST, Math.round(exact / round) * round);
};
const stepOf = (budget: number): number => Math.round((STEPS * Math.log(budget / LEAST)) / Math.log(MOST / LEAST));

function Budget({ session, context }: { session: OpenedSession; context: Context }) {
  const { budget, used, summary, messages, retrieved, pinned = 0 } = context.tokens;
  const parts = [
    { name: "summary", place: "summarized", tokens: summary },
    { name: "always kept", place: "pinned", tokens: pinned },
    { name: "brought back", place: "retrieved", tokens: retrieved },
    { name: "recent", place: "recent", tokens: messages - pinned },
  ].filter(({ tokens }) => tokens > 0);
  return (
    <div class="budget">
      <p>
        <InOneSentence session={session} context={context} />
        {session.isReading.value ? <span class="note"> Reading …</span> : null}
      </p>
      <div
        class="bar"
        role="img"
        aria-label={`Of ${number(budget)} tokens: ${parts.map(({ name, tokens }) => `${name} ${number(tokens)}`).join(", ")}, free ${number(budget - used)}`}
      >
        {parts.map(({ name, place, tokens }) => (
          <span
            key={name}
            class={`is-${place}`}
            style={{ width: `${(100 * tokens) / budget}%` }}
            title={`${name}: ${number(tokens)}`}
          />
        ))}
      </div>
      <ul class="bar-legend" aria-hidden="true">
        {parts.map(({ name, place, tokens }) => (
          <li key={name} class={`is-${place}`}>
            {name} {number(tokens)}
          </li>
        ))}
        <li class="is-free">free {number(budget - used)}</li>
      </ul>
      <label class="slider">
        Budget
        <input
          type="range"
          min={0}
          max={STEPS}
          value={stepOf(session.budget.value ?? budget)}
          aria-valuetext={count(session.budget.value ?? budget, "token")}
          onInput={({ currentTarget }) => (session.budget.value = budgetAt(Number(currentTarget.value)))}
        />
        <output>{count(session.budget.value ?? budget, "token")}</output>
        {session.budget.value === null ? null : (
          <button type="button" class="quiet" onClick={() => (session.budget.value = null)}>
            The session's own
          </button>
        )}
      </label>
    </div>
  );
}

/** A summary in one sentence of what the model gets for the next answer. */
function InOneSentence({ session, context }: { session: OpenedSession; context: Context }) {
  const all = session.state.value?.messageTokens;
  const counts = session.counts.value;
  const of = (place: "pinned" | "retrieved" | "recent" | "omitted"): number => counts?.get(place)?.count ?? 0;
  const { used } = context.tokens;
  const through = context.summary?.throughSeq ?? 0;
  const parts = [
    ...(context.summary === null
      ? []
      : [through === 0 ? "what was carried over" : `what the summary knows of messages 1 to ${number(through)}`]),
    ...(of("pinned") === 0 ? [] : [`${count(of("pinned"), "message")} always kept`]),
    ...(of("retrieved") === 0 ? [] : [`${number(of("retrieved"))} brought back`]),
    ...(of("recent") === 0
      ? []
      : [
          context.summary === null && of("omitted") === 0
            ? "every message word for word"
            : `the last ${of("recent") === 1 ? "message" : count(of("recent"), "message")} word for word`,
        ]),
  ];
  if (session.lastSeq.value === 0 && context.summary === null)
    return <>There are no messages yet, so the model gets nothing of this chat.</>;
  return (
    <>
      For the next answer the model gets <b>{count(used, "token")}</b>
      {all === undefined || all <= used || context.atSeq < context.headSeq ? "" : ` instead of ${number(all)}`}
      {parts.length === 0 ? "." : `: ${new Intl.ListFormat("en").format(parts)}.`}
      {of("omitted") === 0 ? "" : ` ${count(of("omitted"), "message")} ${of("omitted") === 1 ? "is" : "are"} left out.`}
    </>
  );
}

/** The prompt, exactly as it is sent. */
function Rendered({ session }: { session: OpenedSession }) {
  const rendered = session.rendered.value;
  if (rendered === null) return null;
  const { meta: _meta, ...prompt } = rendered.prompt as { meta?: unknown; text?: unknown };
  const text = typeof prompt.text === "string" ? prompt.text : JSON.stringify(prompt, null, 2);
  return (
    <>
      <p class="note">Exactly what your application sends to the model:</p>
      <pre class="prompt" tabIndex={0} aria-label="The prompt">
        {visibleText(text)}
      </pre>
    </>
  );
}

function Explained({ session, context }: { session: OpenedSession; context: Context }) {
  const { summary, retrieved, messages, omitted, leftOut, retrievalError, summaryPending } = context;
  const placeOf = session.placeOf.value;
  const kept = messages.filter(({ seq }) => placeOf?.(seq).place === "pinned");
  const recent = messages.filter(({ seq }) => placeOf?.(seq).place !== "pinned");
  const missing = omitted.filter(({ reason }) => reason !== "branch");
  return (
    <>
      {session.query.value === "" ? null : (
        <div class="part is-retrieved">
          <h3>Brought back for “{visibleText(beginning(session.query.value, LINE))}”</h3>
          {retrievalError === undefined ? null : <p class="note">{retrievalError.detail}</p>}
          {retrieved.length === 0 ? (
            <p class="note">
              {session.isReading.value
                ? "Reading …"
                : "Nothing: no older message is relevant, or all relevant ones are in the context already."}
            </p>
          ) : (
            <ul>
              {retrieved.map(({ message, score, why }) => (
                <li key={message.seq}>
                  <SeqLink session={session} seq={message.seq} /> <b>{message.role}</b>{" "}
                  {visibleText(beginning(wordsOf(message.content), LINE))}
                  <span class="note">
                    {" "}
                    because: {why} · score {score.toFixed(2)}
                  </span>
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
      {summary === null ? (
        <NoSummary session={session} isWhole={missing.length === 0 && recent.length > 0} isPending={summaryPending} />
      ) : (
        <SummaryItems session={session} summary={summary} isPending={summaryPending} />
      )}
      {kept.length === 0 ? null : (
        <Said
          title="Always kept"
          place="pinned"
          note="Instructions and pinned messages, verbatim within every budget."
          session={session}
          messages={kept}
        />
      )}
      {recent.length === 0 ? null : (
        <Said
          title="Recent"
          place="recent"
          note={`The last ${count(recent.length, "message")}, word for word.`}
          session={session}
          messages={recent}
        />
      )}
      {missing.length === 0 ? null : (
        <div class="part is-omitted">
          <h3>Left out</h3>
          <ul>
            {missing.map(({ fromSeq, throughSeq, reason }) => (
              <li key={fromSeq}>
                <SeqLink session={session} seq={fromSeq} /> {rangeText(fromSeq, throughSeq)}:{" "}
                {OMITTED_BECAUSE[reason] ?? reason}
              </li>
            ))}
          </ul>
          {leftOut === undefined ? null : <p class="note">{leftOut.help}.</p>}
        </div>
      )}
    </>
  );
}

function NoSummary({ session, isWhole, isPending }: { session: OpenedSession; isWhole: boolean; isPending: boolean }) {
  const threshold = session.state.value?.settings.summarizeAfterTokens;
  return (
    <div class="part is-summarized">
      <h3>Summary</h3>
      <p class="note">
        {isPending ? "The first summary is being made." : "There is no summary yet."}
        {isWhole ? " The chat is short enough to be given word for word." : ""}
        {isPending || threshold === undefined
          ? ""
          : ` It comes by itself past ${number(threshold)} tokens, or with “Summarize now”.`}
      </p>
    </div>
  );
}

interface SaidProps {
  readonly title: string;
  readonly place: string;
  readonly note: string;
  readonly session: OpenedSession;
  readonly messages: Context["messages"];
}

function Said({ title, place, note, session, messages }: SaidProps) {
  return (
    <details class={`part is-${place}`}>
      <summary>
        <h3>{title}</h3> <span class="note">{note}</span>
      </summary>
      <ul>
        {messages.map(({ seq, role, content, cut }) => (
          <li key={seq}>
            <SeqLink session={session} seq={seq} /> <b>{role}</b> {visibleText(beginning(wordsOf(content), LINE))}
            {cut === true ? <span class="note"> cut to fit</span> : null}
          </li>
        ))}
      </ul>
    </details>
  );
}

function SeqLink({ session, seq }: { session: OpenedSession; seq: number }) {
  return (
    <button type="button" class="quiet seq" onClick={() => session.show(seq)} aria-label={`Show message ${seq}`}>
      #{seq}
    </button>
  );
}
