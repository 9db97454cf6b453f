import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { type Database, withDatabase } from "../../src/archive/database.ts";
import { applyArchiveWrite, type ArchiveWrite } from "../../src/archive/sessions.ts";
import { freshRef } from "../support/worker-chat.ts";

function onArchive<T>(body: (database: Database) => Promise<T>): Promise<T> {
  return withDatabase(env.HYPERDRIVE.connectionString, body);
}

function apply(write: ArchiveWrite) {
  return onArchive((database) => database.transaction((transaction) => applyArchiveWrite(transaction, write)));
}

function writeOf(change: Partial<ArchiveWrite> = {}): ArchiveWrite {
  const version = change.rev ?? 1;
  return {
    ref: freshRef(),
    incarnation: crypto.randomUUID(),
    baseRev: 0,
    isReplaced: false,
    rev: 1,
    createdAt: Date.UTC(2026, 0, 1),
    headSeq: 8,
    throughSeq: 4,
    metadata: { topic: "boats" },
    summaries: [
      {
        version,
        throughSeq: 4,
        tokens: 12,
        summarizer: "test",
        degraded: false,
        droppedItems: 0,
        createdAt: Date.UTC(2026, 0, 2),
      },
    ],
    items: [
      {
        id: `${version}.1`,
        kind: "fact",
        text: "Ada lives in Lisbon",
        sourceSeqs: [1, 3],
        status: "current",
        fromVersion: version,
        toVersion: null,
      },
    ],
    ...change,
  };
}

async function rowsOf(write: ArchiveWrite) {
  return onArchive(async (database) => {
    const { tenant, session } = write.ref;
    const sessions = await database.execute(
      sql`select incarnation, rev::int, through_seq, metadata from sessions where tenant = ${tenant} and session = ${session}`,
    );
    const summaries = await database.execute(
      sql`select version from summaries where incarnation = ${write.incarnation} order by version`,
    );
    const items = await database.execute(
      sql`select item_id, to_version, source_seqs from summary_items where incarnation = ${write.incarnation} order by item_id`,
    );
    return { session: sessions.rows[0], summaries: summaries.rows, items: items.rows };
  });
}

describe("the archive's fence", () => {
  it("applies a write once; repeated it changes nothing", async () => {
    const write = writeOf();
    expect(await apply(write)).toBe("applied");
    const before = await rowsOf(write);
    expect(before).toEqual({
      session: { incarnation: write.incarnation, rev: 1, through_seq: 4, metadata: { topic: "boats" } },
      summaries: [{ version: 1 }],
      items: [{ item_id: "1.1", to_version: null, source_seqs: [1, 3] }],
    });
    expect(await apply(write)).toBe("stale");
    expect(await rowsOf(write)).toEqual(before);
  });

  it("lets a late write change nothing that a newer one wrote", async () => {
    const first = writeOf();
    const second = { ...writeOf({ rev: 2 }), ref: first.ref, incarnation: first.incarnation, throughSeq: 8 };
    expect(await apply({ ...second, summaries: [...first.summaries, ...second.summaries] })).toBe("applied");
    expect(await apply({ ...first, throughSeq: 1 })).toBe("stale");
    expect((await rowsOf(first)).session).toMatchObject({ rev: 2, through_seq: 8 });
  });

  it("ends an item that a later version left out", async () => {
    const first = writeOf();
    await apply(first);
    const [item] = first.items;
    if (item === undefined) throw new Error("no item");
    const second: ArchiveWrite = {
      ...writeOf({ rev: 2, baseRev: 1 }),
      ref: first.ref,
      incarnation: first.incarnation,
      items: [{ ...item, toVersion: 2 }],
    };
    expect(await apply(second)).toBe("applied");
    expect((await rowsOf(first)).items).toMatchObject([{ item_id: "1.1", to_version: 2 }]);
  });

  it("asks for everything when it holds less than a write builds on, as after a restore", async () => {
    const first = writeOf();
    await apply(first);
    const gap = { ...writeOf({ rev: 4, baseRev: 3 }), ref: first.ref, incarnation: first.incarnation };
    expect(await apply(gap)).toBe("behind");
    expect(await apply(writeOf({ rev: 2, baseRev: 1 }))).toBe("behind");
    expect((await rowsOf(first)).session).toMatchObject({ rev: 1 });
  });

  it("gives the place of an earlier life of a session to the later one, never the other way", async () => {
    const old = writeOf({ rev: 7 });
    await apply(old);
    const young = { ...writeOf(), ref: old.ref, createdAt: old.createdAt + 1 };
    expect(await apply(young)).toBe("applied");
    expect(await apply({ ...old, rev: 8, baseRev: 7 })).toEqual({ outrankedBy: young.createdAt });
    expect((await rowsOf(young)).session).toMatchObject({ incarnation: young.incarnation, rev: 1 });
    expect(await rowsOf(old)).toMatchObject({ summaries: [], items: [] });
  });

  it("orders writers of one session that come at the same time", async () => {
    const base = writeOf();
    const writes = Array.from({ length: 8 }, (_, index) => ({
      ...writeOf({ rev: index + 1 }),
      ref: base.ref,
      incarnation: base.incarnation,
    }));
    const results = await Promise.all(writes.toReversed().map(apply));
    expect(results).toContain("applied");
    expect((await rowsOf(base)).session).toMatchObject({ rev: 8 });
  });

  it("lets the Worker's role write rows and nothing else", async () => {
    const refused = await onArchive((database) => database.execute(sql`create table t (x int)`)).then(
      () => null,
      (error: Error) => (error.cause instanceof Error ? error.cause.message : error.message),
    );
    expect(refused).toMatch(/permission denied/);
  });
});
