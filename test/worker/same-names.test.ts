import { beforeEach, describe, expect, it } from "vitest";
import { listHeldSessions, readHeldRow, readHeldSession, readHeldSummary } from "../../src/archive/held.ts";
import { readMemories, readSessionItems, searchMemories } from "../../src/archive/memories.ts";
import { countUserRows, eraseUserRows } from "../../src/archive/users.ts";
import {
  archivedWhole,
  asWorker,
  changeArchive,
  creationOf,
  letPass,
  request,
  said,
  sessionAt,
  type SessionRef,
  untilExpired,
  unwrap,
} from "../support/session.ts";

/**
 * Two users of one tenant, the tenant itself, and a user of the same name in another tenant, each with a session of the same id: whoever
 * leaves one of the names out of a question gets somebody else's answer here.
 */

describe("sessions of one id in the archive", () => {
  let parties: readonly (SessionRef & { readonly secret: string; readonly epoch: string })[] = [];

  beforeEach(async () => {
    const [ada, bob] = [`ada-${crypto.randomUUID()}`, `bob-${crypto.randomUUID()}`];
    const session = `shared-${crypto.randomUUID()}`;
    const tenant = `t-${crypto.randomUUID()}`;
    parties = [
      { tenant, owner: ada },
      { tenant, owner: bob },
      { tenant, owner: "-" },
      { tenant: `other-${tenant}`, owner: ada },
    ].map((names, index) => ({
      ...names,
      session,
      secret: `The harbour code of party ${index} is ${7000 + index}`,
      epoch: crypto.randomUUID(),
    }));
    for (const { secret, epoch, ...ref } of parties) await archive(ref, epoch, secret);
  });

  async function archive(ref: SessionRef, epoch: string, secret: string): Promise<void> {
    const createdAt = Date.UTC(2026, 10, 1);
    const summary = {
      version: 1,
      throughSeq: 1,
      tokens: 9,
      summarizer: "test",
      degraded: false,
      droppedItems: 0,
      createdAt,
    };
    const item = { id: "1.1", kind: "fact" as const, text: secret, sourceSeqs: [1], status: "current" as const };
    const message = {
      seq: 1,
      afterSeq: null,
      id: "m1",
      role: "user" as const,
      author: null,
      content: secret,
      metadata: null,
      occurredAt: null,
      createdAt,
      editedAt: null,
      erasedAt: null,
    };
    const write = {
      ref,
      epoch,
      baseRev: 0,
      isReplaced: false,
      rev: 1,
      createdAt,
      headSeq: 1,
      throughSeq: 1,
      metadata: {},
      summaries: [summary],
      items: [{ ...item, fromVersion: 1 }],
      endedItems: [],
      messages: { afterSeq: 0, rows: [message] },
    };
    const result = await changeArchive(write);
    expect(result).toBe("applied");
  }

  it("give each party its own items, memories and hits, and nobody else's", async () => {
    for (const { tenant, owner, session, secret, epoch } of parties) {
      await asWorker(async (database) => {
        const items = await readSessionItems(database, { tenant, owner, session });
        expect(items.map(({ text }) => text)).toEqual([secret]);
        const memories = await readMemories(database, { tenant, owner }, 10);
        expect(memories.map(({ item, epoch: theirs }) => [item.text, theirs])).toEqual([[secret, epoch]]);
        const found = await searchMemories(
          database,
          { tenant, owner },
          { query: "harbour code" },
          { limit: 10, offset: 0 },
        );
        expect(found.map(({ item, epoch: theirs }) => [item.text, theirs])).toEqual([[secret, epoch]]);
      });
    }
  });

  it("are stored as each party's own", async () => {
    for (const { tenant, owner, session, epoch } of parties) {
      await asWorker(async (database) => {
        expect((await readHeldRow(database, { tenant, owner, session }))?.epoch).toBe(epoch);
        expect((await readHeldSession(database, { tenant, owner, session }))?.hasSummary).toBe(true);
        const held = await readHeldSummary(database, { tenant, epoch }, 0, Number.MAX_SAFE_INTEGER);
        expect(held.items.map((item) => [item.tenant, item.owner])).toEqual([[tenant, owner]]);
        const listed = await listHeldSessions(database, { tenant, owner }, { after: null, limit: 10 });
        expect(listed.map((row) => [row.tenant, row.owner, row.epoch])).toEqual([[tenant, owner, epoch]]);
      });
    }
  });

  it("are erased separately", async () => {
    const [ada, ...others] = parties;
    if (ada === undefined) throw new Error("nobody is there");
    const { tenant, owner, session, epoch } = ada;
    const createdAt = Date.UTC(2026, 10, 1);
    await changeArchive({ ref: { tenant, owner, session }, epoch, createdAt });
    expect(await asWorker((database) => readSessionItems(database, ada))).toEqual([]);
    const page = { after: null, limit: 10 };
    expect(
      await asWorker((database) => listHeldSessions(database, { tenant, owner }, page)),
      "a tombstone is no session",
    ).toEqual([]);
    await expectUntouched(others);
  });

  it("are erased with their own user only, and are counted separately", async () => {
    const [ada, ...others] = parties;
    if (ada === undefined) throw new Error("nobody is there");
    expect(await asWorker((database) => eraseUserRows(database, ada))).toEqual([ada.epoch]);
    expect(await asWorker((database) => countUserRows(database, ada, [ada.epoch]))).toBe(0);
    for (const other of others) {
      expect(await asWorker((database) => countUserRows(database, other, []))).toBe(2);
    }
    await expectUntouched(others);
  });

  async function expectUntouched(others: typeof parties): Promise<void> {
    for (const { secret, epoch, ...ref } of others) {
      await asWorker(async (database) => {
        expect((await readSessionItems(database, ref)).map(({ text }) => text)).toEqual([secret]);
        const held = await readHeldSession(database, ref);
        expect([held?.row.epoch, held?.row.isErased, held?.messageSeq]).toEqual([epoch, false, 1]);
      });
    }
  }
});

