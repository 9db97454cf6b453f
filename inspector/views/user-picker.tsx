/** Chooses the user whose sessions are shown: by typing an id, or from a list. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Page } from "../../src/api/page.ts";
import type { ListedUser } from "../../src/api/tenant.ts";
import { ask, user } from "../api.ts";
import { visibleText } from "../parts/visible-text.tsx";
import { showProblem } from "../state/problem.ts";
import { caller, isOperator } from "../state/sign-in.ts";

const PAGE = 20;
const TYPING_MS = 150;

export function UserPicker({ onChosen }: { onChosen: (id: string) => void }) {
  const words = useSignal(user.value);
  return (
    <>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onChosen(words.value.trim());
        }}
      >
        <label>
          Show the sessions of this user; empty: those without a user
          <input
            placeholder="ada@example.com"
            spellcheck={false}
            autocomplete="off"
            value={words.value}
            onInput={({ currentTarget }) => (words.value = currentTarget.value)}
          />
        </label>
        <button type="submit">Show</button>
      </form>
      {isOperator.value ? <FoundUsers prefix={words.value.trim()} onChosen={onChosen} /> : null}
    </>
  );
}

interface Found {
  readonly ids: readonly string[];
  readonly nextCursor: string | null;
}

/** Users whose id begins with the typed text, newest first. */
function FoundUsers({ prefix, onChosen }: { prefix: string; onChosen: (id: string) => void }) {
  const found = useSignal<Found | null>(null);
  const isReading = useSignal(false);
  // The id of the current user is not a search.
  const wanted = prefix === user.value ? "" : prefix;

  async function read(before: Found | null, signal?: AbortSignal): Promise<void> {
    const path = `/v1/admin/tenants/${encodeURIComponent(caller.value?.tenant ?? "")}/users`;
    const ids = [...(before?.ids ?? [])];
    let nextCursor = before?.nextCursor ?? null;
    const enough = ids.length + PAGE;
    isReading.value = true;
    try {
      // A page may be empty although more pages follow.
      do {
        const query = { prefix: wanted, limit: enough - ids.length, cursor: nextCursor };
        const page = await ask<Page<ListedUser>>("GET", path, { query, user: "", ...(signal ? { signal } : {}) });
        ids.push(...page.data.map(({ userId }) => userId));
        nextCursor = page.nextCursor;
      } while (nextCursor !== null && ids.length < enough);
      found.value = { ids, nextCursor };
    } finally {
      if (signal?.aborted !== true) isReading.value = false;
    }
  }

  useEffect(() => {
    const reading = new AbortController();
    const timer = setTimeout(() => read(null, reading.signal).catch(showProblem), wanted === "" ? 0 : TYPING_MS);
    return () => {
      clearTimeout(timer);
      reading.abort();
    };
  }, [wanted]);

  if (found.value === null) return <p class="note">Reading the users …</p>;
  const { ids, nextCursor } = found.value;
  return (
    <div class="found-users">
      <p class="note" role="status">
        {ids.length > 0
          ? wanted === ""
            ? "Newest users:"
            : "Users whose id begins with this:"
          : wanted === ""
            ? "No user has sessions yet."
            : "No user's id begins with this."}
      </p>
      <ul aria-label="Users">
        {ids.map((id) => (
          <li key={id}>
            <button type="button" class="quiet" onClick={() => onChosen(id)}>
              {visibleText(id)}
            </button>
          </li>
        ))}
      </ul>
      {nextCursor === null ? null : (
        <button
          type="button"
          class="secondary"
          disabled={isReading.value}
          onClick={() => read(found.value).catch(showProblem)}
        >
          More users
        </button>
      )}
    </div>
  );
}
