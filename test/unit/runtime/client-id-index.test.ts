import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ObjectStorage } from "../../../simulation/object-storage.ts";
import type { NewMessage } from "../../../src/api/message.ts";
import { readCopyPage, saveCopyPage } from "../../../src/session/copies/fork.ts";
import { beginProgress, saveLines } from "../../../src/session/copies/import.ts";
import { ImportedItems } from "../../../src/session/copies/imported-items.ts";
import { appendMessages } from "../../../src/session/log/append.ts";
import { readMessage } from "../../../src/session/log/read.ts";
import { SessionStore } from "../../../src/session/store.ts";
import { checkLogIntegrity } from "../../../src/session/verify/integrity.ts";
import { NodeSession, NOON } from "./node-session.ts";

const said = (id: string): NewMessage => ({ id, role: "user", content: "hello" });

/** A session with the messages `m-1` to `m-COUNT`, except that those of `withoutId` have no id. */
function chatOf(count: number, withoutId: (seq: number) => boolean = () => false): NodeSession {
  const session = new NodeSession();
  const messages = Array.from({ length: count }, (_, at): NewMessage => {
    const message = said(`m-${at + 1}`);
    return withoutId(at + 1) ? { role: message.role, content: message.content } : message;
  });
  for (let from = 0; from < count; from += 100) session.append(messages.slice(from, from + 100));
  return session;
}

/** Where messages are found, by an object that has nothing cached. */
function found(session: NodeSession, ids: readonly string[]): number[] {
  return new SessionStore(session.sql).messages.earlier(ids).map(({ seq }) => seq);
}

const BORDERS = [1, 63, 64, 65, 128, 129, 959, 960, 961, 1_024, 1_920, 1_921, 2_944, 2_945, 3_000];
const rowsIn = (session: NodeSession) => session.sql.exec("SELECT * FROM client_ids").toArray().length;

describe("a message", () => {
  it("is found by its client's id in a long chat: in each block, at its borders, and among the newest", () => {
    const session = chatOf(3_000);
    const ids = BORDERS.map((seq) => `m-${seq}`);
    for (const store of [session.store, new SessionStore(session.sql)]) {
      expect(ids.map((id) => store.messages.byClientId(id)?.seq)).toEqual(BORDERS);
      expect(store.messages.earlier(ids).map(({ seq }) => seq)).toEqual(expect.arrayContaining(BORDERS));
      expect(store.messages.byClientId("m-3001")).toBeNull();
    }
    expect(rowsIn(session)).toBe(4);
    expect(checkLogIntegrity(session.unit(), 0).flaws).toEqual([]);
  });

  it("is not found by an id with the same hash, and both are stored", () => {
    const [one, other] = ["m-12568", "m-36864"];
    const [hash, same] = [one, other].map((id) => createHash("sha256").update(id).digest().readUInt32LE(0));
    expect(hash).toBe(same);
    const session = new NodeSession();
    session.append([said(one)]);
    session.append(Array.from({ length: 63 }, (_, at) => said(`other-${at}`)));
    expect(readMessage(session.unit(), other)).toBeNull();
    expect(session.append([said(other)])).toMatchObject({ ok: true, value: { createdCount: 1 } });
    session.append(Array.from({ length: 63 }, (_, at) => said(`more-${at}`)));
    expect([one, other].map((id) => readMessage(session.unit(), id)?.seq)).toEqual([1, 65]);
    expect(found(session, [one])).toEqual([1]);
  });

  it.each([1, 60, 64, 100])("of %i that are appended again is stored once", (count) => {
    const session = chatOf(50);
    const batch = Array.from({ length: count }, (_, at) => said(`new-${at}`));
    session.append(batch);
    expect(session.append(batch)).toMatchObject({ ok: true, value: { createdCount: 0, headSeq: 50 + count } });
    expect(found(session, ["new-0"])).toEqual([51]);
  });

  it("costs no row of the index if there are no ids, and is not looked for", () => {
    const session = chatOf(200, () => true);
    expect(rowsIn(session)).toBe(0);
    let statements = 0;
    const exec = session.sql.exec.bind(session.sql);
    session.sql.exec = (...given: Parameters<typeof exec>) => {
      statements += 1;
      return exec(...given);
    };
    expect(session.store.messages.earlier([])).toEqual([]);
    expect(statements).toBe(0);
  });
});