describe("expired sessions of one id", () => {
  const HOUR_MS = 3_600_000;

  async function expired(owner: string, session: string, secret: string): Promise<SessionRef> {
    const ref = { tenant: "test", owner, session };
    const messages = Array.from({ length: 12 }, (_, at) => said(`${secret}, says ${owner} for the ${at + 1}. time.`));
    const settings = { expireAfterIdleSeconds: 3_600, summarizeAfterIdleSeconds: null };
    unwrap(await sessionAt(ref).append({ messages }, creationOf(ref, settings)));
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
    await archivedWhole(ref);
    await letPass(ref, 2 * HOUR_MS);
    await untilExpired(ref);
    return ref;
  }

  it("are exported with only what their own user said, also after another's was erased", async () => {
    const [ada, bob] = [`ada-${crypto.randomUUID()}`, `bob-${crypto.randomUUID()}`];
    const session = `shared-${crypto.randomUUID()}`;
    const ofAda = await expired(ada, session, "The harbour code is 7001");
    await expired(bob, session, "The harbour code is 7002");
    const exportOf = async (user: string): Promise<string> =>
      (await request("GET", `/users/${user}`, undefined, user)).text;
    expect(await exportOf(ada)).toContain("7001");
    expect(await exportOf(ada)).not.toMatch(/(?<![\da-f])7002(?![\da-f])/);
    expect(await exportOf(bob)).toContain("7002");
    expect(await exportOf(bob)).not.toMatch(/(?<![\da-f])7001(?![\da-f])/);
    unwrap(await sessionAt(ofAda).erase());
    expect(await exportOf(bob)).toContain("7002");
    const found = await request("POST", "/search", { query: "harbour code" }, bob);
    expect(found.text).toContain("7002");
    expect(found.text).not.toMatch(/(?<![\da-f])7001(?![\da-f])/);
  });
});
