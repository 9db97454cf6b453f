/** A user's data: exports it, or erases it everywhere, after a preview. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { SessionState } from "../../src/api/session.ts";
import type { UserErasure } from "../../src/api/user.ts";
import { ask, sessionPath } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { visibleText } from "../parts/visible-text.tsx";
import type { KnownMemory } from "../state/known-memory.ts";
import { attempt, notice } from "../state/problem.ts";
import { fetchUserFile, userPath } from "../state/user-file.ts";
import { ago, count, number } from "../text.ts";

const PROGRESS_MS = 1_000;
/** How many sessions the preview counts the messages of. */
const COUNTED_SESSIONS = 50;

interface UserProps {
  readonly owner: string;
  readonly memory: KnownMemory;
}

export function ExportUser({ owner, memory }: UserProps) {
  const isOpen = useSignal(false);
  return (
    <>
      <button type="button" class="secondary" onClick={() => (isOpen.value = true)}>
        Export
      </button>
      {isOpen.value ? <ExportDialog owner={owner} memory={memory} onClose={() => (isOpen.value = false)} /> : null}
    </>
  );
}

function ExportDialog({ owner, memory, onClose }: UserProps & { readonly onClose: () => void }) {
  const isBusy = useSignal(false);
  async function save(): Promise<void> {
    isBusy.value = true;
    await attempt(async () => {
      const address = URL.createObjectURL(await fetchUserFile(owner));
      const link = Object.assign(document.createElement("a"), { href: address, download: `${owner}.jsonl` });
      link.click();
      URL.revokeObjectURL(address);
      notice.value = "The file contains everything that is stored about the user, as JSON Lines.";
      onClose();
    });
    isBusy.value = false;
  }
  return (
    <Dialog title="Export this user's data?" onClose={onClose}>
      <p>
        This is what the file has of <b>{visibleText(owner)}</b>:
      </p>
      <StoredOf memory={memory} messages={useMessageCount(memory)} />
      <p class="note">One file of JSON Lines, with everything that is stored about the user.</p>
      <button type="button" disabled={isBusy.value} onClick={() => void save()}>
        {isBusy.value ? "Exporting …" : "Save the file"}
      </button>
    </Dialog>
  );
}

export function EraseUser({ owner, memory }: UserProps) {
  const isOpen = useSignal(false);
  const erasure = useSignal<UserErasure | null>(null);
  useEffect(() => {
    if (erasure.value?.state !== "erasing") return;
    const timer = setTimeout(() => {
      void attempt(async () => {
        erasure.value = await ask<UserErasure>("GET", `${userPath(owner)}/erasure`, { user: "" });
      });
    }, PROGRESS_MS);
    return () => clearTimeout(timer);
  }, [erasure.value]);
  return (
    <>
      <button type="button" class="danger" onClick={() => (isOpen.value = true)}>
        Erase
      </button>
      {isOpen.value ? (
        <EraseDialog
          owner={owner}
          memory={memory}
          onBegun={(begun) => {
            erasure.value = begun;
            isOpen.value = false;
          }}
          onClose={() => (isOpen.value = false)}
        />
      ) : null}
      {erasure.value === null ? null : <Progress erasure={erasure.value} />}
    </>
  );
}

function Progress({ erasure: { state, sessions, erased, startedAt, found, lastError } }: { erasure: UserErasure }) {
  return (
    <p role="status" class="erasure">
      {state === "erased"
        ? `Erased: a look at every place found nothing of ${count(sessions, "session")}.`
        : `Erasing since ${ago(startedAt)}: ${number(erased)} of ${count(sessions, "session")} gone everywhere.`}
      {lastError === undefined ? "" : ` It is tried again: ${lastError}.`}
      {found === undefined || state === "erased" ? "" : " What the last look still found is erased again."}
    </p>
  );
}

/**
 * The messages of the user's first sessions; null until they are counted. The dialog waits for the list of sessions, so
 * that it names exactly what is stored.
 */
function useMessageCount(memory: KnownMemory): number | null {
  const messages = useSignal<number | null>(null);
  useEffect(() => {
    if (!memory.isDone.value) return;
    void attempt(async () => {
      let sum = 0;
      for (const { id, expiredAt } of memory.sessions.value.slice(0, COUNTED_SESSIONS)) {
        if (expiredAt === undefined) sum += (await ask<SessionState>("GET", sessionPath(id))).lastSeq;
      }
      messages.value = sum;
    });
  }, [memory.isDone.value]);
  return messages.value;
}

/** What is stored of a user: the preview of an export and of an erasure. */
function StoredOf({ memory, messages }: { readonly memory: KnownMemory; readonly messages: number | null }) {
  const sessions = memory.sessions.value.length;
  const andMore = memory.hasMore.value ? " and more" : "";
  return (
    <ul class="bullets">
      <li>{memory.isDone.value ? `${count(sessions, "session")}${andMore}` : "sessions: counting …"}</li>
      <li>
        {messages === null
          ? "messages: counting …"
          : `${count(messages, "message")}${sessions > COUNTED_SESSIONS ? " and more" : andMore}`}
      </li>
      <li>
        {count(memory.items.value.length, "item")} of memory
        {andMore}
      </li>
    </ul>
  );
}

interface EraseProps extends UserProps {
  readonly onBegun: (erasure: UserErasure) => void;
  readonly onClose: () => void;
}

function EraseDialog({ owner, memory, onBegun, onClose }: EraseProps) {
  const typed = useSignal("");
  const messages = useMessageCount(memory);
  return (
    <Dialog title="Erase this user everywhere?" onClose={onClose}>
      <p>
        This is what goes of <b>{visibleText(owner)}</b>, from every object, index, summary, archive and copy:
      </p>
      <StoredOf memory={memory} messages={messages} />
      <p class="note">
        There is no way back. From now on nothing more is taken in in the user's name, until some days after all is
        gone.
      </p>
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(async () => onBegun(await ask<UserErasure>("DELETE", userPath(owner), { user: "" })));
        }}
      >
        <label>
          Type the user's id to go on
          <input
            value={typed.value}
            autocomplete="off"
            spellcheck={false}
            onInput={({ currentTarget }) => (typed.value = currentTarget.value)}
          />
        </label>
        <button type="submit" class="danger" disabled={typed.value !== owner || messages === null}>
          Erase for good
        </button>
      </form>
    </Dialog>
  );
}
