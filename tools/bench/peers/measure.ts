// Measures one memory at one size of the past: what an append and a reading take.
import { type Distribution, distributionOf } from "../statistics.ts";
import { createTalk } from "../talk.ts";
import type { Peer, Size } from "./peer.ts";
import { growth } from "./sizes.ts";

const WARM_UPS = 10;

export interface Measured {
  readonly messages: number;
  readonly append: Distribution | null;
  readonly next: Distribution | null;
  /** How many messages the last reading returned. */
  readonly given: number;
  /** Bytes and rows of the past. */
  readonly size: Size;
  /** How many bytes each append adds, on average. */
  readonly bytesAnAppend: number | null;
}

export async function measurePeer(
  peer: Peer,
  messages: number,
  samples: number,
  signal: AbortSignal,
): Promise<Measured> {
  const talk = createTalk(1);
  const conversation = await peer.converse(`peer-${messages}`);
  const before = await conversation.size();
  await conversation.fill(Array.from({ length: messages }, talk));
  const filled = await conversation.size();
  const append: number[] = [];
  const next: number[] = [];
  let given = 0;
  for (let round = -WARM_UPS; round < samples; round += 1) {
    signal.throwIfAborted();
    const turn = talk();
    const startedAt = performance.now();
    await conversation.append(turn);
    const appendedAt = performance.now();
    given = await conversation.next();
    const readAt = performance.now();
    if (round < 0) continue;
    append.push(appendedAt - startedAt);
    next.push(readAt - appendedAt);
  }
  if (given === 0) throw new Error("it returned no message");
  const { bytes } = growth(filled, await conversation.size());
  return {
    messages,
    append: distributionOf(append),
    next: distributionOf(next),
    given,
    size: growth(before, filled),
    bytesAnAppend: bytes === null ? null : bytes / (samples + WARM_UPS),
  };
}
