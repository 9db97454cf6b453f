import { describe, expect, it } from "vitest";
import { readPromptData } from "../../tools/bench/quote-transcript.ts";
import { promptOf, scriptModel } from "../support/scripted-model.ts";
import { type FinishHook, sharedService, startOwnService } from "../support/service.ts";
import type { Seen, StandInReply } from "../support/stand-in-model.ts";
import { liveThrough, named } from "../support/summarizer-outage.ts";

const OPENAI = "openai-compatible/stand-in";
const ANTHROPIC = "anthropic/claude-haiku-4-5";
const KEY = "sk-stand-in-key";
/** Short, so that a hanging model is noticed while the test waits. */
const TIMEOUT_SECONDS = 3;
/** For the outages of one row, one after the other. */
const TIMEOUT_MS = 540_000;

interface Fault {
  readonly name: string;
  readonly replies: StandInReply[];
  /** The key that the provider accepts during the fault. */
  readonly key?: string;
  readonly reason: string;
  /** How often the model is called before the chat has a fallback summary. */
  readonly calls: number;
  /** The shortest pause between two of the calls. */
  readonly pauseMs?: number;
}

const MISSHAPEN = JSON.stringify({ items: [{ kind: "poem", text: "O harbour", sourceSeqs: [1] }] });
const INVENTED = JSON.stringify({
  items: [{ id: null, kind: "fact", text: "Crate 9999 is lost", sourceSeqs: [9_999], status: "current" }],
});

/** Two failures may be temporary; after the third comes a fallback summary. A failure that another attempt would not change is not repeated. */
const OPENAI_FAULTS: Fault[] = [
  {
    name: "answers every call with HTTP 500",
    replies: [{ does: "refuse", status: 500 }],
    reason: "summarizer unreachable",
    calls: 3,
  },
  {
    name: "never answers",
    replies: [{ does: "hang" }],
    reason: "summarizer timeout",
    calls: 3,
  },
  {
    name: "answers 429 and asks for a pause",
    replies: [{ does: "refuse", status: 429, headers: { "retry-after": "5" } }],
    reason: "summarizer rate_limited",
    calls: 3,
    pauseMs: 5_000,
  },
  {
    name: "breaks off in the middle of its answers",
    replies: [{ does: "break-off" }],
    reason: "summarizer unreachable",
    calls: 3,
  },
  {
    name: "runs out of room, both times it is asked",
    replies: [{ does: "answer", text: '{"items":[{"kind":"fact","te', isCut: true }],
    reason: "summarizer invalid_answer",
    calls: 2,
  },
  {
    name: "answers in a shape of its own, also after it was told",
    replies: [{ does: "answer", text: MISSHAPEN }],
    reason: "summarizer invalid_answer",
    calls: 2,
  },
];

const ANTHROPIC_FAULTS: Fault[] = [
  {
    name: "does not take our key",
    replies: [{ does: "quote" }],
    key: "sk-another-key",
    reason: "summarizer refused",
    calls: 1,
  },
  {
    name: "is overloaded",
    replies: [{ does: "refuse", status: 529 }],
    reason: "summarizer unreachable",
    calls: 3,
  },
  {
    name: "cites messages that do not exist, also after it was told",
    replies: [{ does: "answer", text: INVENTED }],
    reason: "summarizer invalid_answer",
    calls: 2,
  },
];

/** One call is paid for, and it contains everything that the summary covers; the last four turns stay verbatim. */
const ALL_COVERED_ONCE = [Array.from({ length: 12 }, (_, index) => index + 1)];

/** What the provider was paid for: the seqs of each call that it answered successfully. */
function paid(requests: readonly Seen[]): number[][] {
  return requests
    .filter(({ does }) => does === "quote")
    .map((seen) => readPromptData(promptOf(seen).turns.at(-1)?.text ?? "").messages.map(({ seq }) => seq));
}

/** The rows run in parallel, because most of the time passes between attempts. The faults of one row share a service, which recovers in between. */
const ROWS: readonly { readonly model: string; readonly faults: readonly Fault[] }[] = [
  { model: OPENAI, faults: OPENAI_FAULTS.slice(0, 3) },
  { model: OPENAI, faults: OPENAI_FAULTS.slice(3) },
  { model: ANTHROPIC, faults: ANTHROPIC_FAULTS },
];

/** Runs one outage after the other, and returns what each was finally paid for. */
async function surviveFaults(model: string, faults: readonly Fault[], onFinished: FinishHook): Promise<number[][][]> {
  const [first] = faults;
  const provider = await scriptModel(first?.replies ?? [], first?.key ?? KEY);
  const env = {
    THREADKEEP_MODEL: model,
    THREADKEEP_MODEL_BASE_URL: provider.baseUrl,
    THREADKEEP_MODEL_API_KEY: KEY,
    SUMMARIZER_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS),
  };
  const service = await startOwnService({ databaseUrl: sharedService().databaseUrl, env }, onFinished);
  const paidFor: number[][][] = [];
  for (const { name, replies, key = KEY, reason, calls, pauseMs = 0 } of faults) {
    const before = (await provider.requests()).length;
    const asked = async (): Promise<Seen[]> => (await provider.requests()).slice(before);
    await provider.change(replies, key);
    const outage = {
      session: `chat-${crypto.randomUUID()}`,
      reason,
      summarizer: model,
      atFallback: async () => {
        const seen = await asked();
        expect(seen).toHaveLength(calls);
        for (const [index, { at }] of seen.slice(1).entries()) {
          expect(at - (seen[index]?.at ?? 0)).toBeGreaterThanOrEqual(pauseMs);
        }
      },
      heal: () => provider.change([{ does: "quote" }], KEY),
    };
    await named(name, () => liveThrough(service, outage));
    paidFor.push(paid(await asked()));
  }
  return paidFor;
}

describe.concurrent("promise 12: a chat survives failures of a model", () => {
  it.for(ROWS.map((row) => ({ ...row, title: row.faults.map(({ name }) => name).join(", then ") })))(
    "$model that $title",
    { timeout: TIMEOUT_MS },
    async ({ model, faults }, { onTestFinished }) => {
      expect(await surviveFaults(model, faults, onTestFinished)).toEqual(faults.map(() => ALL_COVERED_ONCE));
    },
  );
});
