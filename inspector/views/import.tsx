/** Imports a chat: pasted as text, or from a file that is chosen or dropped. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ask, sessionPath } from "../api.ts";
import { readTranscript } from "../import/read-transcript.ts";
import { Dialog } from "../parts/dialog.tsx";
import { droppedFile } from "../state/dropped-file.ts";
import { attempt } from "../state/problem.ts";
import { go, sessionAddress } from "../state/route.ts";
import { may } from "../state/sign-in.ts";
import { count } from "../text.ts";

/** Messages per append, at most. */
const BATCH = 100;

export function ImportButton() {
  const isOpen = useSignal(false);
  useEffect(() => {
    if (droppedFile.value !== null) isOpen.value = true;
  }, [droppedFile.value]);
  if (!may("memory:write")) return null;
  return (
    <>
      <button type="button" class="secondary" onClick={() => (isOpen.value = true)}>
        Paste or drop a chat
      </button>
      {isOpen.value ? <ImportDialog onClose={() => (isOpen.value = false)} /> : null}
    </>
  );
}

function ImportDialog({ onClose }: { onClose: () => void }) {
  const text = useSignal("");
  const name = useSignal("");
  const read = text.value.trim() === "" ? null : readTranscript(text.value);
  async function take(file: File | undefined): Promise<void> {
    if (file === undefined) return;
    await attempt(async () => {
      text.value = await file.text();
      name.value = file.name.replace(/\.[a-z]+$/i, "");
    });
  }
  useEffect(() => {
    void take(droppedFile.value ?? undefined);
    droppedFile.value = null;
  }, [droppedFile.value]);
  async function load(): Promise<void> {
    if (read === null || "fault" in read) return;
    await attempt(async () => {
      const id = await store(read, name.value);
      onClose();
      go(sessionAddress(id));
    });
  }
  return (
    <Dialog title="Paste or drop a chat" onClose={onClose} isWide>
      <div class="drop">
        <label>
          The chat: lines that begin with “User:” and “Assistant:”, messages as JSON, or an export of Threadkeep
          <textarea
            rows={10}
            value={text.value}
            onInput={({ currentTarget }) => (text.value = currentTarget.value)}
            placeholder={"User: I am allergic to walnuts.\nAssistant: Noted."}
          />
        </label>
        <label>
          Or choose a file, or drop one anywhere on this page
          <input
            type="file"
            accept=".txt,.md,.json,.jsonl"
            onChange={({ currentTarget }) => void take(currentTarget.files?.[0])}
          />
        </label>
      </div>
      <p class="note" role="status">
        {read === null
          ? "Nothing was read yet."
          : "fault" in read
            ? read.fault
            : read.kind === "export"
              ? "An export of Threadkeep: it becomes a session as it was."
              : `${count(read.messages.length, "message")} were read.`}
      </p>
      <button type="button" disabled={read === null || "fault" in read} onClick={() => void load()}>
        Make a session of it
      </button>
    </Dialog>
  );
}

async function store(
  read: Exclude<ReturnType<typeof readTranscript>, { fault: string }>,
  name: string,
): Promise<string> {
  const id = `pasted-${crypto.randomUUID().slice(0, 8)}`;
  if (read.kind === "export") {
    const state = await ask<{ id: string }>("POST", "/v1/import", { lines: read.lines, query: { sessionId: id } });
    return state.id;
  }
  await ask("POST", "/v1/sessions", { body: { id, ...(name === "" ? {} : { metadata: { title: name } }) } });
  for (let from = 0; from < read.messages.length; from += BATCH) {
    const messages = read.messages.slice(from, from + BATCH);
    const format = read.kind === "openai" ? { format: "openai-chat" } : {};
    await ask("POST", `${sessionPath(id)}/messages`, { body: { ...format, messages } });
  }
  return id;
}
