import type { AlertBook, AlertList } from "../contracts/alert.ts";
import type { AlertClient } from "../registry/alert-client.ts";
import type { Call } from "./call.ts";
import { inTime } from "./in-time.ts";
import { operation } from "./operation.ts";

interface Kept extends Pick<AlertBook, "states" | "checkedAt"> {
  readonly noticesOwed: number;
}

const UNCHECKED: Kept = { states: [], checkedAt: null, noticesOwed: 0 };
/** The list is not held up by the object that keeps one alert. */
const STANDBY_TIMEOUT_MS = 2_000;
const NOTHING = Promise.resolve(null);

/** The alerts that stand, the oldest first, and whether anybody looks for them at all. */
export const listAlerts = operation(
  {
    action: "listAlerts",
    scopes: ["admin"],
    audit: "each",
    isSessionless: true,
    tell: () => ({ tenant: null }),
  },
  async ({ parts: { alerts, standbyAlerts } }: Call): Promise<AlertList> => {
    const standing = standbyAlerts === undefined ? NOTHING : inTime(readKept(standbyAlerts), STANDBY_TIMEOUT_MS);
    const [kept, standby] = await Promise.allSettled([readKept(alerts), standing]);
    const other = standby.status === "fulfilled" ? standby.value : null;
    // What stands there is what an operator asks for when the other is away.
    if (kept.status === "rejected" && (other === null || other.states.length === 0)) throw kept.reason;
    const { states, checkedAt, noticesOwed } = kept.status === "fulfilled" ? kept.value : UNCHECKED;
    const data = [...states, ...(other?.states ?? [])]
      .map(({ alert }) => alert)
      .filter((alert) => alert !== null)
      .toSorted((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt));
    return {
      data,
      hasMore: false,
      nextCursor: null,
      checkedAt: checkedAt === null ? null : new Date(checkedAt).toISOString(),
      noticesOwed: noticesOwed + (other?.noticesOwed ?? 0),
    };
  },
);

async function readKept(from: Pick<AlertClient, "readBook" | "countOwed">): Promise<Kept> {
  const [{ states, checkedAt }, noticesOwed] = await Promise.all([from.readBook(), from.countOwed()]);
  return { states, checkedAt, noticesOwed };
}
