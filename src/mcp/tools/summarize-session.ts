import { z } from "zod";
import { summarizeRequestSchema } from "../../api/job.ts";
import { MAX_MCP_WAIT_SECONDS, MAX_WAIT_MS } from "../../api/limits.ts";
import type { Summary } from "../../api/summary.ts";
import { sleep } from "../../lib/sleep.ts";
import { readSession } from "../../usecases/sessions.ts";
import { listSummaries, summarizeByHand } from "../../usecases/summaries.ts";
import { withinResult } from "../budget.ts";
import { tellSummary } from "../summary-text.ts";
import { budgetArgument, defineTool, memoryText, type Running, sessionArgument } from "../tool.ts";

const DEFAULT_WAIT_SECONDS = 20;
/** How often progress is reported while a client waits, in ms. */
const TICK_MS = 1_000;
/** The session is polled at growing intervals: nine times in a minute. */
const FIRST_PAUSE_SECONDS = 1;
const PAUSE_GROWTH = 1.6;

export const summarizeSessionTool = defineTool({
  name: "summarize_session",
  title: "Summarize a session",
  description:
    "Makes a new summary of a session now, waits for it and returns it: facts, preferences, decisions, tasks, questions and events, each with the messages that it cites. Summaries are made automatically as a session grows; call this when the user wants one now, or before a conversation ends. If you stop waiting, the summary is still made.",
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  actions: ["readSession", "summarizeSession", "listSummaries"],
  input: z.strictObject({
    sessionId: sessionArgument,
    waitSeconds: z
      .int()
      .min(0)
      .max(MAX_MCP_WAIT_SECONDS)
      .default(DEFAULT_WAIT_SECONDS)
      .describe("How many seconds to wait for it"),
    keepRecentTokens: summarizeRequestSchema.shape.keepRecentTokens.describe(
      "How many tokens of the newest messages to leave out of it; by default the session's setting; 0: as few as possible",
    ),
    maxTokens: budgetArgument,
  }),
  output: z.object({
    memory: memoryText,
    sessionId: z.string(),
    state: z
      .enum(["done", "pending", "failed", "nothing_to_do"])
      .describe(
        "pending: it is being made; failed: it could not be made, and operators see why; nothing_to_do: there is nothing new to summarize",
      ),
    version: z.int().nullable().describe("The version of the returned summary; null: there is none yet"),
    throughSeq: z.int().describe("It covers messages 1 to this one; 0: there is no summary yet"),
    degraded: z.boolean().describe("It was made without a model, and a better one will replace it"),
    itemsLeftOut: z.int().describe("Items that did not fit: raise maxTokens"),
  }),
  async run(running, { sessionId, waitSeconds, keepRecentTokens, maxTokens }) {
    const { call } = running;
    // A caller that may not read is refused before anything is scheduled.
    await readSession(call, sessionId);
    const waitMs = Math.min(waitSeconds * 1_000, MAX_WAIT_MS);
    const asked = summarizeByHand(call, sessionId, {
      ...(waitMs === 0 ? {} : { waitMs }),
      ...(keepRecentTokens === undefined ? {} : { keepRecentTokens }),
    });
    const stopTicking = startTicking(running, waitSeconds);
    try {
      const { job, summary } = await whileWanted(running.signal, asked);
      if (job === null) return tellResult(sessionId, "nothing_to_do", summary, maxTokens);
      if (job.state !== "pending") return tellResult(sessionId, job.state, summary, maxTokens);
      const isMade = await isMadeWithin(running, sessionId, waitSeconds - waitMs / 1_000);
      if (!isMade) return tellResult(sessionId, "pending", summary, maxTokens);
      const [newest = null] = (await listSummaries(call, sessionId, { limit: 1 })).data;
      return tellResult(sessionId, "done", newest, maxTokens);
    } finally {
      stopTicking();
    }
  },
});

/** Reports the elapsed seconds each second, until the returned function is called. */
function startTicking({ progress }: Running, total: number): () => void {
  const startedAt = Date.now();
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - startedAt) / TICK_MS);
    void progress(seconds, Math.max(total, seconds), "The summary is being made");
  }, TICK_MS);
  return () => clearInterval(timer);
}

/** The answer, unless the client cancels the request first. */
async function whileWanted<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  const { promise: gaveUp, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(new DOMException("The client cancelled the request", "AbortError"));
  signal.addEventListener("abort", abort);
  try {
    if (signal.aborted) abort();
    return await Promise.race([answer, gaveUp]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Whether the summary was made within this time. */
async function isMadeWithin({ call, signal }: Running, sessionId: string, seconds: number): Promise<boolean> {
  let left = seconds;
  for (let pause = FIRST_PAUSE_SECONDS; left > 0; pause *= PAUSE_GROWTH) {
    const next = Math.min(pause, left);
    left -= next;
    await whileWanted(signal, sleep(next * 1_000));
    if (!(await readSession(call, sessionId)).summaryPending) return true;
  }
  return false;
}

function tellResult(
  sessionId: string,
  state: "done" | "pending" | "failed" | "nothing_to_do",
  summary: Summary | null,
  maxTokens: number,
) {
  return withinResult(maxTokens, 0, async (tokens) => {
    const { memory, left } = tellSummary(summary ?? { items: [] }, tokens);
    const structured = {
      memory,
      sessionId,
      state,
      version: summary?.version ?? null,
      throughSeq: summary?.throughSeq ?? 0,
      degraded: summary?.degraded ?? false,
      itemsLeftOut: left,
    };
    const words = {
      done: "The summary is made.",
      pending: "The summary is being made: get_context will include it soon. This is the previous one.",
      failed: "The summary could not be made. No message is lost: continue. This is the previous summary.",
      nothing_to_do: "There is nothing new to summarize. This is the current summary.",
    };
    const more = left === 0 ? "" : ` ${left} items did not fit: raise maxTokens.`;
    return { structured, text: `${words[state]}${more}\n\n${memory}` };
  });
}
