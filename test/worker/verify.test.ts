import { env } from "cloudflare:workers";
import { type SQL, sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import type { Finding } from "../../src/api/finding.ts";
import { ownerName, type SessionSettings } from "../../src/api/session.ts";
import type { UserRef } from "../../src/api/user.ts";
import { deleteLooseEpoch, eraseOrphan } from "../../src/archive/orphans.ts";
import { type ArchivePage, verifyHeldSessions, verifyLooseEpochs } from "../../src/maintenance/verify-archive.ts";
import { verifySession, type VerifyDeps } from "../../src/maintenance/verify-session.ts";
import { SessionStore } from "../../src/session/store.ts";
import {
  archivedTexts,
  archivedWhole,
  asWorker,
  epochOf,
  evictDurableObject,
  onArchive,
  pendingJobs,
  pipelineDeps,
  request,
  runInDurableObject,
  sessionAt,
  type SessionRef,
  stubAt,
  summarizeAndArchive,
  turn,
  until,
} from "../support/session.ts";

const parts: VerifyDeps = pipelineDeps();
/** No summary becomes due by itself. */
const QUIET: SessionSettings = { summarizeAfterTokens: 1_000_000, summarizeAfterIdleSeconds: null };
const EVERYTHING = { after: null, limit: 500 };

async function archivedAs(statement: SQL): Promise<void> {
  await onArchive((database) => database.execute(statement));
}

/** Plants a fault in the object, which is then started again. */
async function planted(ref: SessionRef, statement: string, ...values: SqlStorageValue[]): Promise<void> {
  const rows = await runInDurableObject(
    stubAt(ref),
    (_, state) => state.storage.sql.exec(statement, ...values).rowsWritten,
  );
  expect(rows).toBeGreaterThan(0);
  await evictDurableObject(stubAt(ref));
}

function verified(ref: SessionRef): Promise<readonly Finding[]> {
  return asWorker(async (database) => (await verifySession(ref, database, parts)).findings);
}

function heldBy({ tenant, owner }: UserRef): Promise<readonly Finding[]> {
  return asWorker(
    async (database) => (await verifyHeldSessions({ tenant, owner }, EVERYTHING, database, parts)).findings,
  );
}

function told(findings: readonly Finding[]): Pick<Finding, "kind" | "mend">[] {
  return findings.map(({ kind, mend }) => ({ kind, mend }));
}

/** A listed session of a new user, with two versions of its summary in the archive. */
async function chatIn(settings: SessionSettings = {}): Promise<SessionRef> {
  const ref = { tenant: "test", owner: `auth0|user/${crypto.randomUUID()}`, session: "one" };
  const turns = Array.from({ length: 12 }, (_, index) => turn(index + 1));
  await request("POST", "/sessions", { id: ref.session, settings: { ...QUIET, ...settings } }, ref.owner);
  for (const messages of [turns.slice(0, 6), turns.slice(6)]) {
    const { status } = await request("POST", `/sessions/${ref.session}/messages`, { messages }, ref.owner);
    expect(status).toBe(201);
    await summarizeAndArchive(ref);
  }
  return ref;
}

function looseAfter(user: UserRef, after: string): Promise<ArchivePage<string>> {
  return asWorker((database) => verifyLooseEpochs(user, { after, limit: 50 }, database));
}

let archiving: Promise<SessionRef> | undefined;
/** The shared chat of all tests that repair what they plant in the archive. */
function mendedChat(): Promise<SessionRef> {
  archiving ??= chatIn({ archiveMessages: true });
  return archiving;
}

async function resyncedArchive(ref: SessionRef): Promise<void> {
  expect(await sessionAt(ref).resyncArchive(0)).toBe("scheduled");
  await archivedWhole(ref);
}

async function rebuilt(ref: SessionRef): Promise<void> {
  expect(await sessionAt(ref).maintain("rebuild", false)).toEqual({ ok: true, value: "scheduled" });
  await until("the summary is made again, and archived", async () => (await pendingJobs(ref)).length === 0);
}

describe("verify: a session", () => {
  it("that is in order has no finding, in its object, on the list, and in the archive", async () => {
    const ref = await mendedChat();
    expect(await asWorker((database) => verifySession(ref, database, parts))).toEqual({
      result: "sound",
      findings: [],
    });
    expect(await heldBy(ref)).toEqual([]);
  });

  it("without its own row in the archive gets it back, with its messages", async () => {
    const ref = await mendedChat();
    const epoch = await epochOf(ref);
    for (const table of ["sessions", "summaries", "summary_items", "messages"]) {
      await archivedAs(sql`delete from ${sql.identifier(table)} where epoch = ${epoch}`);
    }
    expect(told(await verified(ref))).toContainEqual({ kind: "missing-summary", mend: "archive" });
    await resyncedArchive(ref);
    expect(await verified(ref)).toEqual([]);
  });

  it("whose newest version is missing in its object has items without a version, until it is rebuilt", async () => {
    const ref = await chatIn();
    await planted(ref, "DELETE FROM summaries WHERE version = 2");
    expect(told(await verified(ref))).toContainEqual({ kind: "missing-summary", mend: "rebuild" });
    await rebuilt(ref);
    expect(await verified(ref)).toEqual([]);
  });

  it.each([
    ["less than the version before", "UPDATE summaries SET through_seq = 1 WHERE version = 2"],
    ["nothing, and cites it", "UPDATE summaries SET through_seq = 0 WHERE version = 1"],
  ])("whose version covers %s has a wrong range until it is rebuilt", async (_, statement) => {
    const ref = await chatIn();
    await planted(ref, statement);
    expect(told(await verified(ref))).toContainEqual({ kind: "wrong-range", mend: "rebuild" });
    await rebuilt(ref);
    expect(await verified(ref)).toEqual([]);
  });

  it("whose version covers something else in the archive has a wrong range there until the archive is resynced", async () => {
    const ref = await mendedChat();
    await archivedAs(sql`update summaries set through_seq = 3 where epoch = ${await epochOf(ref)}`);
    expect(told(await verified(ref))).toEqual([{ kind: "wrong-range", mend: "archive" }]);
    await resyncedArchive(ref);
    expect(await verified(ref)).toEqual([]);
  });

  it("with an item whose source was erased has a stale source until it is rebuilt", async () => {
    const ref = await chatIn();
    await runInDurableObject(stubAt(ref), (_, { storage }) => {
      const store = new SessionStore(storage.sql);
      store.countChange(store.messageEraser.erase([1], Date.now()));
    });
    await evictDurableObject(stubAt(ref));
    expect(told(await verified(ref))).toContainEqual({ kind: "stale-source", mend: "rebuild" });
    await rebuilt(ref);
    expect(await verified(ref)).toEqual([]);
  });

  it("whose archived items and messages were changed by hand differs from the archive until the archive is resynced", async () => {
    const ref = await mendedChat();
    const epoch = await epochOf(ref);
    await archivedAs(sql`update summary_items set source_seqs = '{7}' where epoch = ${epoch} and from_version = 1`);
    await archivedAs(sql`update messages set content = '"Ice cream."' where epoch = ${epoch} and seq = 2`);
    expect(told(await verified(ref)).toSorted((a, b) => (a.kind < b.kind ? -1 : 1))).toEqual([
      { kind: "different-archive", mend: "archive" },
      { kind: "stale-source", mend: "archive" },
    ]);
    await resyncedArchive(ref);
    expect(await verified(ref)).toEqual([]);
  });

  it("whose archive is ahead of it, as after a restore of the object, replaces what is there", async () => {
    const ref = await mendedChat();
    const epoch = await epochOf(ref);
    await archivedAs(sql`update sessions set rev = 700 where epoch = ${epoch}`);
    expect(told(await verified(ref))).toEqual([{ kind: "missing-summary", mend: "archive" }]);
    expect(await sessionAt(ref).resyncArchive(700)).toBe("scheduled");
    await archivedWhole(ref);
    expect(await verified(ref)).toEqual([]);
  });

  it("with a gap in its log, or wrong totals, says that no operation repairs it", async () => {
    const ref = await chatIn();
    await planted(ref, "UPDATE messages SET total_cost = total_cost + 1 WHERE seq = 11");
    expect(told(await verified(ref))).toEqual([{ kind: "broken-log", mend: null }]);
    await planted(ref, "DELETE FROM messages WHERE seq = 11");
    expect(told(await verified(ref))).toContainEqual({ kind: "broken-log", mend: null });
  });

  it("whose archive job is missing is found, and gets a new one", async () => {
    const ref = await mendedChat();
    await planted(ref, "UPDATE session SET archive_rev = archive_rev + 1");
    expect(told(await verified(ref))).toEqual([{ kind: "missing-job", mend: "archive" }]);
    await resyncedArchive(ref);
    expect(await verified(ref)).toEqual([]);
  });

  it("that no list names is reported, and so is an empty object that list and archive know", async () => {
    const ref = await chatIn();
    const directory = env.DIRECTORY.getByName(ownerName(ref));
    await runInDurableObject(directory, (_, state) => state.storage.sql.exec("DELETE FROM sessions").toArray());
    expect(told(await verified(ref))).toEqual([{ kind: "unlisted-session", mend: null }]);
    await request("POST", "/sessions", { id: ref.session }, ref.owner);
    expect(await verified(ref)).toEqual([]);
    await runInDurableObject(stubAt(ref), async (_, state) => {
      await state.storage.deleteAlarm();
      await state.storage.deleteAll();
    });
    await evictDurableObject(stubAt(ref));
    expect(told(await verified(ref))).toEqual([{ kind: "lost-session", mend: null }]);
    expect(told(await heldBy(ref))).toEqual([{ kind: "lost-session", mend: null }]);
  });

  it("that nobody wrote to is absent, and the check creates no row", async () => {
    const ref = { tenant: "test", owner: "-", session: crypto.randomUUID() };
    expect(await asWorker((database) => verifySession(ref, database, parts))).toEqual({
      result: "absent",
      findings: [],
    });
    const tables = await runInDurableObject(stubAt(ref), (_, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'session'").toArray(),
    );
    expect(tables).toEqual([]);
  });
});

describe("verify: data in the archive", () => {
  it.each(["-", `auth0|user/${crypto.randomUUID()}`])(
    "of an epoch that no object knows, owned by %s, is an orphan until it is erased",
    async (owner) => {
      const chat = await mendedChat();
      const orphan = { tenant: "test", owner, session: crypto.randomUUID() };
      const epoch = crypto.randomUUID();
      const source = await epochOf(chat);
      await archivedAs(sql`insert into sessions (tenant, owner, session, epoch, rev, head_seq, through_seq, created_at)
        values (${orphan.tenant}, ${orphan.owner}, ${orphan.session}, ${epoch}, 3, 9, 6, now())`);
      await archivedAs(sql`insert into summary_items (epoch, item_id, from_version, kind, text, source_seqs, status, tenant, owner)
        select ${epoch}, item_id, from_version, kind, text, source_seqs, status, tenant, ${owner} from summary_items
        where epoch = ${source}`);
      expect(await archivedTexts(epoch)).not.toEqual([]);
      const findings = await verified(orphan);
      expect(told(findings)).toEqual([{ kind: "orphan", mend: "archive" }]);
      const row = {
        ...orphan,
        epoch,
        rev: 3,
        headSeq: 9,
        throughSeq: 6,
        metadata: {},
        createdAt: 1,
        isErased: false,
        setAside: null,
      };
      if (owner !== "-") expect(told(await heldBy(orphan))).toEqual([{ kind: "orphan", mend: "archive" }]);
      await asWorker((database) => eraseOrphan(database, row));
      await asWorker((database) => eraseOrphan(database, row));
      expect(await verified(orphan)).toEqual([]);
      expect(await archivedTexts(epoch)).toEqual([]);
      expect(await verified(chat)).toEqual([]);
    },
  );

  it("of an epoch without a row of its session is an orphan until it is deleted", async () => {
    const chat = await mendedChat();
    const epoch = `loose-${crypto.randomUUID()}`;
    const source = await epochOf(chat);
    await archivedAs(sql`insert into summary_items (epoch, item_id, from_version, kind, text, source_seqs, status, tenant, owner)
      select ${epoch}, item_id, from_version, kind, text, source_seqs, status, tenant, owner from summary_items
      where epoch = ${source}`);
    const loose = async (): Promise<readonly Finding[]> => {
      const found: Finding[] = [];
      let after: string | null = "";
      while (after !== null) {
        const page: ArchivePage<string> = await looseAfter(chat, after);
        found.push(...page.findings);
        after = page.next;
      }
      return found;
    };
    expect(told(await loose())).toEqual([{ kind: "orphan", mend: "archive" }]);
    await asWorker((database) => deleteLooseEpoch(database, epoch));
    await asWorker((database) => deleteLooseEpoch(database, source));
    expect(await loose()).toEqual([]);
    expect(await verified(chat)).toEqual([]);
  });
});
