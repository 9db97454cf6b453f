import { and, desc, eq, inArray, isNull } from "drizzle-orm";
import { type Item, type ItemKind, itemSchema } from "../contracts/summary.ts";
import type { Database } from "./database.ts";
import { sessions, summaryItems } from "./tables.ts";

/** A current item of a summary, and where it stands. */
export interface Memory {
  readonly session: string;
  readonly incarnation: string;
  readonly item: Item;
}

/** What holds of a user whatever they talk about. */
export const LASTING_KINDS: readonly ItemKind[] = ["fact", "preference"];

/** What is known of a user across sessions: current facts and preferences, of the sessions archived last first. */
export async function readMemories(
  database: Database,
  { tenant, owner }: { readonly tenant: string; readonly owner: string },
  limit: number,
): Promise<Memory[]> {
  const rows = await database
    .select({ session: sessions.session, row: summaryItems })
    .from(summaryItems)
    .innerJoin(sessions, eq(sessions.incarnation, summaryItems.incarnation))
    .where(
      and(
        eq(sessions.tenant, tenant),
        eq(sessions.owner, owner),
        isNull(sessions.erasedAt),
        isNull(summaryItems.toVersion),
        eq(summaryItems.status, "current"),
        inArray(summaryItems.kind, [...LASTING_KINDS]),
      ),
    )
    .orderBy(desc(sessions.archivedAt), desc(summaryItems.fromVersion))
    .limit(limit);
  return rows.map(({ session, row }) => {
    const { itemId, kind, text, sourceSeqs, sourceSession, status } = row;
    const item = itemSchema.parse({
      id: itemId,
      kind,
      text,
      sourceSeqs,
      ...(sourceSession === null ? {} : { sourceSession }),
      status,
    });
    return { session, incarnation: row.incarnation, item };
  });
}
