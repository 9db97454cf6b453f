// What is owed after kills: each summary that is due, and the archive of it.
import { z } from "zod";
import type { PaidCall } from "../../scripts/drills/agent.ts";
import { check } from "../../scripts/drills/fault.ts";
import { type Chat, SETTINGS } from "../../scripts/drills/load.ts";
import { proveArchive, proveNothingPaidTwice } from "../../scripts/drills/proof.ts";
import { send, type Target } from "../../scripts/drills/requests.ts";
import { untilIdle } from "../../scripts/drills/sessions.ts";
import { contextSchema } from "../../src/contracts/context.ts";
import type { CrashRig } from "./rig.ts";

const summarySchema = z.object({ summary: z.object({ throughSeq: z.int() }).nullable() });

/** Waits for all of it. Rejects with what did not come. Returns how many versions of summaries the archive has. */
export async function proveDebts(rig: CrashRig, chats: readonly Chat[], calls: readonly PaidCall[]): Promise<number> {
  let summaries = 0;
  const target = rig.service();
  await untilIdle(target, chats);
  for (const chat of chats) {
    await proveNoneOverdue(target, chat);
    summaries += await proveArchive(target, rig.databaseUrl, chat);
  }
  proveNothingPaidTwice(chats, calls, rig.crashes);
  return summaries;
}

/** A session that owes nothing and has more to summarize than it should has forgotten a summary. */
async function proveNoneOverdue(target: Target, { id }: Chat): Promise<void> {
  const context = contextSchema.parse((await send(target, `/v1/sessions/${id}/context`)).body);
  const { summary } = summarySchema.parse((await send(target, `/v1/sessions/${id}`)).body);
  const throughSeq = summary?.throughSeq ?? 0;
  const tokens = context.messages.reduce((sum, message) => sum + (message.seq > throughSeq ? message.tokens : 0), 0);
  check(
    tokens <= SETTINGS.summarizeAfterTokens,
    `${id} has ${tokens} tokens beyond its summary, which called for another, and none is under way`,
  );
}
