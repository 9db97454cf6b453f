// Readers that drop and reopen their sockets at random moments, during pauses and restarts. Each must see each event once.
import { setTimeout as sleep } from "node:timers/promises";
import { createRandom } from "../../simulation/random.ts";
import { Follower, type Place } from "./follower.ts";
import { createSession, write } from "./writer.ts";

/** A session accepts 100 sockets. Other readers wait for a place, and then read from the log what they missed. */
const MAX_OPEN = 90;
/** The most events that a reader stays connected for. */
const MAX_STAY_EVENTS = 1_500;
const MAX_BATCH = 20;
const LOOK_EVERY_MS = 20;

export interface ResumeOptions {
  readonly sockets: number;
  readonly events: number;
  /** Disturbances of the service, at equal distances during the run. Each resolves when the service is back. */
  readonly disturbances: readonly (() => Promise<void>)[];
  readonly seed: number;
  readonly signal: AbortSignal;
  onProgress(events: number): void;
}

export interface ResumeReport {
  readonly events: number;
  readonly deliveries: number;
  readonly connections: number;
  readonly seconds: number;
  /** Readers that missed, repeated or reordered an event. */
  readonly faults: readonly string[];
}

interface Visitor {
  readonly follower: Follower;
  /** The reader disconnects after this many events. */
  leavesAt: number;
}

export async function runResume(place: () => Place, options: ResumeOptions): Promise<ResumeReport> {
  const random = createRandom(options.seed);
  const startedAt = performance.now();
  const visitors = Array.from({ length: options.sockets }, () => ({ follower: new Follower(), leavesAt: 0 }));
  const state = { isWriting: true };
  await createSession(place);
  const coming = comeAndGo(place, visitors, random, state, options.signal);
  try {
    await writeEvents(place, options, random);
  } finally {
    state.isWriting = false;
  }
  await coming;
  const last = Math.max(...visitors.map(({ follower }) => follower.known));
  const counts = visitors.map(({ follower }) => follower.count);
  return {
    events: Math.max(...counts),
    deliveries: counts.reduce((sum, count) => sum + count, 0),
    connections: visitors.reduce((sum, { follower }) => sum + follower.connections, 0),
    seconds: (performance.now() - startedAt) / 1_000,
    faults: visitors.flatMap(({ follower }, reader) => {
      const { fault, known, count } = follower;
      if (fault !== null) return [`reader ${reader} ${fault}`];
      if (known !== last || count !== options.events)
        return [`reader ${reader} saw ${count} of ${options.events} events`];
      return [];
    }),
  };
}

/** Appends, with an edit or an erasure now and then, until there are this many events. */
async function writeEvents(place: () => Place, options: ResumeOptions, random: () => number): Promise<void> {
  const { events, disturbances, signal } = options;
  let done = 0;
  let seq = 0;
  let disturbed = 0;
  const erased = new Set<number>();
  while (done < events) {
    signal.throwIfAborted();
    const next = disturbances[disturbed];
    if (next !== undefined && done >= ((disturbed + 1) * events) / (disturbances.length + 1)) {
      disturbed += 1;
      await next();
    }
    const choice = random();
    const target = 1 + Math.floor(random() * Math.max(1, seq));
    if (choice < 0.1 && seq > 0 && !erased.has(target)) {
      const path = `/${place().session}/messages/m-${target}`;
      if (choice < 0.03) {
        erased.add(target);
        await write(place, { method: "DELETE", path });
      } else await write(place, { method: "PATCH", path, body: { metadata: { edit: done } } });
      done += 1;
    } else {
      const count = Math.min(events - done, 1 + Math.floor(random() * MAX_BATCH));
      const messages = Array.from({ length: count }, (_, index) => ({
        id: `m-${seq + index + 1}`,
        role: "user",
        content: `Message ${seq + index + 1} of this session.`,
      }));
      await write(place, { method: "POST", path: `/${place().session}/messages`, body: { messages } });
      seq += count;
      done += count;
    }
    options.onProgress(done);
  }
}

/** Connects and disconnects readers while events are written, and then lets all of them read to the end. */
async function comeAndGo(
  place: () => Place,
  visitors: readonly Visitor[],
  random: () => number,
  state: { readonly isWriting: boolean },
  signal: AbortSignal,
): Promise<void> {
  let end = Infinity;
  while (!signal.aborted) {
    if (!state.isWriting && end === Infinity) end = await newestRev(place());
    for (const visitor of visitors) {
      const { follower, leavesAt } = visitor;
      if (follower.isConnected && (follower.count >= leavesAt || follower.known >= end)) follower.drop();
    }
    const waiting = visitors.filter(({ follower }) => !follower.isConnected && follower.known < end);
    const open = visitors.filter(({ follower }) => follower.isConnected).length;
    if (waiting.length === 0 && open === 0) return;
    const comers = Array.from({ length: Math.min(waiting.length, MAX_OPEN - open) }, () =>
      waiting.splice(Math.floor(random() * waiting.length), 1),
    ).flat();
    await Promise.all(
      comers.map(async (visitor) => {
        visitor.leavesAt = visitor.follower.count + 1 + Math.floor(random() * MAX_STAY_EVENTS);
        await visitor.follower.connect(place());
      }),
    );
    await sleep(LOOK_EVERY_MS);
  }
}

/** The feed's last `rev` after all writes. */
async function newestRev(place: Place): Promise<number> {
  const answer = await fetch(`${place.url}/v1/sessions/${place.session}/live`, {
    headers: { authorization: `Bearer ${place.apiKey}`, accept: "text/event-stream" },
  });
  const reader = answer.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  await reader?.cancel();
  const text = new TextDecoder().decode(value);
  return Number(/"rev":(\d+)/.exec(text)?.[1] ?? 0);
}
