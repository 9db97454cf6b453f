import type { TokenCount } from "../../api/message.ts";
import type { SummarizerUsage } from "../../api/summarizer.ts";
import { type SessionRow, settingsOf } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { startOfDay, usedToday } from "./day.ts";
import { NOTHING_SPENT } from "./spent-store.ts";

/** What was spent stays spent, whatever becomes of what it was spent on. */

/** Tokens in and out. */
export function tokensOf(usage: SummarizerUsage | undefined): TokenCount {
  return usage === undefined ? 0 : usage.inputTokens + usage.outputTokens;
}

/** Whether anything of the session's day is bounded. */
function isBounded(session: SessionRow): boolean {
  const { sessionMessagesPerDay, sessionTokensPerDay, sessionSummariesPerDay } = session.tenantSettings.limits ?? {};
  const bounds = [sessionMessagesPerDay, sessionTokensPerDay, sessionSummariesPerDay];
  return settingsOf(session).summarizerTokensPerDay !== null || bounds.some((bound) => typeof bound === "number");
}

/**
 * Called before an epoch of the session ends: a new one under the same id would else begin with the whole day before it. What was taken of
 * the day is kept where it is bounded; elsewhere nothing of the session is left.
 */
export function keepDay(unit: Unit): void {
  const { store, now } = unit;
  // One that expired was seen to then, and forgot its settings.
  if (unit.session.expiredAt !== null) return;
  if (!isBounded(unit.session)) {
    store.spent.clear();
    return;
  }
  // Nobody said anything in a copy that is not whole.
  if (unit.session.copying !== null) return;
  const { messages, tokens } = usedToday(store.messages, store, now);
  store.spent.add(startOfDay(now), { messages, messageTokens: tokens });
}

/**
 * Counts what models took of the day for this session, whatever became of the job: it is paid. An epoch that is over counts as long as its
 * day is kept.
 */
export function countModelTokens(unit: Unit, summarizerTokens: TokenCount): void {
  const { store, row } = unit;
  if (summarizerTokens === 0 || !store.isCreated) return;
  const day = startOfDay(unit.now);
  const isOver = row === null || row.erasedAt !== null || row.expiredAt !== null;
  if (isOver && store.spent.on(day) === NOTHING_SPENT) return;
  store.spent.add(day, { summarizerTokens });
}
