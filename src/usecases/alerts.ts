import type { AlertList } from "../api/alert.ts";
import type { RequestContext } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/** The current alerts, oldest first, and when they were last checked. */
export const listAlerts = useCase(
  {
    action: "listAlerts",
    isSessionless: true,
    tell: () => ({ tenant: null }),
  },
  async ({ parts: { alerts } }: RequestContext): Promise<AlertList> => {
    const [{ states, checkedAt }, pendingNotices] = await Promise.all([alerts.readBook(), alerts.countPending()]);
    const data = states
      .map(({ alert }) => alert)
      .filter((alert) => alert !== null)
      .toSorted((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt));
    return {
      data,
      hasMore: false,
      nextCursor: null,
      checkedAt: checkedAt === null ? null : new Date(checkedAt).toISOString(),
      pendingNotices,
    };
  },
);
