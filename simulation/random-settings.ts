import type { SessionSettings } from "../src/api/session.ts";
import type { Random } from "./random.ts";

/** Settings with which a chat of some dozen messages is summarized several times, and is sometimes silent for too long. */
export function randomSettings(random: Random): SessionSettings {
  const idle: SessionSettings = random.chance(0.4) ? { summarizeAfterIdleSeconds: random.of(null, 10, 60, 900) } : {};
  const expiry: SessionSettings = random.chance(0.3) ? { expireAfterIdleSeconds: random.of(null, 60, 600, 7_200) } : {};
  const archive: SessionSettings = random.chance(0.6) ? { archiveMessages: random.chance(0.8) } : {};
  const budget: SessionSettings = random.chance(0.12) ? { summarizerTokensPerDay: random.of(0, 100, 300, 1_000) } : {};
  return {
    ...idle,
    ...expiry,
    ...archive,
    ...budget,
    maxTokens: random.of(256, 400, 1_000, 4_000),
    summarizeAfterTokens: random.of(100, 150, 250, 400, 1_500),
    keepRecentTokens: random.of(0, 0, 30, 90),
    summaryMaxTokens: random.of(100, 200, 600),
  };
}
