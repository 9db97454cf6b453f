// What a memory contributes on somebody's own chats, which come without questions: how much a prompt of a given size still knows where the
// user comes back to something from long before (`probes.ts`), with and without the memory.
import { performance } from "node:perf_hooks";
import { showTable } from "../../scripts/program/table.ts";
import { type Context, contextSchema } from "../../src/api/context.ts";
import type { Content, NewMessage, TokenCount } from "../../src/api/message.ts";
import type { SessionSettings } from "../../src/api/session.ts";
import type { SummarizerUsage } from "../../src/api/summarizer.ts";
import { transferLineSchema } from "../../src/api/transfer.ts";
import { contentTokens, messageCost, messageText } from "../../src/prompt/message-text.ts";
import { Evidence } from "../../src/prompt/support.ts";
import { settle } from "./generations.ts";
import { mean } from "./memory-facts.ts";
import { makeProbes, MIN_GAP_TURNS, type Probe } from "./probes.ts";
import { send, sendForText, type ServiceAddress } from "./service-calls.ts";
import type { Transcript } from "./transcripts.ts";
import { addUsage, countedOf, showUsage } from "./usage.ts";

/** The ways of making a prompt. */
export const SENT = ["newest messages alone", "summary", "summary and query"] as const;
type Sent = (typeof SENT)[number];
export const WHOLE_CHAT = "the whole chat";

/** What one prompt knew of a probe. */
interface Known {
  readonly tokens: TokenCount;
  /** Whether one of the wanted turns is in the prompt verbatim. */
  readonly hasTurn: boolean;
  /** Whether the prompt says the fact, in any place. Null for a probe without a fact. */
  readonly hasFact: boolean | null;
  /** Whether the summary covers the message with the fact, but does not say it. Null if it does not cover the message. */
  readonly isLost: boolean | null;
}

/** A row of the table and a point of the picture. */
export interface MineRow {
  readonly sent: Sent | typeof WHOLE_CHAT;
  /** Null: no limit. */
  readonly budget: TokenCount | null;
  /** Means over the probes, as shares. NaN if there were no probes. */
  readonly takenUp: number;
  readonly facts: number;
  readonly lost: number;
  readonly tokens: number;
}

/** A chat in a session, which can be asked for a context. */
interface LoadedChat {
  /** @param query null: no query */
  context(atSeq: number, query: string | null): Promise<Context>;
  /** What models used for its summaries; undefined if that was not counted. */
  usage(): Promise<SummarizerUsage | undefined>;
  delete(): Promise<void>;
}

export type LoadChat = (messages: readonly NewMessage[], settings: SessionSettings) => Promise<LoadedChat>;

export interface MineOptions {
  readonly transcripts: readonly Transcript[];
  readonly budgets: readonly TokenCount[];
  /** Settings of all sessions. The budget is set separately. */
  readonly settings: SessionSettings;
  /** The most probes of each kind in one conversation. */
  readonly probes: number;
  readonly load: LoadChat;
  readonly onProgress: (text: string) => void;
}

export interface MineResult {
  readonly rows: readonly MineRow[];
  readonly takenUp: number;
  readonly facts: number;
  readonly usage: SummarizerUsage | undefined;
}

export async function measureMine(options: MineOptions): Promise<MineResult> {
  const { transcripts, budgets, settings, load, onProgress } = options;
  const probed = transcripts
    .map((transcript) => ({ ...transcript, probes: makeProbes(transcript.messages, options.probes) }))
    .filter(({ probes }) => probes.length > 0);
  const known = new Map<string, { probe: Probe; known: Known }[]>();
  const note = (sent: string, budget: TokenCount | null, probe: Probe, what: Known): void => {
    const key = keyOf(sent, budget);
    known.set(key, [...(known.get(key) ?? []), { probe, known: what }]);
  };
  let usage: SummarizerUsage | undefined;
  let lastTold = performance.now();
  for (const [place, { messages, probes }] of probed.entries()) {
    const costs = messages.map(costOf);
    for (const budget of budgets) {
      if (place === 0 || performance.now() - lastTold > PROGRESS_MS) {
        lastTold = performance.now();
        onProgress(`conversation ${place + 1} of ${probed.length}, prompts of ${budget} tokens`);
      }
      const chat = await load(messages, { ...settings, maxTokens: budget });
      for (const probe of probes) {
        note("newest messages alone", budget, probe, newestAlone(messages, costs, probe, budget));
        note("summary", budget, probe, knownOf(await chat.context(probe.seq - 1, null), probe));
        note("summary and query", budget, probe, knownOf(await chat.context(probe.seq - 1, probe.query), probe));
      }
      usage = addUsage(usage, await chat.usage());
      await chat.delete();
    }
    for (const probe of probes) {
      note(WHOLE_CHAT, null, probe, newestAlone(messages, costs, probe, Number.POSITIVE_INFINITY));
    }
  }
  const rowOf = (sent: MineRow["sent"], budget: TokenCount | null): MineRow => {
    const told = known.get(keyOf(sent, budget)) ?? [];
    const share = (values: readonly (boolean | null)[]): number =>
      mean(values.flatMap((value) => (value === null ? [] : [value ? 1 : 0])));
    return {
      sent,
      budget,
      takenUp: share(told.filter(({ probe }) => probe.kind === "taken up").map((one) => one.known.hasTurn)),
      facts: share(told.map((one) => one.known.hasFact)),
      lost: share(told.map((one) => one.known.isLost)),
      tokens: mean(told.map((one) => one.known.tokens)),
    };
  };
  const all = probed.flatMap(({ probes }) => probes);
  return {
    rows: [...budgets.flatMap((budget) => SENT.map((sent) => rowOf(sent, budget))), rowOf(WHOLE_CHAT, null)],
    takenUp: all.filter(({ kind }) => kind === "taken up").length,
    facts: all.filter(({ kind }) => kind === "fact").length,
    usage,
  };
}

