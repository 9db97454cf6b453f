/** The sample chat: one click appends it, has it summarized, and opens it. */

import { useSignal } from "@preact/signals";
import type { Job } from "../../src/api/job.ts";
import type { NewMessage } from "../../src/api/message.ts";
import { ask, sessionPath } from "../api.ts";
import { attempt } from "../state/problem.ts";
import { go, sessionAddress } from "../state/route.ts";
import { may } from "../state/sign-in.ts";

/** Much smaller than the defaults, so that a short chat shows what happens in a long one. */
const SETTINGS = { maxTokens: 2_000, summarizeAfterTokens: 1_200, keepRecentTokens: 500, summaryMaxTokens: 900 };
/** Messages per append, at most. */
const BATCH = 100;
/** The message about the allergy, which no summary should lose. */
const PINNED = "turn-003";
const SUMMARY_WAIT_MS = 10_000;
/** On a busy machine the summary may take longer than one request waits. */
const MAX_WAITS = 3;

export function SampleButton({ isMain }: { isMain: boolean }) {
  const isBusy = useSignal(false);
  if (!may("memory:write")) return null;
  async function open(): Promise<void> {
    isBusy.value = true;
    await attempt(async () => go(sessionAddress(await makeSample())));
    isBusy.value = false;
  }
  return (
    <button type="button" class={isMain ? "main" : "secondary"} disabled={isBusy.value} onClick={() => void open()}>
      {isBusy.value ? "Making the sample …" : "Open a sample chat"}
    </button>
  );
}

/** Returns the id of the new session. */
async function makeSample(): Promise<string> {
  const turns = await readTurns();
  const id = `sample-${crypto.randomUUID().slice(0, 8)}`;
  const metadata = { title: "Sample: two weeks by train" };
  await ask("POST", "/v1/sessions", { body: { id, metadata, settings: SETTINGS } });
  // Waits for a summary after each batch, as in a chat that goes on for days. Otherwise everything might be summarized
  // at once, and there would be no history to show.
  for (let from = 0; from < turns.length; from += BATCH) {
    await ask("POST", `${sessionPath(id)}/messages`, { body: { messages: turns.slice(from, from + BATCH) } });
    await summarize(id);
  }
  return id;
}

async function summarize(id: string): Promise<void> {
  for (let waits = 0; waits < MAX_WAITS; waits += 1) {
    const body = { waitMs: SUMMARY_WAIT_MS };
    const { job } = await ask<{ job: Job | null }>("POST", `${sessionPath(id)}/summarize`, { body });
    if (job === null || job.state === "done") return;
  }
}

async function readTurns(): Promise<NewMessage[]> {
  const { default: lines } = await import("../../examples/sample-conversation.jsonl?raw");
  return lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { type: string; session: string } & NewMessage)
    .filter(({ type }) => type === "message")
    .map(({ type: _type, session: _session, ...message }) =>
      message.id === PINNED ? { ...message, pinned: true } : message,
    );
}
