// Load beyond a human pace on one part, while the other chats continue.
import { setTimeout as sleep } from "node:timers/promises";
import { RequestFailure } from "../bench/client.ts";
import { Chat } from "./chat.ts";
import type { Customer } from "./customers.ts";
import type { Recorder } from "./recorder.ts";

/** How many requests one customer's back end keeps in progress; each answer starts the next request. */
const FLOOD_CONNECTIONS = 32;
/** Wait after a refusal. Without it a loop of refusals would only measure the sender. */
const REFUSED_PAUSE_MS = 10;

export interface Heat {
  /** The sessions that it appends to. They are read back like all others. */
  readonly chats: readonly Chat[];
  /** Requests that the limits refused, as intended. */
  readonly refused: () => number;
  /** Runs from `fromMs` to `throughMs` after `startedAt`. */
  run(startedAt: number, fromMs: number, throughMs: number, signal: AbortSignal): Promise<void>;
}

const HOT_SESSION = "append to the hot session";
const HOT_TENANT = "append of the hot customer";

/** Appends to one session at a fixed rate that does not wait for answers. */
export function heatSession(customer: Customer, perSecond: number, seed: number, recorder: Recorder): Heat {
  const chat = new Chat("hot-session", customer, seed);
  return {
    chats: [chat],
    refused: () => 0,
    async run(startedAt, fromMs, throughMs, signal) {
      const sent: Promise<void>[] = [];
      for (let dueMs = fromMs; dueMs < throughMs; dueMs += 1_000 / perSecond) {
        const waitMs = startedAt + dueMs - performance.now();
        if (waitMs > 0) await sleep(waitMs, undefined, { signal });
        sent.push(recorder.time(HOT_SESSION, startedAt + dueMs, () => chat.append(false)));
      }
      await Promise.all(sent);
    },
  };
}

/** One customer sends as fast as it is answered, to sessions of its own. Refusals are expected, because that is what the limits do. */
export function heatTenant(customer: Customer, seed: number, recorder: Recorder): Heat {
  const chats = Array.from(
    { length: FLOOD_CONNECTIONS },
    (_, index) => new Chat(`hot-tenant-${index}`, customer, seed + index),
  );
  let refused = 0;
  return {
    chats,
    refused: () => refused,
    async run(startedAt, fromMs, throughMs, signal) {
      const waitMs = startedAt + fromMs - performance.now();
      if (waitMs > 0) await sleep(waitMs, undefined, { signal });
      const loop = async (chat: Chat): Promise<void> => {
        while (performance.now() < startedAt + throughMs && !signal.aborted) {
          let isRefused = false;
          await recorder.time(HOT_TENANT, performance.now(), async () => {
            await chat.append(false).catch((error: unknown) => {
              isRefused = error instanceof RequestFailure && error.kind.startsWith("429");
              if (!isRefused) throw error;
            });
          });
          if (!isRefused) continue;
          refused += 1;
          await sleep(REFUSED_PAUSE_MS, undefined, { signal });
        }
      };
      await Promise.all(chats.map(loop));
    },
  };
}
