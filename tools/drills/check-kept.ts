// What must hold after every drill: nothing is lost or stored twice, no context has a silent gap, and the archive has what the sessions have.
import { z } from "zod";
import { withClient } from "../../scripts/dev/database.ts";
import { contextSchema } from "../../src/api/context.ts";
import { messageSchema } from "../../src/api/message.ts";
import { pageSchema } from "../../src/api/page.ts";
import { summarySchema } from "../../src/api/summary.ts";
import type { PaidCall } from "./agent.ts";
import { check, until } from "./fault.ts";
import { type Chat, type Load, missingFrom } from "./load.ts";
import { send, type Target } from "./requests.ts";

/** The longest time between an answer of the agent and a crash that prevents the answer from being saved. */
const LOST_ANSWER_MS = 10_000;

const messagePageSchema = pageSchema(messageSchema);
const summaryPageSchema = pageSchema(summarySchema);
const stateSchema = z.object({ archived: z.boolean() });

export interface KeptReport {
  readonly messages: number;
  readonly summaries: number;
  readonly calls: number;
}

/** When the service ended, in ms since 1970. An answer that came just before may be paid for twice. */
export interface Crash {
  readonly begunAt: number;
  readonly overAt: number;
}

export interface Tried {
  readonly target: Target;
  readonly databaseUrl: string;
  readonly load: Load;
  readonly calls: readonly PaidCall[];
  readonly crashes: readonly Crash[];
}

/** Call it when the load is over. */
export async function checkKept({ target, databaseUrl, load, calls, crashes }: Tried): Promise<KeptReport> {
  const faults = load.chats.flatMap((chat) => chat.faults);
  check(faults.length === 0, faults.join("; "));
  let messages = 0;
  let summaries = 0;
  for (const chat of load.chats) {
    messages += await checkMessages(target, chat);
    summaries += await checkArchive(target, databaseUrl, chat);
  }
  checkNothingPaidTwice(load.chats, calls, crashes);
  return { messages, summaries, calls: calls.length };
}

/** Every acknowledged message of a chat is there once, with its seq, and the context has no gap. Returns the number of messages. */
export async function checkMessages(target: Target, { id, acknowledged }: Chat): Promise<number> {
  const stored: z.infer<typeof messageSchema>[] = [];
  for (let afterSeq = 0; ; afterSeq = stored.at(-1)?.seq ?? afterSeq) {
    const { body } = await send(target, `/v1/sessions/${id}/messages?afterSeq=${afterSeq}&limit=100`);
    const page = messagePageSchema.parse(body);
    stored.push(...page.data);
    if (!page.hasMore) break;
  }
  const seqs = new Map(stored.map((message) => [message.id, message.seq]));
  check(
    stored.every(({ seq }, index) => seq === index + 1),
    `the seqs of ${id} have gaps`,
  );
  check(seqs.size === stored.length, `${id} contains a message twice`);
  for (const [messageId, seq] of acknowledged) {
    check(
      seqs.get(messageId) === seq,
      `${messageId} was acknowledged with seq ${seq} and has seq ${seqs.get(messageId) ?? "none: it is lost"}`,
    );
  }
  const context = contextSchema.parse((await send(target, `/v1/sessions/${id}/context`)).body);
  check(missingFrom(context).length === 0, `the context of ${id} does not mention ${missingFrom(context).join(", ")}`);
  return stored.length;
}

/** Waits until the session says that it is fully archived, and PostgreSQL has the versions that the session lists. */
export async function checkArchive(target: Target, databaseUrl: string, { id }: Chat): Promise<number> {
  let seen: unknown;
  // It is read again each time: a summary that was in progress when the chat became silent is archived a little later.
  return until(
    `the archive has what ${id} has`,
    async () => {
      const held = await readVersions(target, id);
      const rows = await queryDatabase(databaseUrl, VERSIONS, [id]);
      const { archived } = stateSchema.parse((await send(target, `/v1/sessions/${id}`)).body);
      seen = { archived, held, rows };
      return archived && JSON.stringify(rows) === JSON.stringify(held) ? held.length : undefined;
    },
    { seen: () => seen },
  );
}

const VERSIONS = `
  select v.version, v.through_seq as "throughSeq", v.degraded from summaries v join sessions using (epoch)
  where session = $1 and erased_at is null order by v.version desc limit 100`;

/** Newest first. */
async function readVersions(target: Target, id: string): Promise<unknown[]> {
  const { body } = await send(target, `/v1/sessions/${id}/summaries?limit=100`);
  return summaryPageSchema
    .parse(body)
    .data.map(({ version, throughSeq, degraded }) => ({ version, throughSeq, degraded }))
    .toSorted((a, b) => b.version - a.version);
}

/** Fails if two answered calls contained the same message, unless a crash came just after the first. */
export function checkNothingPaidTwice(
  chats: readonly Chat[],
  calls: readonly PaidCall[],
  crashes: readonly Crash[],
): void {
  const ours = new Set(chats.map(({ id }) => id));
  const paidAt = new Map<string, number>();
  for (const { at, messages } of calls) {
    for (const message of messages) {
      if (!ours.has(message.split(":", 1)[0] ?? "")) continue;
      const before = paidAt.get(message);
      const isCrash = crashes.some(
        ({ begunAt, overAt }) => before !== undefined && begunAt - LOST_ANSWER_MS < before && before <= overAt,
      );
      const times = [before ?? 0, at].map((ms) => new Date(ms).toISOString()).join(" and ");
      check(before === undefined || isCrash, `${message} was part of two calls that the agent answered: ${times}`);
      paidAt.set(message, at);
    }
  }
  check(paidAt.size > 0, "nothing was summarized, so the drill checked nothing");
}

export function queryDatabase(url: string, text: string, values: unknown[] = []): Promise<unknown[]> {
  return withClient(url, async (client) => (await client.query(text, values)).rows);
}
