import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import type { Message, NewMessage } from "../../src/api/message.ts";
import type { SessionSettings } from "../../src/api/session.ts";
import { UNSET_TENANT } from "../../src/api/tenant.ts";
import type { ArchiveDelta } from "../../src/session/archive/delta.ts";
import {
  archivedWhole,
  beside,
  changeArchive,
  chatOf,
  creationOf,
  deliver,
  epochOf,
  forkOf,
  freshRef,
  jobOf,
  letPass,
  onArchive,
  pendingJobs,
  pipelineDeps,
  request,
  ring,
  said,
  sessionAt,
  type SessionRef,
  summarizeAndArchive,
  turn,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

const ARCHIVING: SessionSettings = { archiveMessages: true };
/** No summary becomes due by itself. */
const QUIET: SessionSettings = {
  maxTokens: 1_000_000,
  summarizeAfterTokens: 1_000_000,
  summarizeAfterIdleSeconds: null,
};
const HOUR_MS = 3_600_000;

interface Archived {
  readonly seq: number;
  readonly id: string;
  readonly role: string;
  readonly content: unknown;
}

/** What the archive has of an epoch's messages, in the form of `heldBy`. */
function archived(epoch: string): Promise<Archived[]> {
  return onArchive(async (database) => {
    const { rows } = await database.execute<Record<string, unknown>>(
      sql`select seq, id, role, author, content, metadata, edited_at, erased_at from messages where epoch = ${epoch} order by seq`,
    );
    return rows.map((row) => ({
      seq: Number(row["seq"]),
      id: String(row["id"]),
      role: String(row["role"]),
      author: row["author"],
      content: row["erased_at"] === null ? row["content"] : "erased",
      metadata: row["metadata"],
      isEdited: row["edited_at"] !== null,
    }));
  });
}

/** What the object has. */
async function heldBy(ref: SessionRef): Promise<Archived[]> {
  const { data } = unwrap(await sessionAt(ref).messages({ limit: 1_000_000 }));
  return data.map(toArchived);
}

function toArchived({ seq, id, role, author, content, metadata, editedAt, erased }: Message): Archived {
  const plain = {
    author: author ?? null,
    content: erased === true ? "erased" : content,
    metadata: metadata ?? null,
    isEdited: editedAt !== undefined,
  };
  return { seq, id, role, ...plain };
}

/** How many rows of PostgreSQL, in any table, contain a text. */
function rowsWith(text: string): Promise<number> {
  return onArchive(async (database) => {
    const { rows } = await database.execute<{ name: string }>(
      sql`select table_name as name from information_schema.tables where table_schema = 'public'`,
    );
    expect(rows.map(({ name }) => name)).toEqual(expect.arrayContaining(["messages", "sessions", "summary_items"]));
    let count = 0;
    for (const { name } of rows) {
      const found = await database.execute(
        sql`select 1 from ${sql.identifier(name)} as t where t::text like ${`%${text}%`}`,
      );
      count += found.rows.length;
    }
    return count;
  });
}

async function expectArchiveLikeObject(ref: SessionRef): Promise<void> {
  expect(await archived(await epochOf(ref))).toEqual(await heldBy(ref));
}

/** A chat whose messages are in the archive. */
async function archivedChat(turns = 12): Promise<SessionRef> {
  const ref = await chatOf(turns, { settings: { ...QUIET, ...ARCHIVING } });
  await summarizeAndArchive(ref);
  return ref;
}

/** A chat of this many messages of 80 kB, three of which make a page. */
async function bulkyChat(count: number, settings: SessionSettings): Promise<SessionRef> {
  const ref = freshRef();
  const messages = Array.from({ length: count }, (_, index) => said(`${index}: ${"boat ".repeat(16_000)}`));
  unwrap(await sessionAt(ref).append({ messages }, creationOf(ref, settings)));
  return ref;
}

async function switchTo(ref: SessionRef, archiveMessages: boolean): Promise<void> {
  const settings = { ...QUIET, archiveMessages };
  unwrap(await withoutAlarm(ref, (session) => session.update({ settings })));
}

async function deltaOf(ref: SessionRef): Promise<ArchiveDelta> {
  const { jobId, epoch } = await jobOf(ref, "archive");
  const delta = await withoutAlarm(ref, (session) => session.readArchiveDelta(jobId, epoch));
  if (delta === null) throw new Error("no archive job is pending");
  return delta;
}

async function confirm(ref: SessionRef, { rev, version, messageSeq }: ArchiveDelta): Promise<void> {
  const { jobId, epoch } = await jobOf(ref, "archive");
  await withoutAlarm(ref, (session) => session.confirmArchived(jobId, epoch, { rev, version, messageSeq }));
}

/** Delivers the archive job until none is pending. Returns the number of deliveries. */
async function archiveAll(ref: SessionRef): Promise<number> {
  for (let deliveries = 0; deliveries < 50; deliveries += 1) {
    if (!(await pendingJobs(ref)).some(({ kind }) => kind === "archive")) return deliveries;
    const job = await jobOf(ref, "archive");
    await deliver(job);
  }
  throw new Error("the archive is pending more and more");
}

describe("messages in the archive", () => {
  it("are archived with a summary, including the latest ones, with parts and metadata unchanged", async () => {
    const ref = await chatOf(12, { settings: { ...QUIET, ...ARCHIVING } });
    const rich = {
      ...said("", "rich"),
      author: "Ada",
      metadata: { channel: "web" },
      content: [{ type: "text" as const, text: 'Quotes " and 漢字 🎉' }],
    };
    unwrap(await sessionAt(ref).append({ messages: [rich, said("no id")] }, null));
    await summarizeAndArchive(ref);
    await expectArchiveLikeObject(ref);
    expect(await archived(await epochOf(ref))).toHaveLength(14);
  });

  it("are archived with their files, each message with its own", async () => {
    const ref = freshRef();
    const data = `/9j/${"photo".repeat(200_000)}`;
    const photo: NewMessage = { role: "user", content: [{ type: "file", mediaType: "image/jpeg", data }] };
    unwrap(await sessionAt(ref).append({ messages: [photo, photo] }, creationOf(ref, { ...QUIET, ...ARCHIVING })));
    unwrap(await sessionAt(ref).append({ messages: [turn(1), turn(2), turn(3)] }, null));
    await summarizeAndArchive(ref);
    await expectArchiveLikeObject(ref);
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("seq-1")));
    await archiveAll(ref);
    await expectArchiveLikeObject(ref);
    expect(await rowsWith("photophoto")).toBe(1);
    unwrap(await withoutAlarm(ref, (session) => session.editMessage("seq-2", { content: "no photo" })));
    await archiveAll(ref);
    expect(await rowsWith("photophoto")).toBe(0);
  });

  it("are not archived without the setting", async () => {
    const ref = await chatOf(12, { settings: QUIET });
    const unlike = `gannet-${crypto.randomUUID()}`;
    unwrap(await sessionAt(ref).append({ messages: [said(unlike)] }, null));
    await summarizeAndArchive(ref);
    expect(await rowsWith(unlike)).toBe(0);
    expect(await archived(await epochOf(ref))).toEqual([]);
  });

  it("are archived after a silence, even if too little was said for a summary", async () => {
    const ref = await chatOf(2, { settings: ARCHIVING });
    expect(await pendingJobs(ref)).toEqual([]);
    await letPass(ref, HOUR_MS);
    await ring(ref);
    await until("both are archived", async () => (await archived(await epochOf(ref))).length === 2);
    await archivedWhole(ref);
    await ring(ref);
    expect(await pendingJobs(ref)).toEqual([]);
  });

  it("are all archived page by page when it is switched on later, and `archived` is true after the last page", async () => {
    const ref = await bulkyChat(8, QUIET);
    await switchTo(ref, true);
    const first = await deltaOf(ref);
    expect(first.messages?.rows.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    await deliver(await jobOf(ref, "archive"));
    expect((await archived(first.epoch)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(unwrap(await sessionAt(ref).state()).archived).toBe(false);
    // The session's own alarm may write one of the two remaining pages.
    expect(await archiveAll(ref)).toBeLessThanOrEqual(2);
    expect(unwrap(await sessionAt(ref).state()).archived).toBe(true);
    await expectArchiveLikeObject(ref);
  });

  it("are the same however late, often and in whatever order their pages arrive", async () => {
    const ref = await bulkyChat(7, QUIET);
    await switchTo(ref, true);
    const first = await deltaOf(ref);
    await changeArchive(first);
    await confirm(ref, first);
    const second = await deltaOf(ref);
    expect(await changeArchive(second)).toBe("applied");
    expect(await changeArchive(first)).toBe("stale");
    expect(await changeArchive(second)).toBe("stale");
    await confirm(ref, first);
    await confirm(ref, second);
    const third = await deltaOf(ref);
    await confirm(ref, second);
    expect(await deltaOf(ref)).toEqual(third);
    expect(await changeArchive(third)).toBe("applied");
    await confirm(ref, third);
    await expectArchiveLikeObject(ref);
    expect(await pendingJobs(ref)).toEqual([]);
  });

  it("are archived by the tenant's setting, and removed by it, when an append brings it to the session", async () => {
    const ref = await chatOf(8, { settings: QUIET });
    const on = { ...UNSET_TENANT, rev: 1, settings: ARCHIVING };
    const off = { ...UNSET_TENANT, rev: 2, settings: { archiveMessages: false } };
    unwrap(await sessionAt(ref).append({ messages: [turn(9)] }, null, on));
    await summarizeAndArchive(ref);
    await expectArchiveLikeObject(ref);
    unwrap(await sessionAt(ref).append({ messages: [turn(10)] }, null, off));
    await archivedWhole(ref);
    expect(await archived(await epochOf(ref))).toEqual([]);
  });
});

describe("an archived message that is changed", () => {
  it("is changed in the archive, also if only its metadata changed", async () => {
    const ref = await archivedChat();
    unwrap(await sessionAt(ref).editMessage("turn-3", { content: "Ada sold the boat." }));
    unwrap(await sessionAt(ref).editMessage("turn-12", { metadata: { seen: true } }));
    await archivedWhole(ref);
    await expectArchiveLikeObject(ref);
  });

  it("is nowhere in PostgreSQL after an erasure, except for its seq and id", async () => {
    const secret = `pelican-${crypto.randomUUID()}`;
    const ref = await chatOf(4, { settings: { ...QUIET, ...ARCHIVING } });
    const message = { ...said(`The word is ${secret}.`, "secret"), author: secret, metadata: { word: secret } };
    unwrap(await sessionAt(ref).append({ messages: [message, turn(6)] }, null));
    await summarizeAndArchive(ref);
    expect(await rowsWith(secret)).toBeGreaterThan(0);
    expect(unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("secret"))).state).toBe("erasing");
    expect(unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("secret"))).state).toBe("erasing");
    await archiveAll(ref);
    expect(await rowsWith(secret)).toBe(0);
    expect(unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("secret"))).state).toBe("erased");
    expect((await archived(await epochOf(ref)))[4]).toMatchObject({ seq: 5, id: "secret", content: "erased" });
    await expectArchiveLikeObject(ref);
  });

  it("does not come back with a page that was read before the erasure and arrives after it", async () => {
    const secret = `heron-${crypto.randomUUID()}`;
    const ref = freshRef();
    const settings = { ...QUIET, ...ARCHIVING };
    unwrap(
      await sessionAt(ref).append({ messages: [said("hello", "a"), said(secret, "b")] }, creationOf(ref, settings)),
    );
    await letPass(ref, HOUR_MS);
    await switchTo(ref, false);
    await switchTo(ref, true);
    const early = await deltaOf(ref);
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("b")));
    expect(await changeArchive(early)).toBe("applied");
    expect(await rowsWith(secret)).toBe(1);
    await confirm(ref, early);
    expect(unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("b"))).state).toBe("erasing");
    const late = await deltaOf(ref);
    expect(await changeArchive(late)).toBe("applied");
    expect(await changeArchive(early)).toBe("stale");
    await confirm(ref, late);
    expect(await rowsWith(secret)).toBe(0);
    await expectArchiveLikeObject(ref);
  });

  it("is sent in deliveries of at most two pages, however many messages changed while the archive was unavailable", async () => {
    const ref = await bulkyChat(8, { ...QUIET });
    await switchTo(ref, true);
    await archiveAll(ref);
    for (const seq of [2, 3, 5, 6, 7]) {
      const content = `Edited ${seq}: ${"ship ".repeat(16_000)}`;
      unwrap(await withoutAlarm(ref, (session) => session.editMessage(`seq-${seq}`, { content })));
      expect(JSON.stringify((await deltaOf(ref)).messages).length).toBeLessThan(550_000);
    }
    await archiveAll(ref);
    await expectArchiveLikeObject(ref);
  });

  it("is erased along with more than a hundred others", async () => {
    const ref = await archivedChat(130);
    for (let seq = 2; seq <= 120; seq += 1) {
      unwrap(await withoutAlarm(ref, (session) => session.eraseMessage(`turn-${seq}`)));
    }
    await archiveAll(ref);
    await expectArchiveLikeObject(ref);
    expect((await heldBy(ref)).filter(({ content }) => content === "erased")).toHaveLength(119);
  });
});

