// What operators and chats read from sessions.
import { z } from "zod";
import { pageSchema } from "../../src/api/page.ts";
import { type Summary, summarySchema } from "../../src/api/summary.ts";
import { check, until } from "./fault.ts";
import type { Chat } from "./load.ts";
import { send, type Target } from "./requests.ts";

const summaryPageSchema = pageSchema(summarySchema);

/** The newest summary of each chat. Fails once a chat has met a fault. */
export async function readSummaries(target: Target, chats: readonly Chat[]): Promise<(Summary | undefined)[]> {
  const faults = chats.flatMap((chat) => chat.faults);
  check(faults.length === 0, faults.join("; "));
  return Promise.all(
    chats.map(async ({ id }) => {
      const { status, body } = await send(target, `/v1/sessions/${id}/summaries?limit=1`);
      check(status === 200, `the summaries of ${id} were answered with ${status}`);
      return summaryPageSchema.parse(body).data[0];
    }),
  );
}

const stateSchema = z.object({ archived: z.boolean() });
const pendingSchema = z.object({ summaryPending: z.boolean() });

/** Waits until no chat has a pending summary. Nobody may write to them meanwhile. */
export async function untilIdle(target: Target, chats: readonly Chat[]): Promise<void> {
  for (const { id } of chats) {
    await until(`no summary of ${id} is pending`, async () => {
      const context = pendingSchema.parse((await send(target, `/v1/sessions/${id}/context`)).body);
      const state = stateSchema.parse((await send(target, `/v1/sessions/${id}`)).body);
      return state.archived && !context.summaryPending ? true : undefined;
    });
  }
}

/** True once each chat has this version of its summary or a later one, else undefined. Fails once a chat has met a fault. */
export async function hasSummaries(target: Target, chats: readonly Chat[], version: number): Promise<true | undefined> {
  const summaries = await readSummaries(target, chats);
  return summaries.every((summary) => (summary?.version ?? 0) >= version) ? true : undefined;
}