const PROGRESS_MS = 5_000;

function keyOf(sent: string, budget: TokenCount | null): string {
  return `${sent} ${budget ?? ""}`;
}

function costOf({ content, author }: NewMessage): TokenCount {
  return messageCost({ tokens: contentTokens(content), author });
}

/** The baseline: as many of the newest messages before the turn as fit the budget. */
function newestAlone(
  messages: readonly NewMessage[],
  costs: readonly TokenCount[],
  probe: Probe,
  budget: TokenCount,
): Known {
  let tokens = 0;
  let first = probe.seq;
  while (first > 1 && tokens + (costs[first - 2] ?? 0) <= budget) {
    first -= 1;
    tokens += costs[first - 1] ?? 0;
  }
  const said = messages.slice(first - 1, probe.seq - 1).map(({ content }) => messageText(content));
  return {
    tokens,
    hasTurn: probe.evidence.some((seq) => seq >= first),
    hasFact: probe.word === null ? null : says(said, probe.word),
    isLost: null,
  };
}

function knownOf({ messages, retrieved, summary, tokens }: Context, { evidence, word }: Probe): Known {
  const there = new Map<number, Content>(messages.map(({ seq, content }) => [seq, content]));
  for (const { message } of retrieved) there.set(message.seq, message.content ?? "");
  const items = (summary?.items ?? []).map(({ text }) => text);
  const isCovered = evidence.every((seq) => seq <= (summary?.throughSeq ?? 0));
  return {
    tokens: tokens.used,
    hasTurn: evidence.some((seq) => there.has(seq)),
    hasFact:
      word === null ? null : says([...items, ...[...there.values()].map((content) => messageText(content))], word),
    isLost: word === null || !isCovered ? null : !says(items, word),
  };
}

function says(texts: readonly string[], word: NonNullable<Probe["word"]>): boolean {
  const evidence = new Evidence();
  for (const text of texts) evidence.add(text);
  return evidence.has(word);
}

// Through a service

const MESSAGES_PER_APPEND = 20;

/** Stores each chat in a session of its own, which is summarized on the way as it would be in use. */
export function loadThrough(service: ServiceAddress): LoadChat {
  return async (messages, settings) => {
    const id = `eval-${crypto.randomUUID()}`;
    const path = `/v1/sessions/${id}`;
    await send(service, "POST", "/v1/sessions", { id, settings });
    for (let from = 0; from < messages.length; from += MESSAGES_PER_APPEND) {
      await send(service, "POST", `${path}/messages`, { messages: messages.slice(from, from + MESSAGES_PER_APPEND) });
      await settle(service, path, []);
    }
    return {
      context: async (atSeq, query) =>
        contextSchema.parse(await send(service, "POST", `${path}/context`, { atSeq, query, format: "threadkeep" })),
      async usage() {
        const lines = (await sendForText(service, "GET", `${path}/export`)).trim().split("\n");
        return lines.reduce<SummarizerUsage | undefined>((sum, line) => {
          const read = transferLineSchema.parse(JSON.parse(line));
          return read.type === "summary" ? addUsage(sum, countedOf(read.usage)) : sum;
        }, undefined);
      },
      async delete() {
        await send(service, "DELETE", path);
      },
    };
  };
}

// Printing

const COLUMNS = [
  "prompt of",
  "sent",
  "turns taken up %",
  "facts that come back %",
  "facts that the summary lost %",
  "tokens a prompt",
  "$ for 1,000 prompts",
];

/** @param price dollars for a million input tokens */
export function showMine({ rows, usage }: MineResult, price: number): string[] {
  const percent = (share: number): string => (Number.isNaN(share) ? "–" : (100 * share).toFixed(1));
  const cells = rows.map(({ sent, budget, takenUp, facts, lost, tokens }) => [
    budget === null ? "any" : budget.toLocaleString("en"),
    sent,
    percent(takenUp),
    percent(facts),
    percent(lost),
    Math.round(tokens).toLocaleString("en"),
    ((tokens * 1_000 * price) / 1_000_000).toFixed(2),
  ]);
  const spent = usage === undefined ? [] : ["", `Usage of the summaries: ${showUsage(usage)}.`];
  return [...showTable(COLUMNS, cells), ...spent];
}

/** Printed if no chat comes back to anything. */
export const NO_PROBES = `No user comes back to something that was said at least ${MIN_GAP_TURNS} messages before. Use longer chats.`;
