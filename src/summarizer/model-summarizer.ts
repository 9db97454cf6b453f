import type { TokenCount } from "../api/message.ts";
import type { ProposedItem, SummarizerAnswer, SummarizerRequest, SummarizerUsage } from "../api/summarizer.ts";
import { ProviderError } from "../provider/provider-error.ts";
import { nameItems } from "./item-names.ts";
import { readAnswer } from "./model-answer.ts";
import { buildPrompt, repairRequest } from "./prompt.ts";
import type { Summarizer } from "./summarizer.ts";

/** Time limit for both calls of a summary together. */
const MODEL_TIMEOUT_MS = 110_000;

/** Tokens of output per token of the items' budget, because JSON, ids and sources surround the text. */
const OUTPUT_PER_ITEM_TOKEN = 4;
/** Room for a model that thinks first. */
const THINKING_TOKENS = 4_096;
/** The smallest output limit of the models in use; some refuse a call that asks for more. */
const MAX_OUTPUT_TOKENS = 16_000;
/** The first answer and one correction. If a third call were needed, a person should look at the model. */
const MAX_ATTEMPTS = 2;
/** How much of a faulty answer is shown to the model again. More would cost more than it explains. */
const MAX_SHOWN_CHARACTERS = 32_000;

interface ModelTurn {
  readonly role: "user" | "assistant";
  readonly text: string;
}

export interface ModelQuestion {
  readonly system: string;
  readonly turns: readonly ModelTurn[];
  readonly maxOutputTokens: TokenCount;
  readonly signal: AbortSignal;
}

export interface ModelReply {
  /** The JSON of the answer, not validated; undefined if it contains none. */
  readonly data: unknown;
  readonly text: string;
  /** Whether it was cut off by the output limit. */
  readonly isCut: boolean;
  /** Null if the provider does not report usage. */
  readonly usage: SummarizerUsage | null;
}

/** @throws {ProviderError}, or anything once `signal` is aborted */
export type AskModel = (question: ModelQuestion) => Promise<ModelReply>;

/** US dollars per million tokens, which equals micro-dollars per token. */
export interface ModelPrices {
  readonly input: number;
  readonly output: number;
}

export interface ModelSummarizerOptions {
  /** Stored with each answer: `anthropic/claude-haiku-4-5`. */
  readonly name: string;
  readonly ask: AskModel;
  readonly prices: ModelPrices | null;
  /** Default: `MODEL_TIMEOUT_MS`. */
  readonly timeoutMs?: number;
  /** Makes the random mark around the data of a prompt; new for each call. */
  readonly newMark?: () => string;
}

/** Adds up the usage of one summary's calls. Undefined if the provider does not report usage. */
class Meter {
  #usage: SummarizerUsage | undefined;
  readonly #prices: ModelPrices | null;

  constructor(prices: ModelPrices | null) {
    this.#prices = prices;
  }

  add(usage: SummarizerUsage | null): void {
    if (usage === null) return;
    const { inputTokens = 0, outputTokens = 0 } = this.#usage ?? {};
    this.#usage = {
      inputTokens: inputTokens + usage.inputTokens,
      outputTokens: outputTokens + usage.outputTokens,
    };
  }

  total(): SummarizerUsage | undefined {
    return this.#usage === undefined ? undefined : costOf(this.#usage, this.#prices);
  }
}

/** Adds the cost, if prices are configured. */
export function costOf({ inputTokens, outputTokens }: SummarizerUsage, prices: ModelPrices | null): SummarizerUsage {
  if (prices === null) return { inputTokens, outputTokens };
  const cost = inputTokens * prices.input + outputTokens * prices.output;
  return { inputTokens, outputTokens, costMicroDollars: Math.round(cost) };
}

function outputLimit(maxTokens: TokenCount): TokenCount {
  return Math.min(MAX_OUTPUT_TOKENS, maxTokens * OUTPUT_PER_ITEM_TOKEN + THINKING_TOKENS);
}

const CUT_OFF = {
  ok: false,
  faults: ["it was cut off, because it was too long: write fewer and shorter items"],
} as const;

function repairTurns(reply: ModelReply, faults: readonly string[]): ModelTurn[] {
  // An answer that was cut off is not useful to the model, and providers refuse empty turns.
  const isShown = !reply.isCut && reply.text.trim() !== "";
  return [
    ...(isShown ? [{ role: "assistant", text: reply.text.slice(0, MAX_SHOWN_CHARACTERS) } as const] : []),
    { role: "user", text: repairRequest(faults) },
  ];
}

type Asked = { readonly items: ProposedItem[] } | { readonly faults: readonly string[] };

/**
 * A summarizer that uses a language model: one call and, if the answer has faults, a second one that lists them. The
 * usage includes both calls, also if they fail.
 */
export function createModelSummarizer(options: ModelSummarizerOptions): Summarizer {
  const { name, ask, prices, timeoutMs = MODEL_TIMEOUT_MS, newMark = () => crypto.randomUUID() } = options;

  async function askFor(request: SummarizerRequest, meter: Meter, signal: AbortSignal): Promise<Asked> {
    const names = nameItems(request.previous);
    const { system, user } = buildPrompt(request, names, newMark());
    const maxOutputTokens = outputLimit(request.maxTokens);
    const turns: ModelTurn[] = [{ role: "user", text: user }];
    let faults: readonly string[] = [];
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const reply = await ask({ system, turns, maxOutputTokens, signal });
      meter.add(reply.usage);
      const read = reply.isCut ? CUT_OFF : readAnswer(reply.data, request, names);
      if (read.ok) return { items: read.items };
      ({ faults } = read);
      turns.push(...repairTurns(reply, faults));
    }
    return { faults };
  }

  return {
    name,
    async summarize(request, signal): Promise<SummarizerAnswer> {
      // Without any text there is nothing to pay a model for.
      if (request.messages.every(({ text }) => text.trim() === "")) return { items: request.previous, model: name };
      const meter = new Meter(prices);
      const limit = AbortSignal.timeout(timeoutMs);
      let asked: Asked;
      try {
        asked = await askFor(request, meter, signal === undefined ? limit : AbortSignal.any([limit, signal]));
      } catch (error) {
        signal?.throwIfAborted();
        if (limit.aborted) {
          const usage = meter.total();
          throw new ProviderError("timeout", `no answer of the model within ${timeoutMs / 1_000} s`, { usage });
        }
        throw error instanceof ProviderError ? error.withUsage(meter.total()) : error;
      }
      const usage = meter.total();
      if ("faults" in asked) {
        throw new ProviderError("invalid_answer", asked.faults[0] ?? "it has faults", { usage });
      }
      return { items: asked.items, model: name, ...(usage === undefined ? {} : { usage }) };
    },
  };
}
