// The work that is pending after kills: every summary that is due, and its archiving.
import { z } from "zod";
import { contextSchema } from "../../src/api/context.ts";
import type { PaidCall } from "../drills/agent.ts";
import { checkArchive, checkNothingPaidTwice } from "../drills/check-kept.ts";
import { check } from "../drills/fault.ts";
import { type Chat, SETTINGS } from "../drills/load.ts";
import { send, type Target } from "../drills/requests.ts";
import { untilIdle } from "../drills/sessions.ts";
import type { CrashRig } from "./rig.ts";

const summarySchema = z.object({ summary: z.object({ throughSeq: z.int() }).nullable() });

/** Waits for all pending work. Rejects and says what was not done. Returns how many versions of summaries the archive has. */
export async function checkPendingWork(
  rig: CrashRig,
  chats: readonly Chat[],
  calls: readonly PaidCall[],
): Promise<number> {
  let summaries = 0;
  const target = rig.service();
  await untilIdle(target, chats);
  for (const chat of chats) {
    await checkNoneOverdue(target, chat);
    summaries += await checkArchive(target, rig.databaseUrl, chat);
  }
  checkNothingPaidTwice(chats, calls, rig.crashes);
  return summaries;
}

/** If a session has no pending job, but more to summarize than its settings allow, a summary was lost. */
async function checkNoneOverdue(target: Target, { id }: Chat): Promise<void> {
  const context = contextSchema.parse((await send(target, `/v1/sessions/${id}/context`)).body);
  const { summary } = summarySchema.parse((await send(target, `/v1/sessions/${id}`)).body);
  const throughSeq = summary?.throughSeq ?? 0;
  const tokens = context.messages.reduce((sum, message) => sum + (message.seq > throughSeq ? message.tokens : 0), 0);
  check(
    tokens <= SETTINGS.summarizeAfterTokens,
    `${id} has ${tokens} tokens after its summary, so another one is due, but none is pending`,
  );
}
