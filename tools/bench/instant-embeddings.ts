// A stand-in for an embedding model on loopback, which answers at once with a random vector for each text. Vectors without any order are
// the slowest to search: the nearest ones stand in as many different rows as there can be.
import { z } from "zod";
import { sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { findFreePort } from "../../scripts/dev/ports.ts";
import { createRandom } from "../../simulation/random.ts";

export interface InstantEmbeddings {
  /** Variables that make a service use it. */
  readonly env: Record<string, string>;
  close(): Promise<void>;
}

/** As many numbers as vectors of bge-m3 have, the model that the documents recommend. */
export const DIMENSIONS = 1_024;
const NAME = "instant";

const requestSchema = z.object({ input: z.union([z.string(), z.array(z.string())]) });

export async function startInstantEmbeddings(): Promise<InstantEmbeddings> {
  const { url, close } = await serveOnLoopback(
    (_request, response, body) => {
      const { input } = requestSchema.parse(JSON.parse(body.toString()));
      const texts = typeof input === "string" ? [input] : input;
      const data = texts.map((text, index) => ({ object: "embedding", index, embedding: vectorOf(text) }));
      // Nobody is charged, and no budget is used up.
      sendJson(response, 200, { object: "list", model: NAME, data, usage: { prompt_tokens: 1, total_tokens: 1 } });
    },
    await findFreePort(),
  );
  return {
    env: {
      THREADKEEP_EMBEDDINGS: `openai-compatible/${NAME}`,
      THREADKEEP_EMBEDDINGS_BASE_URL: `${url}/v1`,
    },
    close,
  };
}

/** The same for the same text. Three decimal places keep the answers short. */
function vectorOf(text: string): number[] {
  const random = createRandom([...text].reduce((hash, letter) => Math.imul(hash, 31) + letter.charCodeAt(0), 7));
  return Array.from({ length: DIMENSIONS }, () => Math.round(2_000 * random() - 1_000) / 1_000);
}
