/** Embeds queries for requests that cannot wait long. */
import type { EmbeddingUsage, QueryMeaning } from "../api/embedding.ts";
import { setNewest } from "../lib/lru.ts";
import { withTimeout } from "../lib/with-timeout.ts";
import { ProviderError } from "../provider/provider-error.ts";
import type { Embedder } from "./client.ts";

export interface QueryEmbedder {
  readonly model: string;
  /**
   * The vector of a query, or why there is none in time. Never rejects.
   *
   * @param spend is called with the usage whenever a call ends, even after the deadline; not if the vector was cached
   */
  meaningOf(query: string, spend: (usage: EmbeddingUsage, outcome: QueryOutcome) => void): Promise<QueryMeaning>;
}

interface QueryOutcome {
  readonly result: "ok" | "late" | "unavailable";
  readonly durationMs: number;
}

export interface QueryEmbedderOptions {
  readonly embedder: Embedder;
  /** Keeps the invocation alive for work that continues after its response (`ctx.waitUntil`). */
  readonly keepAlive: (work: Promise<unknown>) => void;
  readonly now?: () => number;
  readonly deadlineMs?: number;
}

/**
 * How long a request waits for the vector of its query. People do not notice it, and models on the same continent
 * answer in a third of it.
 * @internal Tests go up to it and past it.
 */
export const QUERY_DEADLINE_MS = 150;
/**
 * An answer after the deadline is still cached for the next request with the same query. A model that takes longer than
 * this is too slow anyway.
 */
const MAX_CALL_MS = 3_000;
/**
 * The same query often comes again within seconds: as a retry, or with another budget. 256 vectors take 1 MiB, or 4 MiB
 * for the largest models.
 */
const MAX_REMEMBERED = 256;
/** Concurrent calls. More would only add to the load of a slow model. */
const MAX_CALLS = 16;
/** As many characters as a query has that is searched by words. */
const MAX_QUERY_CHARACTERS = 2_000;

export function createQueryEmbedder({
  embedder,
  keepAlive,
  now = Date.now,
  deadlineMs = QUERY_DEADLINE_MS,
}: QueryEmbedderOptions): QueryEmbedder {
  /** Vectors by query, the most recent query last. */
  const remembered = new Map<string, Promise<Float32Array>>();
  let calls = 0;

  async function ask(query: string, spend: Parameters<QueryEmbedder["meaningOf"]>[1]): Promise<Float32Array> {
    const startedAt = now();
    calls += 1;
    try {
      const { vectors, usage } = await embedder.embed([query], MAX_CALL_MS);
      const durationMs = now() - startedAt;
      spend(usage, { result: durationMs > deadlineMs ? "late" : "ok", durationMs });
      const [vector] = vectors;
      if (vector === undefined) throw new Error("no vector for the one text");
      return vector;
    } catch (error) {
      remembered.delete(query);
      spend(usageOf(error), { result: "unavailable", durationMs: now() - startedAt });
      throw error;
    } finally {
      calls -= 1;
    }
  }

  return {
    model: embedder.model,
    async meaningOf(text, spend) {
      const query = text.slice(0, MAX_QUERY_CHARACTERS);
      let vector = remembered.get(query);
      if (vector === undefined) {
        if (calls >= MAX_CALLS) return { without: "late" };
        vector = ask(query, spend);
        // Even if nobody waits for it any more.
        keepAlive(vector.catch(() => undefined));
      }
      setNewest(remembered, query, vector, MAX_REMEMBERED);
      const meaning = vector.then(
        (known): QueryMeaning => ({ model: embedder.model, vector: known }),
        (): QueryMeaning => ({ without: "unavailable" }),
      );
      return withTimeout(meaning, deadlineMs, (): QueryMeaning => ({ without: "late" }));
    },
  };
}

function usageOf(error: unknown): EmbeddingUsage {
  return (error instanceof ProviderError ? error.usage : undefined) ?? { inputTokens: 0 };
}
