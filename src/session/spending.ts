import type { TokenCount } from "../contracts/message.ts";
import type { SummarizerUsage } from "../contracts/summarizer.ts";
import { startOfDay, usedToday } from "./quota.ts";
import type { SessionRow } from "./rows.ts";
import { settingsOf } from "./settings.ts";
import type { SessionStore } from "./store.ts";

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
 * Called before a life of the session ends: a new one under the same id would else begin with the whole day before it. What was taken of
 * the day is kept where it is bounded; elsewhere nothing of the session is left.
 */
export function keepDay(store: SessionStore, session: SessionRow, now: number): void {
  // One that expired was seen to then, and forgot its settings.
  if (session.expiredAt !== null) return;
  if (!isBounded(session)) {
    store.spent.clear();
    return;
  }
  // Nobody said anything in a copy that is not whole.
  if (session.copying !== null) return;
  const { messages, tokens } = usedToday(store.messages, store, now);
  store.spent.add(startOfDay(now), { messages, messageTokens: tokens });
}
