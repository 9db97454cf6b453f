/** The meaning of a query, for a read that does not wait for it. */
import type { EmbeddingUsage, QueryMeaning } from "../api/embedding.ts";
import { setNewest } from "../lib/lru.ts";
import { withTimeout } from "../lib/with-timeout.ts";
import { type Embedder, EmbedderError } from "./client.ts";

export interface QueryEmbedder {
  readonly model: string;
  /**
   * What a query means, or why that is not known in time. Never rejects.
   *
   * @param spend told what a call took, whenever it ends; not where the answer is remembered
   */
  meaningOf(query: string, spend: (usage: EmbeddingUsage, outcome: QueryOutcome) => void): Promise<QueryMeaning>;
}

export interface QueryOutcome {
  readonly result: "ok" | "late" | "unavailable";
  readonly durationMs: number;
}

export interface QueryEmbedderOptions {
  readonly embedder: Embedder;
  /** Keeps what goes on after its request was answered alive. */
  readonly keepAlive: (work: Promise<unknown>) => void;
  readonly now?: () => number;
  readonly deadlineMs?: number;
}

/** A read waits for the meaning of its query for so long: a person does not notice it, and models on the same continent answer in a third of it. */
export const QUERY_DEADLINE_MS = 150;
/** An answer after the deadline serves those who ask the same again. One later than this comes from a model that is too slow for any. */
const MAX_CALL_MS = 3_000;
/** The same question is often asked again within seconds: by a retry, or with another budget. 256 vectors take 1 MiB, or 4 of the largest. */
const MAX_REMEMBERED = 256;
/** Calls at a time. Past that a model that answers slowly would only be given more to do. */
const MAX_CALLS = 16;
/** As many as a query has that is looked for by its words. */
const MAX_QUERY_CHARACTERS = 2_000;

export function createQueryEmbedder({
  embedder,
  keepAlive,
  now = Date.now,
  deadlineMs = QUERY_DEADLINE_MS,
}: QueryEmbedderOptions): QueryEmbedder {
  /** By query, the one asked last at the end. */
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
        // Whether anybody still waits for it or not.
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
  return (error instanceof EmbedderError ? error.usage : undefined) ?? { inputTokens: 0 };
}