describe("the index of clients' ids", () => {
  it("reads what was committed after a change was rolled back", () => {
    const session = chatOf(100);
    const storage = new ObjectStorage(session.disk);
    const fault = new Error("as the test asked");
    const changes = [
      () => session.store.deleteLog(),
      () =>
        appendMessages(
          session.unit(),
          Array.from({ length: 100 }, (_, at) => said(`lost-${at}`)),
          undefined,
        ),
    ];
    for (const change of changes) {
      expect(() =>
        storage.transactionSync(() => {
          change();
          session.store.messages.earlier(["m-1"]);
          throw fault;
        }),
      ).toThrow(fault);
      session.store.forget();
      expect(session.append([said("m-1"), said("m-100")])).toMatchObject({ ok: true, value: { createdCount: 0 } });
    }
    session.append(Array.from({ length: 100 }, (_, at) => said(`kept-${at}`)));
    expect(found(session, ["lost-1", "kept-1"])).toEqual([102]);
    expect(checkLogIntegrity(session.unit(), 0).flaws).toEqual([]);
  });

  it("is empty after the log was cleared", () => {
    const session = chatOf(100);
    session.store.deleteLog();
    expect([
      found(session, ["m-1"]),
      session.sql.exec("SELECT name FROM sqlite_master WHERE name = 'client_ids'").toArray(),
    ]).toEqual([[], []]);
    session.append([said("m-2")]);
    expect(found(session, ["m-1", "m-2"])).toEqual([1]);
  });

  it("is built by a fork and by an import as well", () => {
    const source = chatOf(130, (seq) => seq % 2 === 0);
    const fork = new NodeSession({ copying: { kind: "fork", until: NOON, sourceChanges: null } });
    fork.store.lineage.putOrigin({ session: "s", epoch: "i", kind: "fork", throughSeq: 130, state: "pending" });
    const job = fork.schedule("fork", { throughSeq: 130 });
    for (const after of [0, 130]) saveCopyPage(fork.unit(), job.id, readCopyPage(source.unit(), after, 130));
    const copy = new NodeSession();
    const lineOf = (seq: number, id: string) => ({
      number: seq + 1,
      line: { type: "message", seq, id, role: "user", content: "hello", createdAt: "2026-11-22T10:00:00Z" } as const,
    });
    const lines = Array.from({ length: 130 }, (_, at) =>
      lineOf(at + 1, at % 2 === 0 ? `m-${at + 1}` : `seq-${at + 1}`),
    );
    const save = (given: typeof lines) =>
      saveLines(copy.unit(), beginProgress("import", 1, 1_000), new ImportedItems(), given, 500);
    save(lines);
    for (const session of [source, fork, copy]) {
      expect(found(session, ["m-1", "m-63"]).toSorted((a, b) => a - b)).toEqual([1, 63]);
      expect(found(session, ["m-129", "m-2", "m-64"])).toEqual([129]);
      expect(checkLogIntegrity(session.unit(), 0).flaws).toEqual([]);
    }
    expect(() => save([lineOf(131, "m-63")])).toThrow("has the id of an earlier message");
  });

  it("is checked: for ids that it does not find, and for an id that two messages have", () => {
    const wrongs = [
      ["UPDATE client_ids SET hashes = zeroblob(3840)", "seq 1, 2, 3, 4, 5 and 59 more cannot be found"],
      ["DELETE FROM client_ids", "and 59 more cannot be found"],
      ["UPDATE messages SET client_id = 'm-69' WHERE seq = 70", "seq 70 has the client's id of an earlier message"],
    ] as const;
    for (const [wrong, detail] of wrongs) {
      const session = chatOf(70);
      session.sql.exec(wrong);
      const { flaws } = checkLogIntegrity(session.unit(), 0);
      expect(flaws, wrong).toMatchObject([{ kind: "broken-log", detail: expect.stringContaining(detail) }]);
    }
  });
});
