import type { TokenCount } from "../../api/message.ts";
import type { SummarizerUsage } from "../../api/summarizer.ts";
import { type SessionRow, settingsOf } from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";
import { type DatedLog, startOfDay, usedToday } from "./day.ts";
import { NOTHING_SPENT } from "./spent-store.ts";

/**
 * Counts what a session spends on models. It stays counted even if the job, the version or the epoch that it was spent
 * on is gone.
 */

/** Input and output tokens together; 0 without usage. */
export function tokensOf(usage: SummarizerUsage | undefined): TokenCount {
  return usage === undefined ? 0 : usage.inputTokens + usage.outputTokens;
}

/** Whether the session has any daily limit. */
function isBounded(session: SessionRow): boolean {
  const { sessionMessagesPerDay, sessionTokensPerDay, sessionSummariesPerDay } = session.tenantSettings.limits ?? {};
  const bounds = [sessionMessagesPerDay, sessionTokensPerDay, sessionSummariesPerDay];
  return settingsOf(session).summarizerTokensPerDay !== null || bounds.some((bound) => typeof bound === "number");
}

/** The log of a session, as far as the count of a day reads it. */
export function datedLogOf({ messages, totals }: SessionStore): DatedLog {
  return {
    createdAt: (seq) => messages.createdAt(seq),
    head: () => messages.head(),
    appendedCostAt: (seq) => totals.appendedCostAt(seq),
  };
}

/**
 * Keeps what the session used today. Called before an epoch ends, since a new session under the same id would otherwise
 * start with a full daily limit. If the session has no daily limit, nothing is kept.
 */
export function keepDay(unit: Unit): void {
  const { store, now } = unit;
  // Done already when the session expired, which also deleted its settings.
  if (unit.session.expiredAt !== null) return;
  if (!isBounded(unit.session)) {
    store.spent.clear();
    return;
  }
  // Messages of an unfinished copy were not said in this session, and do not count.
  if (unit.session.copying !== null) return;
  const { messages, tokens } = usedToday(datedLogOf(store), store, now);
  store.spent.add(startOfDay(now), { messages, messageTokens: tokens });
}

/**
 * Counts tokens that models used today for this session, whatever happened to the job: they are paid for. For an epoch
 * that is over they are counted only if its day was kept.
 */
export function countModelTokens(unit: Unit, summarizerTokens: TokenCount): void {
  const { store, row } = unit;
  if (summarizerTokens === 0) return;
  const day = startOfDay(unit.now);
  const isOver = row === null || row.erasedAt !== null || row.expiredAt !== null;
  if (isOver && store.spent.on(day) === NOTHING_SPENT) return;
  store.spent.add(day, { summarizerTokens });
}
