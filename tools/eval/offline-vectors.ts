// The vectors of a conversation, made and searched in this process with the code of the service: users' turns, and the items of the summary.
import { DatabaseSync } from "node:sqlite";
import { createEmbedder } from "../../src/embedder/embedder.ts";
import type { NearTurn } from "../../src/prompt/meaning/closeness.ts";
import { textOfItem, textOfTurn } from "../../src/prompt/meaning/texts.ts";
import { ProviderError } from "../../src/provider/provider-error.ts";
import { citedBy, findNear } from "../../src/session/search/near-turns.ts";
import { type OwnedVector, VectorStore } from "../../src/session/search/vector-store.ts";
import { type Conversation, type NearIn, nodeStorage } from "./retrieval.ts";
import { rollItems } from "./rolled-items.ts";

/** Texts of one request. */
const BATCH = 16;
const TIMEOUT_MS = 600_000;

type Embed = (texts: readonly string[]) => Promise<readonly Float32Array[]>;

type Near = (question: string) => readonly NearTurn[];

/** @param baseUrl base URL of a server with OpenAI's API, such as the one that `npm run embeddings` prints */
export function embedderAt(baseUrl: string): Embed {
  const embedder = createEmbedder({
    settings: { provider: "openai-compatible", name: "measured", model: "measured", baseUrl, price: null },
  });
  return async (texts) => {
    let embedded;
    try {
      embedded = await embedder.embed(texts, TIMEOUT_MS);
    } catch (error) {
      // The server closes a connection that was not used while this program searched.
      if (!(error instanceof ProviderError) || error.kind !== "unreachable") throw error;
      embedded = await embedder.embed(texts, TIMEOUT_MS);
    }
    const { vectors } = embedded;
    if (vectors.length < texts.length)
      throw new Error(`${baseUrl} returned ${vectors.length} of ${texts.length} vectors`);
    return vectors;
  };
}

/** Each conversation is embedded once, and each question too. */
export function nearTurnsBy(embed: Embed): NearIn {
  const loaded = new Map<Conversation, Promise<Near>>();
  return (conversation) => {
    const known = loaded.get(conversation) ?? load(conversation, embed);
    loaded.set(conversation, known);
    return known;
  };
}

/** As in a service: it makes vectors of all turns that there are when it gets to them, and a conversation is here before they are made. */
async function load({ turns, questions }: Conversation, embed: Embed): Promise<Near> {
  const placed = rollItems(turns).map((item, at) => ({ row: at + 1, item }));
  const owners = [
    ...turns.flatMap(({ role, content, author }, at) =>
      role === "user" && content.trim() !== ""
        ? [{ owner: { of: "message", seq: at + 1 } as const, text: textOfTurn(content, author) }]
        : [],
    ),
    ...placed.map(({ row, item }) => ({ owner: { of: "item", row } as const, text: textOfItem(item.text) })),
  ];
  const store = new VectorStore(nodeStorage(new DatabaseSync(":memory:")).sql);
  for (let at = 0; at < owners.length; at += BATCH) {
    const batch = owners.slice(at, at + BATCH);
    const vectors = await embed(batch.map(({ text }) => text));
    store.put(
      "measured",
      batch.flatMap(({ owner }, place): OwnedVector[] => {
        const vector = vectors[place];
        return vector === undefined ? [] : [{ owner, vector }];
      }),
    );
  }
  const cited = citedBy(placed);
  const near = new Map<string, readonly NearTurn[]>();
  const asked = [...new Set(questions.map(({ text }) => text))];
  for (let at = 0; at < asked.length; at += BATCH) {
    const batch = asked.slice(at, at + BATCH);
    for (const [place, vector] of (await embed(batch)).entries()) {
      near.set(
        batch[place] ?? "",
        findNear(store, vector, cited, () => true),
      );
    }
  }
  return (question) => near.get(question) ?? [];
}
