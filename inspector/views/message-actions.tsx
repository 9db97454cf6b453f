/** The actions on a message: pin, edit, answer again, erase. */

import { useState } from "preact/hooks";
import type { Message } from "../../src/api/message.ts";
import { ask, sessionPath } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { closeMenu, closeOnEscape } from "../parts/menu.ts";
import type { OpenedSession } from "../state/opened-session.ts";
import { attempt } from "../state/problem.ts";
import { caller, may } from "../state/sign-in.ts";
import { beginning, count } from "../text.ts";
import { wordsOf } from "./message-parts.tsx";

type Doing = "edit" | "regenerate" | "erase";
/** Characters that are enough to recognize a message. */
const QUOTE = 120;

interface Props {
  readonly session: OpenedSession;
  readonly message: Message;
}

export function MessageActions({ session, message }: Props) {
  const [doing, setDoing] = useState<Doing | null>(null);
  if (session.atSeq.value !== null || !may("memory:write")) return null;
  const { seq, pinned } = message;
  const path = `${sessionPath(session.id)}/messages/${encodeURIComponent(message.id)}`;
  const pin = (): Promise<boolean> =>
    attempt(async () => {
      await ask("PATCH", path, { body: { pinned: pinned !== true } });
      session.refresh();
    });
  const isText = typeof message.content === "string";
  return (
    <>
      <details class="menu actions" onKeyDown={closeOnEscape}>
        <summary aria-label={`Do something with message ${seq}`}>⋯</summary>
        <div onClick={({ currentTarget }) => closeMenu(currentTarget)}>
          <button
            type="button"
            class="quiet"
            aria-pressed={pinned === true}
            onClick={() => void pin()}
            title="Keep it verbatim in every context"
          >
            {pinned === true ? "Unpin" : "Pin"}
          </button>
          {isText ? (
            <button type="button" class="quiet" onClick={() => setDoing("edit")}>
              Edit
            </button>
          ) : null}
          {isText && message.role !== "system" && message.role !== "developer" ? (
            <button
              type="button"
              class="quiet"
              onClick={() => setDoing("regenerate")}
              title="Continue the chat from another wording; this message stays as a branch"
            >
              {message.role === "user" ? "Reword" : "Answer anew"}
            </button>
          ) : null}
          {may("memory:erase") ? (
            <button type="button" class="quiet" onClick={() => setDoing("erase")}>
              Erase
            </button>
          ) : null}
        </div>
      </details>
      {doing === "erase" ? (
        <EraseDialog session={session} message={message} path={path} onClose={() => setDoing(null)} />
      ) : null}
      {doing === "edit" || doing === "regenerate" ? (
        <WordsDialog
          session={session}
          message={message}
          path={path}
          isEdit={doing === "edit"}
          onClose={() => setDoing(null)}
          key={`${doing} ${seq}`}
        />
      ) : null}
    </>
  );
}

interface DialogProps extends Props {
  readonly path: string;
  readonly onClose: () => void;
}

/** Edits a message, or begins a branch with another text, as a chat does when a question is asked differently. */
function WordsDialog({ session, message, path, isEdit, onClose }: DialogProps & { isEdit: boolean }) {
  const [words, setWords] = useState(wordsOf(message.content));
  async function save(): Promise<void> {
    const isDone = await attempt(async () => {
      if (isEdit) await ask("PATCH", path, { body: { content: words } });
      else {
        const { role, seq, afterSeq = seq - 1 } = message;
        const body = { messages: [{ role, content: words, afterSeq }] };
        await ask("POST", `${sessionPath(session.id)}/messages`, { body });
        session.invalidate();
      }
      session.refresh();
    });
    if (isDone) onClose();
  }
  async function askModel(headSeq: number): Promise<void> {
    onClose();
    const { seq, afterSeq = seq - 1 } = message;
    await attempt(() => session.answering.askAnew(session.id, afterSeq, headSeq));
    session.invalidate();
    session.refresh();
  }
  const headSeq = session.state.value?.headSeq;
  const model = isEdit || message.role !== "assistant" ? null : (caller.value?.model ?? null);
  return (
    <Dialog title={isEdit ? `Edit message ${message.seq}` : `Message ${message.seq} in other words`} onClose={onClose}>
      <p class="note">
        {isEdit
          ? "The new text replaces the old one. What the summary says about the old text is removed and summarized again."
          : "The chat continues from here with the new text. The old text stays as another branch."}
      </p>
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <label>
          Words
          <textarea rows={6} value={words} onInput={({ currentTarget }) => setWords(currentTarget.value)} required />
        </label>
        <div class="row">
          <button type="submit">{isEdit ? "Save" : "Go on from here"}</button>
          {model === null || headSeq === undefined ? null : (
            <button
              type="button"
              class="secondary"
              title={`${model} answers the message before this one again`}
              onClick={() => void askModel(headSeq)}
            >
              Ask the model again
            </button>
          )}
        </div>
      </form>
    </Dialog>
  );
}

function EraseDialog({ session, message, path, onClose }: DialogProps) {
  const items = session.itemsBySeq.value.get(message.seq) ?? [];
  async function erase(): Promise<void> {
    const isDone = await attempt(async () => {
      await ask("DELETE", path);
      session.invalidate();
      session.refresh();
    });
    if (isDone) onClose();
  }
  return (
    <Dialog title={`Erase message ${message.seq}?`} onClose={onClose}>
      <blockquote>{beginning(wordsOf(message.content), QUOTE)}</blockquote>
      <p>
        {items.length === 0
          ? "No item of the summary rests on it."
          : `${count(items.length, "item")} of the summary ${items.length === 1 ? "rests" : "rest"} on it, and ${items.length === 1 ? "goes" : "go"} with it:`}
      </p>
      {items.length === 0 ? null : (
        <ul>
          {items.map((item) => (
            <li key={item.id}>{item.text}</li>
          ))}
        </ul>
      )}
      <p class="note">
        It is erased from the log, search, every version of the summary, the archive and every copy. There is no way
        back.
      </p>
      <button type="button" class="danger" onClick={() => void erase()}>
        Erase for good
      </button>
    </Dialog>
  );
}
