/** A user's data: exports it, and erases it everywhere after a preview. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { SessionState } from "../../src/api/session.ts";
import type { UserErasure } from "../../src/api/user.ts";
import { ask, send, sessionPath } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { visibleText } from "../parts/visible-text.tsx";
import type { KnownMemory } from "../state/known-memory.ts";
import { attempt, notice } from "../state/problem.ts";
import { ago, count, number } from "../text.ts";

const userPath = (owner: string): string => `/v1/users/${encodeURIComponent(owner)}`;
const PROGRESS_MS = 1_000;
/** How many sessions the preview counts the messages of. */
const COUNTED_SESSIONS = 50;

export function ExportUser({ owner }: { owner: string }) {
  const isBusy = useSignal(false);
  async function save(): Promise<void> {
    isBusy.value = true;
    await attempt(async () => {
      const response = await send("GET", userPath(owner), { user: "" });
      const address = URL.createObjectURL(await response.blob());
      const link = Object.assign(document.createElement("a"), { href: address, download: `${owner}.jsonl` });
      link.click();
      URL.revokeObjectURL(address);
      notice.value = "The file contains everything that is stored about the user, as JSON Lines.";
    });
    isBusy.value = false;
  }
  return (
    <button type="button" class="secondary" disabled={isBusy.value} onClick={() => void save()}>
      {isBusy.value ? "Exporting …" : "Export"}
    </button>
  );
}

export function EraseUser({ owner, memory }: { owner: string; memory: KnownMemory }) {
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

interface EraseProps {
  readonly owner: string;
  readonly memory: KnownMemory;
  readonly onBegun: (erasure: UserErasure) => void;
  readonly onClose: () => void;
}

function EraseDialog({ owner, memory, onBegun, onClose }: EraseProps) {
  const typed = useSignal("");
  const messages = useSignal<number | null>(null);
  const sessions = memory.sessions.value;
  const counted = sessions.slice(0, COUNTED_SESSIONS);
  // The dialog waits for the list of sessions, so that it names exactly what will be erased.
  useEffect(() => {
    if (!memory.isDone.value) return;
    void attempt(async () => {
      let sum = 0;
      for (const { id, expiredAt } of counted) {
        if (expiredAt === undefined) sum += (await ask<SessionState>("GET", sessionPath(id))).lastSeq;
      }
      messages.value = sum;
    });
  }, [memory.isDone.value]);
  const andMore = memory.hasMore.value || counted.length < sessions.length ? " and more" : "";
  return (
    <Dialog title="Erase this user everywhere?" onClose={onClose}>
      <p>
        This is what goes of <b>{visibleText(owner)}</b>, from every object, index, summary, archive and copy:
      </p>
      <ul class="bullets">
        <li>
          {memory.isDone.value ? count(sessions.length, "session") : "sessions: counting …"}
          {memory.hasMore.value ? " and more" : ""}
        </li>
        <li>{messages.value === null ? "messages: counting …" : `${count(messages.value, "message")}${andMore}`}</li>
        <li>
          {count(memory.items.value.length, "item")} of memory
          {memory.hasMore.value ? " and more" : ""}
        </li>
      </ul>
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
        <button type="submit" class="danger" disabled={typed.value !== owner || messages.value === null}>
          Erase for good
        </button>
      </form>
    </Dialog>
  );
}
