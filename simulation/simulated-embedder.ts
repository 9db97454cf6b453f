import type { Passage } from "./activity.ts";
import { Random } from "./random.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** A model of meaning that knows words: the vector of a text is the sum of its words' vectors, always the same. */

export const EMBEDDING_MODEL = "simulated/words";
/** Few dimensions, because a step compares all vectors with their texts. */
const DIMENSIONS = 16;

export function vectorOf(text: string): Float32Array {
  const sum = new Float32Array(DIMENSIONS).fill(0.01);
  for (const word of text.match(/\w+/g) ?? []) {
    const random = new Random([...word].reduce((hash, letter) => Math.imul(hash, 31) + letter.charCodeAt(0), 7));
    for (let at = 0; at < DIMENSIONS; at += 1) sum[at] = (sum[at] ?? 0) + random.next() - 0.5;
  }
  return sum;
}

interface Embedded {
  readonly vectors: readonly Float32Array[];
  readonly usage: { readonly inputTokens: number };
}

/** The consumer's embedder. Sometimes it fails, and sometimes it returns only some of the vectors. */
export async function embed(world: World, texts: readonly string[], passage: Passage): Promise<Embedded> {
  const { ProviderError } = world.system;
  if (texts.length === 0) throw new Violation(10, "the model of vectors is paid for no text");
  if (texts.some((text) => text.trim() === ""))
    throw new Violation(10, "the model of vectors is paid for an empty text");
  const usage = { inputTokens: 3 * texts.length };
  if (passage === "faulty") {
    const choice = world.random.next();
    if (choice < 0.3) throw new ProviderError("unreachable", "HTTP 503");
    if (choice < 0.5)
      throw new ProviderError("rate_limited", "HTTP 429", {
        retryAfterSeconds: 60,
        usage: { ...usage, outputTokens: 0 },
      });
    if (choice < 0.7) throw new Error("the isolate ran out of memory, as the simulation asked");
    return { vectors: texts.slice(0, world.random.below(texts.length)).map(vectorOf), usage };
  }
  return { vectors: texts.map(vectorOf), usage };
}
