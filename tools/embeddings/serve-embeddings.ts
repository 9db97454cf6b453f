// Serves an embedding model on loopback, at the path of OpenAI's API: POST …/v1/embeddings.
import { type LoopbackServer, sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { type Encode, loadSentenceEncoder } from "./sentence-encoder.ts";

/** A request; the names are OpenAI's. */
interface EmbeddingsRequest {
  readonly model?: string;
  readonly input?: string | readonly string[];
}

/** The model's name in THREADKEEP_EMBEDDINGS, after `openai-compatible/`. */
export const SENTENCE_ENCODER = "use-lite";

/** @param port 0 takes any free one */
export async function serveEmbeddings(port = 0): Promise<LoopbackServer> {
  const encode = await loadSentenceEncoder();
  return serveOnLoopback(async (request, response, body) => {
    if (request.method !== "POST" || request.url !== "/v1/embeddings") {
      return sendJson(response, 404, { error: { message: "Ask POST /v1/embeddings" } });
    }
    const asked = textsOf(body.toString());
    if (asked === null)
      return sendJson(response, 400, { error: { message: "input must be a text or a list of texts" } });
    return sendJson(response, 200, await answerOf(asked, encode));
  }, port);
}

async function answerOf(texts: readonly string[], encode: Encode): Promise<object> {
  const vectors = await encode(texts);
  // A token is about four characters of English.
  const tokens = Math.ceil(texts.reduce((sum, { length }) => sum + length, 0) / 4);
  return {
    object: "list",
    model: SENTENCE_ENCODER,
    data: vectors.map((embedding, index) => ({ object: "embedding", index, embedding })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

function textsOf(body: string): readonly string[] | null {
  let request: EmbeddingsRequest;
  try {
    request = JSON.parse(body) as EmbeddingsRequest;
  } catch {
    return null;
  }
  const texts = typeof request.input === "string" ? [request.input] : request.input;
  const isGood = Array.isArray(texts) && texts.every((text) => typeof text === "string" && text !== "");
  return isGood ? texts : null;
}
