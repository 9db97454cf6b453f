import { createMessageBatch } from "cloudflare:test";
import { sql } from "drizzle-orm";
import { Client } from "pg";
import { describe, expect, it, vi } from "vitest";
import type { Database } from "../../src/archive/database.ts";
import { withinTenant } from "../../src/archive/reach.ts";
import { type ArchiveWrite, changeSessions } from "../../src/archive/sessions.ts";
import { consume } from "../../src/pipeline/consume.ts";
import {
  asWorker,
  asWorkerOf,
  changeArchive,
  creationOf,
  freshRef,
  jobOf,
  onArchive,
  pipelineDeps,
  quoting,
  sessionAt,
  summarizeBy,
  turn,
  unwrap,
} from "../support/session.ts";

function refusalOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "taken",
    (error: Error) => (error.cause instanceof Error ? error.cause.message : error.message),
  );
}

function writeOf(change: Partial<ArchiveWrite> = {}): ArchiveWrite {
  const version = change.rev ?? 1;
  return {
    ref: freshRef(),
    epoch: crypto.randomUUID(),
    baseRev: 0,
    isReplaced: false,
    rev: 1,
    createdAt: Date.UTC(2026, 0, 1),
    headSeq: 8,
    throughSeq: 4,
    metadata: { topic: "boats" },
    messages: null,
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
      },
    ],
    endedItems: [],
    ...change,
  };
}

async function rowsOf(write: ArchiveWrite) {
  return onArchive(async (database) => {
    const { tenant, session } = write.ref;
    const sessions = await database.execute(
      sql`select epoch, rev::int, through_seq, metadata from sessions where tenant = ${tenant} and session = ${session}`,
    );
    const summaries = await database.execute(
      sql`select version from summaries where epoch = ${write.epoch} order by version`,
    );
    const items = await database.execute(
      sql`select item_id, source_seqs from summary_items where epoch = ${write.epoch} order by item_id`,
    );
    return { session: sessions.rows[0], summaries: summaries.rows, items: items.rows };
  });
}

describe("the version check of the archive", () => {
  it("applies a write once; repeated it changes nothing", async () => {
    const write = writeOf();
    expect(await changeArchive(write)).toBe("applied");
    const before = await rowsOf(write);
    expect(before).toEqual({
      session: { epoch: write.epoch, rev: 1, through_seq: 4, metadata: { topic: "boats" } },
      summaries: [{ version: 1 }],
      items: [{ item_id: "1.1", source_seqs: [1, 3] }],
    });
    expect(await changeArchive(write)).toBe("stale");
    expect(await rowsOf(write)).toEqual(before);
  });

  it("lets a late write change nothing that a newer one wrote", async () => {
    const first = writeOf();
    const second = { ...writeOf({ rev: 2 }), ref: first.ref, epoch: first.epoch, throughSeq: 8 };
    expect(await changeArchive({ ...second, summaries: [...first.summaries, ...second.summaries] })).toBe("applied");
    expect(await changeArchive({ ...first, throughSeq: 1 })).toBe("stale");
    expect((await rowsOf(first)).session).toMatchObject({ rev: 2, through_seq: 8 });
  });

  it("deletes an item that a later version dropped, or replaced under the same id", async () => {
    const first = writeOf();
    await changeArchive(first);
    const [item] = first.items;
    if (item === undefined) throw new Error("no item");
    const second: ArchiveWrite = {
      ...writeOf({ rev: 2, baseRev: 1 }),
      ref: first.ref,
      epoch: first.epoch,
      items: [{ ...item, fromVersion: 2, sourceSeqs: [3] }],
      endedItems: [{ id: "1.1", fromVersion: 1 }],
    };
    expect(await changeArchive(second)).toBe("applied");
    expect((await rowsOf(first)).items).toEqual([{ item_id: "1.1", source_seqs: [3] }]);
  });

  it("asks for everything if it has less than a write builds on, as after a restore", async () => {
    const first = writeOf();
    await changeArchive(first);
    const gap = { ...writeOf({ rev: 4, baseRev: 3 }), ref: first.ref, epoch: first.epoch };
    expect(await changeArchive(gap)).toBe("behind");
    expect(await changeArchive(writeOf({ rev: 2, baseRev: 1 }))).toBe("behind");
    expect((await rowsOf(first)).session).toMatchObject({ rev: 1 });
  });

  it("replaces an earlier epoch of a session by a later one, never vice versa", async () => {
    const old = writeOf({ rev: 7 });
    await changeArchive(old);
    const young = { ...writeOf(), ref: old.ref, createdAt: old.createdAt + 1 };
    expect(await changeArchive(young)).toBe("applied");
    expect(await changeArchive({ ...old, rev: 8, baseRev: 7 })).toEqual({ outrankedBy: young.createdAt });
    expect((await rowsOf(young)).session).toMatchObject({ epoch: young.epoch, rev: 1 });
    expect(await rowsOf(old)).toMatchObject({ summaries: [], items: [] });
  });

  it("orders concurrent writers of one session", async () => {
    const base = writeOf();
    const writes = Array.from({ length: 8 }, (_, index) => ({
      ...writeOf({ rev: index + 1 }),
      ref: base.ref,
      epoch: base.epoch,
    }));
    const results = await Promise.all(writes.toReversed().map((write) => changeArchive(write)));
    expect(results).toContain("applied");
    expect((await rowsOf(base)).session).toMatchObject({ rev: 8 });
  });

  it("undoes a change that fails alone, and says why, without what was said", async () => {
    const [first, second, third] = [writeOf(), writeOf(), writeOf()];
    // PostgreSQL has no such integer, and the row that would stand in its place has it as well.
    const items = second.items.map((item) => ({ ...item, fromVersion: 2 ** 40 }));
    const results = await asWorker((database) => changeSessions(database, [first, { ...second, items }, third]));
    expect(results).toEqual(["applied", { refused: "22003" }, "applied"]);
    expect(await rowsOf(second)).toEqual({ session: undefined, summaries: [], items: [] });
    expect(await changeArchive(second)).toBe("applied");
  });

  it("lets the Worker's role only write rows", async () => {
    const refused = await refusalOf(asWorker((database) => database.execute(sql`create table t (x int)`)));
    expect(refused).toMatch(/permission denied/);
  });
});

