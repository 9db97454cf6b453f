import { expect, it } from "vitest";
import { createRandom } from "../../simulation/random.ts";
import type { Hello } from "../../src/api/live.ts";
import {
  chatOf,
  evictDurableObject,
  follow,
  type LiveClient,
  said,
  sessionAt,
  stubAt,
  until,
  unwrap,
} from "../support/session.ts";

const STEPS = 60;
const READERS = 6;

/** A client that comes and goes, and records what it receives. */
interface Wanderer {
  known: number;
  readonly revs: number[];
  client: LiveClient | null;
}

async function come(ref: Parameters<typeof follow>[0], reader: Wanderer): Promise<void> {
  const client = await follow(ref, reader.known);
  reader.client = client;
  client.socket.addEventListener("message", ({ data }) => {
    const frame: { type: string; rev?: number } = JSON.parse(String(data));
    // Events after it has disconnected do not count.
    if (frame.type === "hello" || frame.rev === undefined || reader.client !== client) return;
    reader.revs.push(frame.rev);
    reader.known = frame.rev;
    client.send({ type: "ack", rev: frame.rev });
  });
}

it.each([1, 2, 3])(
  "readers that come and go at random receive each event once, in order, over evictions (seed %i)",
  async (seed) => {
    const random = createRandom(seed);
    const ref = await chatOf(1);
    const session = sessionAt(ref);
    const readers: Wanderer[] = Array.from({ length: READERS }, () => ({ known: 0, revs: [], client: null }));
    let headSeq = 1;
    for (let step = 0; step < STEPS; step += 1) {
      const reader = readers[Math.floor(random() * READERS)];
      const choice = random();
      const seq = 1 + Math.floor(random() * headSeq);
      if (choice < 0.35) {
        const count = 1 + Math.floor(random() * 12);
        const messages = Array.from({ length: count }, (_, index) => said(`message ${headSeq + index + 1}`));
        ({ headSeq } = unwrap(await session.append({ messages }, null)));
      } else if (choice < 0.45) await session.editMessage(`seq-${seq}`, { content: `edited in step ${step}` });
      else if (choice < 0.5) await session.eraseMessage(`seq-${seq}`);
      else if (choice < 0.6) {
        // Only a running object can be evicted.
        await session.state();
        await evictDurableObject(stubAt(ref), { webSockets: random() < 0.7 ? "hibernate" : "close" });
      } else if (reader !== undefined && reader.client === null) await come(ref, reader);
      else if (reader !== undefined && choice < 0.85) {
        const { client } = reader;
        reader.client = null;
        client?.socket.close(1000);
      }
      for (const gone of readers.filter(({ client }) => client?.closed() !== null)) gone.client = null;
    }
    const whole: Wanderer = { known: 0, revs: [], client: null };
    for (const reader of [whole, ...readers]) {
      reader.client = null;
      await come(ref, reader);
    }
    const hello = await whole.client?.find<Hello>("hello", ({ type }) => type === "hello");
    await until("all have come to the end", async () => [whole, ...readers].every(({ known }) => known === hello?.rev));
    expect(whole.revs.length).toBeGreaterThan(STEPS / 2);
    expect(whole.revs).toEqual(whole.revs.map((_, place) => (whole.revs[0] ?? 0) + place));
    for (const { revs } of readers) expect(revs).toEqual(whole.revs);
  },
);
