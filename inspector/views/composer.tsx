/** Lets one try a chat: write a message, paste or drop a transcript, request a summary. */

import { useSignal } from "@preact/signals";
import type { Role } from "../../src/api/message.ts";
import type { Summary } from "../../src/api/summary.ts";
import { ask, sessionPath } from "../api.ts";
import { visibleText } from "../parts/visible-text.tsx";
import type { OpenedSession } from "../state/opened-session.ts";
import { attempt, notice } from "../state/problem.ts";
import { caller, may } from "../state/sign-in.ts";

const ROLES: readonly Role[] = ["user", "assistant", "system"];
const SUMMARY_WAIT_MS = 10_000;

export function Composer({ session }: { session: OpenedSession }) {
  const role = useSignal<Role>("user");
  const words = useSignal("");
  const isSending = useSignal(false);
  if (!may("memory:write") || session.state.value === null) return null;
  if (session.atSeq.value !== null) {
    return <p class="composer note">This is the session as it was. Go back to now to add to it.</p>;
  }

  const model = caller.value?.model ?? null;
  const { answering } = session;
  const isAnswering = answering.words.value !== null;

  async function append(): Promise<boolean> {
    const said = role.value;
    const typed = words.value;
    if (typed.trim() === "" || isSending.value) return false;
    isSending.value = true;
    // At once: what is typed while the turn is on its way belongs to the next.
    words.value = "";
    // Messages usually alternate, so the next role is the other one.
    if (said !== "system") role.value = said === "user" ? "assistant" : "user";
    const isDone = await attempt(async () => {
      const body = { messages: [{ role: said, content: typed.trim() }] };
      await ask("POST", `${sessionPath(session.id)}/messages`, { body });
    });
    isSending.value = false;
    if (!isDone) {
      words.value = words.value === "" ? typed : `${typed}\n${words.value}`;
      role.value = said;
      return false;
    }
    session.refresh();
    return true;
  }

  /** Appends the typed message, if there is one, and lets the model answer. */
  async function letAnswer(): Promise<void> {
    if (words.value.trim() !== "" && !(await append())) return;
    await attempt(() => answering.ask(session.id));
    role.value = "user";
    session.refresh();
  }

  return (
    <>
      {isAnswering ? (
        <div class="answering" role="group" aria-label="The model's answer">
          <p class="note" role="status">
            {visibleText(model ?? "The model")} answers with what Threadkeep gives it …{" "}
            <button
              type="button"
              class="quiet"
              onClick={() => {
                answering.stop();
                notice.value = "Stopped: nothing of the answer was appended.";
              }}
            >
              Stop
            </button>
          </p>
          <p>{visibleText(answering.words.value ?? "")}</p>
        </div>
      ) : null}
      <form
        class={`composer ${model === null ? "" : "has-model"}`}
        aria-label="Try it"
        onSubmit={(event) => {
          event.preventDefault();
          void append();
        }}
      >
        <select
          aria-label="Who says it"
          value={role.value}
          onChange={({ currentTarget }) => (role.value = currentTarget.value as Role)}
        >
          {ROLES.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        <textarea
          rows={1}
          aria-label="What is said"
          placeholder="The next turn (Ctrl+Enter)"
          value={words.value}
          onInput={({ currentTarget }) => (words.value = currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void append();
          }}
        />
        <button type="submit" disabled={isSending.value}>
          Append
        </button>
        {model === null ? null : (
          <button
            type="button"
            class="secondary"
            disabled={isSending.value || isAnswering || (role.value !== "user" && words.value.trim() !== "")}
            title={`Appends what is typed, and ${model} answers`}
            onClick={() => void letAnswer()}
          >
            Ask the model
          </button>
        )}
        <SummarizeButton session={session} />
      </form>
    </>
  );
}

function SummarizeButton({ session }: { session: OpenedSession }) {
  const isBusy = useSignal(false);
  async function summarize(): Promise<void> {
    isBusy.value = true;
    notice.value = "";
    await attempt(async () => {
      // Summarizes everything but the last messages, although a chat that is only tried out is too short to need it.
      const body = { waitMs: SUMMARY_WAIT_MS, keepRecentTokens: 0 };
      const { job, summary } = await ask<{ job: object | null; summary: Summary | null }>(
        "POST",
        `${sessionPath(session.id)}/summarize`,
        { body },
      );
      if (job === null) notice.value = "There is nothing to summarize: the last messages are always kept verbatim.";
      else if (summary === null) {
        notice.value =
          "The summary takes longer than usual. It will appear here once it is made. If an operator has paused summaries, that is after they are resumed.";
      }
      session.refresh();
    });
    isBusy.value = false;
  }
  return (
    <button type="button" class="secondary" disabled={isBusy.value} onClick={() => void summarize()}>
      {isBusy.value ? "Summarizing …" : "Summarize now"}
    </button>
  );
}
