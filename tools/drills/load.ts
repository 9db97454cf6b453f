// Chats that continue during a drill: each appends, reads its context, and records what the service told it.
import { setTimeout as sleep } from "node:timers/promises";
import { type AppendResult, appendResultSchema } from "../../src/api/append.ts";
import { contextSchema } from "../../src/api/context.ts";
import { check, DrillFault } from "./fault.ts";
import { type Answer, type Asked, send, type Target } from "./requests.ts";

/** A dozen turns pass the threshold, so that summaries are made all the time. */
export const SETTINGS = { summarizeAfterTokens: 1_000, keepRecentTokens: 300 };
const TURNS_AT_ONCE = 2;
/** A chat repeats a request that was not answered, as a client does. */
const RETRY_MS = 200;
const POLL_MS = 50;
const FILLING = "and the crate is heavy, blue and late. ".repeat(6);

export interface Chat {
  readonly id: string;
  /** The seq that each message was acknowledged with, by the message's id. */
  readonly acknowledged: Map<string, number>;
  /** What went wrong. */
  readonly faults: string[];
}

export interface Load {
  readonly chats: readonly Chat[];
  /** Requests that did not succeed. There are none in an outage of one part, and some while the service restarts. */
  readonly unanswered: () => number;
  readonly acknowledged: () => number;
  /** Runs the body while all chats are silent. */
  whileSilent(body: () => Promise<void>): Promise<void>;
  /** Lets the current turns end, and stops. */
  stop(): Promise<void>;
  /** Stops at once, whatever is in progress. */
  abandon(): void;
}

export interface LoadOptions {
  /** Prefix of the chats' ids. Each load needs another one. */
  readonly name: string;
  readonly chats: number;
  /** The pause between two turns of a chat. */
  readonly pauseMs: number;
}

/** @param target is called for each request, because a restart may change it */
export async function startLoad(target: () => Target, { name, chats: count, pauseMs }: LoadOptions): Promise<Load> {
  const chats = Array.from({ length: count }, (_, index): Chat => {
    return { id: `${name}-${index + 1}`, acknowledged: new Map(), faults: [] };
  });
  let unanswered = 0;
  const speaking = new Set<string>();
  const talk = { isOver: false, isSilent: false, isAbandoned: false };
  const insist = async (path: string, asked: Asked): Promise<Answer> => {
    for (;;) {
      const answer = await send(target(), path, asked).catch(() => null);
      if (answer !== null && answer.status < 500) return answer;
      if (talk.isAbandoned) throw new DrillFault("the load was abandoned");
      unanswered += 1;
      await sleep(RETRY_MS);
    }
  };
  for (const { id } of chats) {
    const { status } = await insist("/v1/sessions", { method: "POST", body: { id, settings: SETTINGS } });
    check(status < 300, `the session ${id} could not be created: it was answered with ${status}`);
  }
  const speak = async (chat: Chat): Promise<void> => {
    for (let turn = 1; !talk.isOver && chat.faults.length === 0; turn += TURNS_AT_ONCE) {
      while (talk.isSilent) await sleep(POLL_MS);
      speaking.add(chat.id);
      await say(chat, turn, insist).finally(() => speaking.delete(chat.id));
      await sleep(pauseMs);
    }
  };
  const talking = chats.map((chat) => speak(chat).catch((error: unknown) => chat.faults.push(String(error))));
  return {
    chats,
    unanswered: () => unanswered,
    acknowledged: () => chats.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0),
    async whileSilent(body) {
      talk.isSilent = true;
      while (speaking.size > 0) await sleep(POLL_MS);
      try {
        await body();
      } finally {
        talk.isSilent = false;
      }
    },
    abandon() {
      talk.isOver = true;
      talk.isAbandoned = true;
    },
    async stop() {
      talk.isOver = true;
      await Promise.all(talking);
    },
  };
}

async function say(
  chat: Chat,
  firstTurn: number,
  insist: (path: string, asked: Asked) => Promise<Answer>,
): Promise<void> {
  const { id, acknowledged, faults } = chat;
  const messages = Array.from({ length: TURNS_AT_ONCE }, (_, index) => {
    const messageId = messageIdOf(id, firstTurn + index);
    // The stand-in agent recognizes a message by its first word.
    return { id: messageId, role: index === 0 ? "user" : "assistant", content: `${messageId} ${FILLING}` };
  });
  const append = await insist(`/v1/sessions/${id}/messages`, { method: "POST", body: { messages } });
  if (append.status >= 300) {
    faults.push(`an append to ${id} was refused with ${append.status}`);
    return;
  }
  const result: AppendResult = appendResultSchema.parse(append.body);
  for (const { id: messageId, seq } of result.messages) acknowledged.set(messageId, seq);
  const context = await insist(`/v1/sessions/${id}/context`, {});
  const missing = context.status === 200 ? missingFrom(contextSchema.parse(context.body)) : null;
  if (missing === null) faults.push(`the context of ${id} was refused with ${context.status}`);
  else if (missing.length > 0) faults.push(`the context of ${id} does not mention ${missing.join(", ")}`);
}

function messageIdOf(session: string, turn: number): string {
  return `${session}:${turn}`;
}

/** The fields of a context that say which messages it covers. */
interface Covered {
  readonly headSeq: number;
  readonly summary: { readonly throughSeq: number } | null;
  readonly messages: readonly { readonly seq: number }[];
  readonly omitted: readonly { readonly fromSeq: number; readonly throughSeq: number }[];
}

/** Seqs that are neither verbatim, nor summarized, nor named as omitted. */
export function missingFrom({ headSeq, summary, messages, omitted }: Covered): number[] {
  const there = new Set(messages.map(({ seq }) => seq));
  return Array.from({ length: headSeq }, (_, index) => index + 1).filter(
    (seq) =>
      seq > (summary?.throughSeq ?? 0) &&
      !there.has(seq) &&
      !omitted.some(({ fromSeq, throughSeq }) => fromSeq <= seq && seq <= throughSeq),
  );
}
