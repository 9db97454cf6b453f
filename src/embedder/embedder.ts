import type { EmbeddingUsage } from "../api/embedding.ts";
import { createCircuitBreaker } from "../provider/circuit-breaker.ts";
import { loadOnFirstCall } from "../provider/load-on-first-call.ts";
import { ProviderError } from "../provider/provider-error.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import type { Embedded, Embedder } from "./client.ts";
import type { EmbeddingProvider } from "./embedding-models.ts";
import { readVectors } from "./read-vectors.ts";

/** A model's answer to one request: vectors, not validated, and tokens, null if the provider does not report them. */
interface Answered {
  readonly vectors: readonly unknown[];
  readonly tokens: number | null;
}

/** @throws {ProviderError}, or anything once `signal` is aborted */
export type AskVectors = (texts: readonly string[], signal: AbortSignal) => Promise<Answered>;

export type EmbeddingSettings = EmbeddingProvider & {
  /** Provider and model, as configured. */
  readonly name: string;
  /** US dollars per million tokens, which equals micro-dollars per token; null: costs are not reported. */
  readonly price: number | null;
};

export interface EmbedderOptions {
  readonly settings: EmbeddingSettings;
  /** Default: the configured model, called with the AI SDK. */
  readonly ask?: AskVectors;
  /** ms since 1970 */
  readonly now?: () => number;
}

/**
 * Workers AI accepts 100 texts per request, but small servers keep all of them in memory at once.
 * @internal Tests go up to it and past it.
 */
export const MAX_TEXTS_PER_REQUEST = 64;
/** A server on a laptop processes this much in a few seconds. */
const MAX_REQUEST_CHARACTERS = 128 * 1024;
/**
 * A vector represents the subject of a text, which its beginning shows. Current models accept 8,192 tokens, and few
 * texts have more than one token per character.
 */
const MAX_TEXT_CHARACTERS = 4_000;
/**
 * The length to which texts are cut if a model refuses them as too long; the smallest current models accept 512 tokens.
 */
const SHORT_TEXT_CHARACTERS = 400;
/** The largest request takes this long on a server without an accelerator. */
const REQUEST_TIMEOUT_MS = 30_000;

/** Statuses with which servers refuse a text that is too long for their model. */
const TOO_LONG: ReadonlySet<number | undefined> = new Set([400, 413, 422]);

export function createEmbedder({ settings, ask, now = Date.now }: EmbedderOptions): Embedder {
  const askModel = ask ?? loadOnFirstCall(async () => (await import("./embedding-call.ts")).createAskVectors(settings));
  const breaker = createCircuitBreaker({ name: "the provider of embeddings", now });

  async function request(texts: readonly string[], timeoutMs: number): Promise<Embedded> {
    const timeout = AbortSignal.timeout(timeoutMs);
    let answered: Answered;
    try {
      answered = await askModel(texts, timeout);
    } catch (error) {
      if (timeout.aborted) throw new ProviderError("timeout", "no answer in time");
      throw error;
    }
    const usage = usageOf(answered.tokens ?? texts.reduce((sum, text) => sum + estimateTokens(text), 0));
    try {
      return { vectors: readVectors(answered.vectors, texts.length), usage };
    } catch (error) {
      // The request was paid for, although its answer is invalid.
      throw error instanceof ProviderError ? error.withUsage({ ...usage, outputTokens: 0 }) : error;
    }
  }

  async function requestShorter(texts: readonly string[], timeoutMs: number): Promise<Embedded> {
    try {
      return await request(texts, timeoutMs);
    } catch (error) {
      const isTooLong = error instanceof ProviderError && TOO_LONG.has(error.status);
      if (!isTooLong || !texts.some(({ length }) => length > SHORT_TEXT_CHARACTERS)) throw error;
      // Otherwise a single text that the model refuses would keep all other texts of its session from being embedded.
      return request(
        texts.map((text) => cut(text, SHORT_TEXT_CHARACTERS)),
        timeoutMs,
      );
    }
  }

  function usageOf(inputTokens: number): EmbeddingUsage {
    return settings.price === null
      ? { inputTokens }
      : { inputTokens, costMicroDollars: Math.round(inputTokens * settings.price) };
  }

  return {
    model: settings.name,
    maxTexts: MAX_TEXTS_PER_REQUEST,
    isResting: breaker.isOpen,
    async embed(texts, timeoutMs = REQUEST_TIMEOUT_MS) {
      const vectors: Float32Array[] = [];
      let usage: EmbeddingUsage = usageOf(0);
      for (const part of partsOf(texts.map((text) => cut(text, MAX_TEXT_CHARACTERS)))) {
        try {
          const embedded = await breaker.run(() => requestShorter(part, timeoutMs));
          vectors.push(...embedded.vectors);
          usage = added(usage, embedded.usage);
        } catch (error) {
          // The vectors so far were paid for, so they are kept.
          if (vectors.length === 0) throw error;
          return { vectors, usage: added(usage, error instanceof ProviderError ? error.usage : undefined) };
        }
      }
      return { vectors, usage };
    },
  };
}

/** Splits texts into requests that respect both limits. */
function* partsOf(texts: readonly string[]): Generator<string[]> {
  let part: string[] = [];
  let characters = 0;
  for (const text of texts) {
    if (
      part.length >= MAX_TEXTS_PER_REQUEST ||
      (part.length > 0 && characters + text.length > MAX_REQUEST_CHARACTERS)
    ) {
      yield part;
      [part, characters] = [[], 0];
    }
    part.push(text);
    characters += text.length;
  }
  if (part.length > 0) yield part;
}

/** Cuts a text, never inside a surrogate pair. An empty text becomes "-", because providers refuse it. */
function cut(text: string, length: number): string {
  const first = text.slice(0, length);
  const bare = text.length > length ? first.replace(/[\uD800-\uDBFF]$/, "") : first;
  return bare.trim() === "" ? "-" : bare;
}

function added(usage: EmbeddingUsage, more: EmbeddingUsage | undefined): EmbeddingUsage {
  if (more === undefined) return usage;
  const inputTokens = usage.inputTokens + more.inputTokens;
  if (usage.costMicroDollars === undefined) return { inputTokens };
  return { inputTokens, costMicroDollars: usage.costMicroDollars + (more.costMicroDollars ?? 0) };
}
