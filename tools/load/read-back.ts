// After the load: compares what the sessions contain with what clients were told.
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { contextSchema } from "../../src/api/context.ts";
import { pageSchema } from "../../src/api/page.ts";
import { sessionStateSchema, type SessionState } from "../../src/api/session.ts";
import { type Answer, RequestFailure } from "../bench/client.ts";
import { missingFrom } from "../drills/load.ts";
import type { Chat } from "./chat.ts";

const CONCURRENCY = 16;
const PAGE = 100;
const TRIES = 60;
const PAUSE_MS = 500;
const MAX_EXAMPLES = 10;

/** The fields of a message that are compared. */
const storedPageSchema = pageSchema(z.object({ id: z.string(), seq: z.int(), role: z.string(), content: z.unknown() }));
type Stored = z.infer<typeof storedPageSchema>["data"][number];

export interface ReadBack {
  readonly sessions: number;
  /** Messages found in the sessions. */
  readonly messages: number;
  /** Acknowledged messages that are missing or changed. */
  readonly lost: number;
  /** Messages that are stored twice, out of order, or were never sent. */
  readonly doubled: number;
  /** Seqs that a context does not mention. */
  readonly gaps: number;
  /** Sessions that could not be read to the end. */
  readonly unread: number;
  /** Sessions whose summary or archive was not complete in time. */
  readonly unsettled: number;
  /** The first faults, in words. */
  readonly examples: readonly string[];
  /** By the session's id. */
  readonly states: ReadonlyMap<string, SessionState>;
}

export interface ReadBackParts {
  readonly chats: readonly Chat[];
  readonly settleSeconds: number;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

/** Call it when the load is over. */
export async function readAllBack({ chats, settleSeconds, signal, onProgress }: ReadBackParts): Promise<ReadBack> {
  const deadline = Date.now() + settleSeconds * 1_000;
  const examples: string[] = [];
  const states = new Map<string, SessionState>();
  const counts = { messages: 0, lost: 0, doubled: 0, gaps: 0, unread: 0, unsettled: 0 };
  const note = (kind: keyof typeof counts, count: number, text: string): void => {
    if (count === 0) return;
    counts[kind] += count;
    if (examples.length < MAX_EXAMPLES) examples.push(text);
  };
  const readBack = async (chat: Chat): Promise<void> => {
    const { found, state, unmentioned } = await readSession(chat, deadline, signal);
    states.set(chat.id, state);
    counts.messages += found.length;
    const { lost, doubled } = compare(chat, found);
    note("lost", lost.length, `${chat.id}: lost ${lost.slice(0, 3).join(", ")}`);
    note("doubled", doubled.length, `${chat.id}: ${doubled.slice(0, 3).join(", ")}`);
    note("gaps", unmentioned.length, `${chat.id}: the context does not mention ${unmentioned.slice(0, 3).join(", ")}`);
    const isUnsettled = state.summaryPending || !state.archived;
    note("unsettled", isUnsettled ? 1 : 0, `${chat.id}: pending ${state.summaryPending}, archived ${state.archived}`);
  };
  let done = 0;
  await side(chats, async (chat) => {
    signal.throwIfAborted();
    if (done % 50 === 0) onProgress(`reading back: session ${done.toLocaleString("en")} of ${chats.length}`);
    done += 1;
    await readBack(chat).catch((error: unknown) => {
      if (!(error instanceof RequestFailure)) throw error;
      note("unread", 1, `${chat.id} could not be read: ${error.message}`);
    });
  });
  return { sessions: chats.length, ...counts, examples, states };
}

interface Read {
  readonly found: Stored[];
  readonly state: SessionState;
  readonly unmentioned: number[];
}

async function readSession(chat: Chat, deadline: number, signal: AbortSignal): Promise<Read> {
  const found: Stored[] = [];
  for (;;) {
    const path = `/messages?afterSeq=${found.at(-1)?.seq ?? 0}&limit=${PAGE}`;
    const page = storedPageSchema.parse(jsonOf(await insist(() => chat.send("GET", path, null), signal)));
    found.push(...page.data);
    if (!page.hasMore) break;
  }
  const context = contextSchema.parse(jsonOf(await insist(() => chat.context(), signal)));
  let state: SessionState;
  for (;;) {
    state = sessionStateSchema.parse(jsonOf(await insist(() => chat.send("GET", "", null), signal)));
    if ((!state.summaryPending && state.archived) || Date.now() > deadline) break;
    await sleep(PAUSE_MS, undefined, { signal });
  }
  return { found, state, unmentioned: missingFrom(context) };
}

/**
 * Compares what a session contains with what its client was told. A pure function.
 * @internal A run finds no difference, so only a test sees what it says of one.
 */
export function compare(
  chat: Pick<Chat, "seqs" | "script">,
  found: readonly Stored[],
): { lost: string[]; doubled: string[] } {
  const script = chat.script();
  const seqs = new Map(found.map(({ id, seq }) => [id, seq]));
  const contents = new Map(found.map(({ id, content }) => [id, content]));
  const lost = [...script.keys()].flatMap((id, index) => {
    const seq = chat.seqs[index] ?? 0;
    if (seq === 0) return [];
    if (seqs.get(id) !== seq)
      return [`${id}, acknowledged with seq ${seq}, has seq ${seqs.get(id) ?? "none: it is lost"}`];
    return contents.get(id) === script.get(id)?.content ? [] : [`the content of ${id}`];
  });
  const doubled = [
    ...found.flatMap(({ seq }, index) => (seq === index + 1 ? [] : [`seq ${seq} is in position ${index + 1}`])),
    ...found.flatMap(({ id }) => (script.has(id) ? [] : [`${id} was never sent`])),
    ...(seqs.size === found.length ? [] : [`${found.length - seqs.size} ids are there twice`]),
  ];
  return { lost, doubled };
}

/** Repeats a request that a limit refused or nobody answered: the content is checked here, not the speed. */
export async function insist(send: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await send();
    } catch (error) {
      const isPassing = error instanceof RequestFailure && !/^4(?!29)/.test(error.kind);
      if (!isPassing || tries === TRIES) throw error;
      await sleep(PAUSE_MS, undefined, { signal });
    }
  }
}

function jsonOf({ body }: Answer): unknown {
  return JSON.parse(body.toString("utf8"));
}

/** Sessions that are read in parallel. */
export async function side<T>(items: readonly T[], body: (item: T, index: number) => Promise<void>): Promise<void> {
  const queue = items.entries();
  const work = async (): Promise<void> => {
    for (const [index, item] of queue) await body(item, index);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
}