describe("messages that are not to be archived any more", () => {
  it("are erased from it when the setting is switched off, and sent there when it is switched on", async () => {
    const ref = await archivedChat();
    const epoch = await epochOf(ref);
    await switchTo(ref, false);
    expect(unwrap(await sessionAt(ref).state()).archived).toBe(false);
    await archiveAll(ref);
    expect(await archived(epoch)).toEqual([]);
    unwrap(await sessionAt(ref).append({ messages: [turn(13)] }, null));
    await summarizeAndArchive(ref);
    expect(await archived(epoch)).toEqual([]);
    await switchTo(ref, true);
    await archiveAll(ref);
    await expectArchiveLikeObject(ref);
  });

  it("are complete after off and on, even if an earlier confirmation arrives in between", async () => {
    const ref = await bulkyChat(4, QUIET);
    await switchTo(ref, true);
    const early = await deltaOf(ref);
    await changeArchive(early);
    await switchTo(ref, false);
    const off = await deltaOf(ref);
    expect(await changeArchive(off)).toBe("applied");
    expect(await archived(early.epoch)).toEqual([]);
    await switchTo(ref, true);
    await confirm(ref, early);
    await confirm(ref, off);
    await archiveAll(ref);
    await expectArchiveLikeObject(ref);
  });

  it("are erased with their session, and with an earlier epoch of it", async () => {
    const ref = await archivedChat();
    const first = await epochOf(ref);
    unwrap(await sessionAt(ref).erase());
    await until("the messages are gone", async () => (await archived(first)).length === 0);
    unwrap(await sessionAt(ref).append({ messages: [turn(1)] }, creationOf(ref, { ...QUIET, ...ARCHIVING })));
    await letPass(ref, 0);
    await switchTo(ref, false);
    await switchTo(ref, true);
    await archiveAll(ref);
    await expectArchiveLikeObject(ref);
    expect(await archived(first)).toEqual([]);
  });

  it("stay there when the session expires, and are erased when it is erased", async () => {
    const settings = { ...QUIET, ...ARCHIVING, expireAfterIdleSeconds: 3_600 };
    const ref = await chatOf(8, { settings });
    await pipelineDeps().directory.register(ref, Date.now(), {});
    await letPass(ref, 2 * HOUR_MS);
    await until("it expires", async () => {
      const state = await sessionAt(ref).state();
      if (!state.ok) return state.fault.code === "session_expired";
      await ring(ref);
      return false;
    });
    const epoch = await epochOf(ref);
    expect((await archived(epoch)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    unwrap(await sessionAt(ref).erase());
    await until("they are gone", async () => (await archived(epoch)).length === 0);
  });
});

describe("a restored archive", () => {
  it("is filled again with everything, and loses what was erased since", async () => {
    const ref = await archivedChat();
    const epoch = await epochOf(ref);
    const before = await onArchive((database) =>
      database.execute(sql`select rev from sessions where epoch = ${epoch}`),
    );
    unwrap(await sessionAt(ref).eraseMessage("turn-2"));
    await archivedWhole(ref);
    await onArchive(async (database) => {
      await database.execute(sql`update sessions set rev = ${before.rows[0]?.["rev"]} where epoch = ${epoch}`);
      await database.execute(sql`update messages set content = '"came back"' where epoch = ${epoch}`);
      await database.execute(sql`delete from messages where epoch = ${epoch} and seq > 5`);
    });
    unwrap(await sessionAt(ref).eraseMessage("turn-3"));
    await archivedWhole(ref);
    await expectArchiveLikeObject(ref);
  });

  it("loses messages that were removed from it since, even if the only later write is a summary", async () => {
    const ref = await archivedChat();
    const epoch = await epochOf(ref);
    const ofEpoch = sql`epoch = ${epoch}`;
    const before = await onArchive(async (database) => {
      const [session] = (await database.execute(sql`select rev from sessions where ${ofEpoch}`)).rows;
      const rows = await database.execute(
        sql`select jsonb_agg(to_jsonb(held)) as held from messages as held where ${ofEpoch}`,
      );
      return { rev: session?.["rev"], messages: JSON.stringify(rows.rows[0]?.["held"]) };
    });
    unwrap(await sessionAt(ref).update({ settings: QUIET }));
    await archivedWhole(ref);
    expect(await archived(epoch)).toEqual([]);
    await onArchive(async (database) => {
      await database.execute(sql`update sessions set rev = ${before.rev} where ${ofEpoch}`);
      await database.execute(
        sql`insert into messages select * from jsonb_populate_recordset(null::messages, ${before.messages}::jsonb)`,
      );
    });
    expect(await archived(epoch)).not.toEqual([]);
    unwrap(await sessionAt(ref).eraseMessage("turn-2"));
    await archivedWhole(ref);
    expect(await archived(epoch)).toEqual([]);
  });

  it("is filled again if it lost the session completely", async () => {
    const ref = await archivedChat();
    const epoch = await epochOf(ref);
    await onArchive(async (database) => {
      for (const table of ["sessions", "summaries", "summary_items", "messages"]) {
        await database.execute(sql`delete from ${sql.identifier(table)} where epoch = ${epoch}`);
      }
    });
    unwrap(await sessionAt(ref).update({ metadata: { topic: "boats" } }));
    await archivedWhole(ref);
    await expectArchiveLikeObject(ref);
  });
});

describe("a copy of a session", () => {
  it("archives its own messages as a fork, and what is erased in its source is erased there, too", async () => {
    const ref = await archivedChat();
    const fork = await forkOf(ref);
    await archivedWhole(fork);
    await expectArchiveLikeObject(fork);
    unwrap(await sessionAt(ref).eraseMessage("turn-3"));
    await until("the fork's archive is told", async () => {
      const rows = await archived(await epochOf(fork));
      return rows[2]?.content === "erased";
    });
    await archivedWhole(fork);
    await expectArchiveLikeObject(fork);
  });

  it("archives them as an import, erased ones as tombstones", async () => {
    const ref = await chatOf(4, { settings: { ...QUIET, ...ARCHIVING } });
    unwrap(await sessionAt(ref).eraseMessage("turn-2"));
    const file = await request("GET", `/sessions/${ref.session}/export`);
    const copy = beside(ref);
    expect((await request("POST", `/import?sessionId=${copy.session}`, file.text)).status).toBe(201);
    await until("it is archived", async () => (await archived(await epochOf(copy))).length === 4);
    await expectArchiveLikeObject(copy);
  });
});
