export { copiedQuotaFault, createDayMeasure, endOfDay, firstQuotaFault, startOfDay, summaryQuotaFault } from "./day.ts";
export type { DayMeasure } from "./day.ts";
export { countModelTokens, datedLogOf, keepDay, tokensOf } from "./spend.ts";
export { NOTHING_SPENT, SpentStore } from "./spent-store.ts";
export { beginDay, countCopied, countForUser, refuseCopied, takeForUser, takenSoFar } from "./take.ts";
export { TenantQuota } from "./tenant-quota.ts";
export { UserQuota } from "./user-quota.ts";
