import type { Content } from "../src/api/message.ts";
import { storedBytes, storeVector, unitVector } from "../src/prompt/meaning/vector.ts";
import { messageText } from "../src/prompt/message-text.ts";
import { value } from "./check-log.ts";
import { pathTo } from "./model.ts";
import { itemsIn } from "./rows.ts";
import { EMBEDDING_MODEL, vectorOf } from "./simulated-embedder.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** The number of vectors in a row, for each of the two kinds of rows. */
const CODES_PER_ROW = 256;
const VECTORS_PER_ROW = 8;
/** What a model gets of a text. */
const MAX_TEXT_LENGTH = 4_000;

/** Promise 9: each vector belongs to something that is there, as it is now, and to nothing that was edited, erased or dropped from the summary. */
export function checkVectors({ label, model, object: { disk } }: SimulatedSession): void {
  if (!disk.hasTable("vector_state")) return;
  if (model === null || model.status !== "active") {
    throw new Violation(9, `${label} cannot be read any more, but has vectors`);
  }
  const [state] = disk.read("SELECT dimensions FROM vector_state");
  const bytes = storedBytes(Number(state?.["dimensions"]));
  const blocks = new Map(
    disk.read("SELECT row, vectors FROM vector_blocks WHERE row > 0").map((row) => [row["row"], row["vectors"]]),
  );
  for (const { row, owners } of disk.read("SELECT row, owners FROM vector_codes WHERE row > 0")) {
    const numbers = new Int32Array(Uint8Array.from(owners as Uint8Array).buffer);
    for (const [at, owner] of numbers.entries()) {
      const place = (Number(row) - 1) * CODES_PER_ROW + at;
      const block = blocks.get(Math.floor(place / VECTORS_PER_ROW) + 1);
      if (!(block instanceof Uint8Array)) continue;
      const from = (place % VECTORS_PER_ROW) * bytes;
      const held = Buffer.from(block.subarray(from, from + bytes));
      const text = owner === 0 ? null : owner > 0 ? turnOf(model.log[owner - 1]) : itemOf(disk, -owner);
      if (owner !== 0 && text === null) throw new Violation(9, `${label} has a vector of ${owner}, which has no text`);
      const due = text === null ? Buffer.alloc(bytes) : Buffer.from(storeVector(unitVector(vectorOf(text))));
      if (!held.equals(due))
        throw new Violation(9, `the vector at ${place} of ${label} does not belong to the current text of ${owner}`);
    }
  }
}

interface Turn {
  readonly role: string;
  readonly author: string | undefined;
  readonly content: Content | null;
}

/** What the model gets of a turn: its author's name comes first, where it has one. */
function turnOf(message: Turn | undefined): string | null {
  if (message === undefined || message.content === null || message.role !== "user") return null;
  const text = messageText(message.content);
  return (message.author === undefined ? text : `${message.author}: ${text}`).slice(0, MAX_TEXT_LENGTH);
}

function itemOf(disk: SimulatedSession["object"]["disk"], row: number): string | null {
  const item = itemsIn(disk).find(({ place }) => place === row);
  return item === undefined ? null : item.text.slice(0, MAX_TEXT_LENGTH);
}

/** What is found by meaning is on the branch that is read. */
export async function checkFoundByMeaning(world: World, session: SimulatedSession, query: string): Promise<void> {
  const { model, object, label } = session;
  if (!world.hasEmbedder || model === null || model.status !== "active" || query === "") return;
  const meaning = { model: EMBEDDING_MODEL, vector: vectorOf(query) };
  const outcome = await object.call("search", (instance) => instance.search({ query, limit: 50 }, meaning));
  const path = pathTo(model.log, model.headSeq);
  for (const { message } of value(outcome, "search").data) {
    if (!path.has(message.seq)) throw new Violation(5, `${label} finds seq ${message.seq}, which is off its branch`);
    if (model.log[message.seq - 1]?.content === null) throw new Violation(9, `${label} finds what is erased`);
  }
}