describe("the tenant of a transaction", () => {
  it("is that of each change, and only its rows are written, read and erased", async () => {
    const [ours, theirs] = [writeOf(), writeOf({ ref: { ...freshRef(), tenant: "another" } })];
    expect(await asWorker((database) => changeSessions(database, [ours, theirs]))).toEqual(["applied", "applied"]);
    const read = async (database: Database): Promise<unknown[]> => {
      const { rows } = await database.execute(
        sql`select epoch from summaries where epoch in (${ours.epoch}, ${theirs.epoch})`,
      );
      return rows.map(({ epoch }) => epoch);
    };
    const seen = (tenant: string | null) => (tenant === null ? asWorker(read) : asWorkerOf({ tenant }, read));
    expect(await seen("test")).toEqual([ours.epoch]);
    expect(await seen("another")).toEqual([theirs.epoch]);
    expect(await seen(null)).toEqual([]);
    // A change that names the epoch of another tenant reaches nothing of it.
    const forged = { ...writeOf({ isReplaced: true, summaries: [], items: [] }), epoch: theirs.epoch };
    await changeArchive(forged);
    await changeArchive({ ...forged, rev: undefined });
    expect(await rowsOf(theirs)).toMatchObject({ session: { rev: 1 }, summaries: [{ version: 1 }], items: [{}] });
  });

  it("holds for the changes of its session alone, not for what the transaction does afterwards", async () => {
    const write = writeOf();
    const after = await asWorker((database) =>
      database.transaction(async (transaction) => {
        expect(await changeSessions(transaction, [write])).toEqual(["applied"]);
        return transaction.execute(sql`select 1 from sessions where epoch = ${write.epoch}`);
      }),
    );
    expect(after.rows).toEqual([]);
  });

  it("may differ within a batch, which is written with one statement however many sessions it has", async () => {
    const refs = [freshRef(), freshRef(), { ...freshRef(), tenant: "another" }, { ...freshRef(), tenant: "another" }];
    for (const ref of refs) {
      const messages = Array.from({ length: 8 }, (_, index) => turn(index + 1));
      unwrap(await sessionAt(ref).append({ messages }, creationOf(ref)));
      await summarizeBy(ref, quoting);
    }
    const jobs = await Promise.all(refs.map((ref) => jobOf(ref, "archive")));
    const query = vi.spyOn(Client.prototype, "query");
    const batch = createMessageBatch(
      "threadkeep-archive",
      jobs.map((body, index) => ({ id: `${index}`, timestamp: new Date(), attempts: 1, body })),
    );
    await consume(batch, pipelineDeps());
    // Sessions of other tests may be archived meanwhile, each batch over a connection of its own.
    const said = query.mock.calls.map((given, index) => ({
      text: JSON.stringify(given),
      by: query.mock.contexts[index],
    }));
    query.mockRestore();
    const ours = new Set(said.filter(({ text }) => refs.some((ref) => text.includes(ref.session))).map(({ by }) => by));
    expect(ours.size).toBe(1);
    const statements = said.filter(({ by }) => ours.has(by)).map(({ text }) => text);
    expect(statements).toEqual([expect.stringContaining("archive_sessions")]);
    for (const ref of refs) {
      expect(unwrap(await sessionAt(ref).state()).archived).toBe(true);
      const { rows } = await asWorkerOf(ref, (one) =>
        one.execute<{ tenant: string }>(
          sql`select v.tenant from summaries v join sessions s using (epoch) where s.session = ${ref.session}`,
        ),
      );
      expect(rows.map(({ tenant }) => tenant)).toEqual([ref.tenant]);
    }
  });

  it("ends with the transaction, whatever the connection is used for next", async () => {
    const write = writeOf();
    await changeArchive(write);
    const after = await asWorker(async (database) => {
      await withinTenant(database, "test", async () => undefined);
      return database.execute(sql`select 1 from sessions where epoch = ${write.epoch}`);
    });
    expect(after.rows).toEqual([]);
  });
});
