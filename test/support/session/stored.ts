import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { unwrap } from "../../../src/api/errors.ts";
import type { ListedSession, SessionRef } from "../../../src/api/session.ts";
import type { Item } from "../../../src/api/summary.ts";
import { createDirectoryClient } from "../../../src/directory/client.ts";
import { onArchive } from "./archive.ts";
import { sessionAt, stubAt, until } from "./object.ts";

/** What is stored of a session: in its object, in the directory and in PostgreSQL. */

/** Summarizes all but the last four messages, and waits until the archive has it. */
export async function summarizeAndArchive(ref: SessionRef): Promise<void> {
  unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
  await archivedWhole(ref);
}

export async function archivedWhole(ref: SessionRef): Promise<void> {
  await until("the archive has it", async () => unwrap(await sessionAt(ref).state()).archived);
}

/** The current items of the newest version. */
export async function itemsOf(ref: SessionRef): Promise<Item[]> {
  const { data } = unwrap(await sessionAt(ref).summaries(undefined, 1));
  return data[0]?.items ?? [];
}

/** Everything in the object's tables, as one text. Virtual tables store everything in tables of their own. */
export function storedText(ref: SessionRef): Promise<string> {
  return runInDurableObject(stubAt(ref), (_, state) => {
    const { sql: storage } = state.storage;
    const tables = storage
      .exec<{ name: string }>(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
      )
      .toArray();
    return tables.map(({ name }) => JSON.stringify(storage.exec(`SELECT * FROM "${name}"`).toArray())).join("\n");
  });
}

/** PostgreSQL's items of a session, of any epoch. */
export function archivedTexts(epoch: string): Promise<string[]> {
  return onArchive(async (database) => {
    const { rows } = await database.execute(sql`select text from summary_items where epoch = ${epoch}`);
    return rows.map((row) => String(row["text"]));
  });
}

/** The ids that the directory lists for the owner of a session. */
export async function listed(ref: SessionRef): Promise<Map<string, ListedSession>> {
  const directory = createDirectoryClient(env.DIRECTORY);
  const page = await directory.list(ref.tenant, ref.owner, { limit: 1_000, cursor: null, metadata: {} });
  return new Map(page.data.map((entry) => [entry.id, entry]));
}
