import type { AlertList } from "../api/alert.ts";
import type { Call } from "./request-context.ts";
import { operation } from "./use-case.ts";

/** The alerts that stand, the oldest first, and whether anybody looks for them at all. */
export const listAlerts = operation(
  {
    action: "listAlerts",
    scopes: ["admin"],
    audit: "each",
    isSessionless: true,
    tell: () => ({ tenant: null }),
  },
  async ({ parts: { alerts } }: Call): Promise<AlertList> => {
    const [{ states, checkedAt }, noticesOwed] = await Promise.all([alerts.readBook(), alerts.countOwed()]);
    const data = states
      .map(({ alert }) => alert)
      .filter((alert) => alert !== null)
      .toSorted((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt));
    return {
      data,
      hasMore: false,
      nextCursor: null,
      checkedAt: checkedAt === null ? null : new Date(checkedAt).toISOString(),
      noticesOwed,
    };
  },
);
