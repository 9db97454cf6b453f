import { describe, expect, it } from "vitest";
import { confirmArchived, forgetArchived, readArchiveDelta } from "../../../src/session/archive/delta.ts";
import { resyncArchive } from "../../../src/session/archive/resync.ts";
import { editMessage } from "../../../src/session/erase/edit.ts";
import { eraseMessage } from "../../../src/session/erase/erase.ts";
import { expiryAt, soonestIdleAt, stepExpiry } from "../../../src/session/outbox/idle-schedule.ts";
import { scheduleArchive } from "../../../src/session/outbox/jobs.ts";
import { startOfDay } from "../../../src/session/quota/day.ts";
import { keepDay } from "../../../src/session/quota/spend.ts";
import { NodeSession, NOON } from "./node-session.ts";

function archived(messages: number): NodeSession {
  const session = new NodeSession({ settings: { archiveMessages: true } });
  session.say(messages);
  scheduleArchive(session.unit());
  return session;
}

const jobOf = (session: NodeSession): string => session.job("archive")?.id ?? "";
const confirm = (session: NodeSession, messageSeq: number): boolean =>
  confirmArchived(session.unit(), jobOf(session), { rev: session.row.archiveRev, version: 0, messageSeq });

describe("the messages of a session in the archive", () => {
  it("are sent in pages of 500, and each confirmed page clears earlier failures", () => {
    const session = archived(501);
    expect(session.row.messageArchive).toMatchObject({ sentSeq: 500, targetSeq: 501, confirmedSeq: 0 });
    const delta = readArchiveDelta(session.unit(), jobOf(session));
    expect(delta).toMatchObject({ messageSeq: 500, headSeq: 501, messages: { afterSeq: 0 } });
    expect(delta?.messages?.rows).toHaveLength(500);
    for (const job of session.jobs) {
      session.store.jobs.put({ ...job, failures: 7, sends: 9, firstError: "away", firstFailedAt: NOON });
    }
    expect(confirm(session, 500)).toBe(false);
    expect(session.job("archive")).toMatchObject({ failures: 0, sends: 0, firstError: null, firstFailedAt: null });
    expect(session.row.messageArchive).toMatchObject({ sentSeq: 501, confirmedSeq: 500 });
    expect(confirm(session, 501)).toBe(true);
    expect(session.jobs).toEqual([]);
  });

  it("are sent again once after an edit; confirmed ones are not sent again", () => {
    const session = archived(3);
    confirm(session, 3);
    editMessage(session.unit(), "seq-2", { content: "mended" });
    const changed = session.row.messageArchive?.changed;
    expect(changed).toEqual([{ seq: 2, rev: session.row.archiveRev }]);
    const delta = readArchiveDelta(session.unit(), jobOf(session));
    expect(delta?.messages?.rows.map(({ seq, content }) => [seq, content])).toEqual([[2, "mended"]]);
    expect(confirm(session, 3)).toBe(true);
    expect(session.row.messageArchive?.changed).toEqual([]);
  });

  it("that changed while a page was on its way are sent with the next one", () => {
    const session = archived(3);
    const { archiveRev } = session.row;
    eraseMessage(session.unit(), "seq-3");
    const delta = { rev: archiveRev, version: 0, messageSeq: 3 };
    expect(confirmArchived(session.unit(), jobOf(session), delta)).toBe(false);
    expect(session.row.messageArchive?.changed).toMatchObject([{ seq: 3 }]);
    expect(readArchiveDelta(session.unit(), jobOf(session))?.messages?.rows).toMatchObject([{ seq: 3, content: null }]);
  });
});

describe("a long history of summaries", () => {
  const TEXT = "message number 1 ".repeat(100);
  /** This many versions, each with an item that replaces that of the version before. */
  function withHistory(versions: number, itemsEach = 1): NodeSession {
    const session = new NodeSession();
    session.append(["message number 1"]);
    for (let version = 1; version <= versions; version += 1) {
      session.summarize(
        version,
        1,
        Array.from({ length: itemsEach }, () => ({ text: TEXT })),
        {},
        Array.from({ length: itemsEach }, (_, at) => `${version - 1}.${at + 1}`),
      );
    }
    scheduleArchive(session.unit());
    return session;
  }

  /** Sends pages to an archive that stores them, until no job is pending. */
  function drain(session: NodeSession): { pages: number; versions: Set<number>; items: Set<string> } {
    const held = { pages: 0, versions: new Set<number>(), items: new Set<string>() };
    for (let job = session.job("archive"); job !== undefined; job = session.job("archive")) {
      const delta = readArchiveDelta(session.unit(), job.id);
      if (delta === null) throw new Error("nothing is pending");
      expect(delta.bytes).toBeLessThan(512 * 1024);
      if (delta.isReplaced) held.versions.clear();
      if (delta.isReplaced) held.items.clear();
      for (const { version } of delta.summaries) held.versions.add(version);
      for (const item of delta.endedItems) held.items.delete(item.id);
      for (const item of delta.items) held.items.add(item.id);
      held.pages += 1;
      expect(held.pages).toBeLessThan(100);
      confirmArchived(session.unit(), job.id, delta);
    }
    return held;
  }

  it("is sent to the archive in pages, one revision each, without leaving any out", () => {
    const session = withHistory(60, 8);
    const held = drain(session);
    expect(held.pages).toBeGreaterThan(2);
    expect(held.versions.size).toBe(60);
    expect([...held.items]).toEqual(Array.from({ length: 8 }, (_, index) => `60.${index + 1}`));
    expect(session.row).toMatchObject({ archivedVersion: 60, archivedRev: session.row.archiveRev });
  });

  it("is sent from the beginning if something in it was erased while a page was on its way", () => {
    const session = withHistory(60, 8);
    const job = session.job("archive")?.id ?? "";
    const first = readArchiveDelta(session.unit(), job);
    if (first === null) throw new Error("nothing is pending");
    scheduleArchive(session.unit(), true);
    // The page of the revision before comes back late, and says that the archive is further than the next page knows.
    expect(confirmArchived(session.unit(), job, first)).toBe(false);
    const second = readArchiveDelta(session.unit(), job);
    expect(second).toMatchObject({ isReplaced: true, summaries: [{ version: 1 }, ...first.summaries.slice(1)] });
    expect(drain(session).versions.size).toBe(60);
    scheduleArchive(session.unit(), true);
    expect(drain(session).versions.size).toBe(60);
  });

  it("that the archive lost is sent from the beginning, with a revision that no page on its way has", () => {
    const session = withHistory(60, 8);
    const job = session.job("archive")?.id ?? "";
    const lost = readArchiveDelta(session.unit(), job);
    forgetArchived(session.unit(), job);
    const anew = readArchiveDelta(session.unit(), job);
    expect(anew?.rev).toBeGreaterThan(lost?.rev ?? 0);
    expect(anew).toMatchObject({
      isReplaced: true,
      baseRev: 0,
      summaries: [{ version: 1 }, ...(lost?.summaries.slice(1) ?? [])],
    });
    expect(drain(session).versions.size).toBe(60);
  });

  it("includes a version that came while a page was on its way", () => {
    const session = withHistory(2);
    const job = session.job("archive")?.id ?? "";
    const first = readArchiveDelta(session.unit(), job);
    session.summarize(3, 1, [{ text: TEXT }], {}, ["2.1"]);
    scheduleArchive(session.unit());
    expect(first).toMatchObject({ items: [{ id: "2.1" }], endedItems: [{ id: "1.1", fromVersion: 1 }] });
    // The archive may have stored the first page, whose confirmation has not come.
    const both = readArchiveDelta(session.unit(), job);
    expect(both?.summaries).toHaveLength(3);
    expect(both).toMatchObject({ items: [{ id: "3.1" }], endedItems: [{ id: "1.1" }, { id: "2.1" }] });
    if (first !== null) confirmArchived(session.unit(), job, first);
    expect(readArchiveDelta(session.unit(), job)?.summaries).toMatchObject([{ version: 3 }]);
  });
});

describe("the archive of a session", () => {
  it.each([
    [NOON - 1, NOON],
    [NOON, NOON + 1],
    [NOON + 5, NOON + 6],
    [undefined, NOON],
  ])("that has a later revision of an epoch %s continues after it: %i", (outrankedBy, beganAt) => {
    const session = archived(1);
    forgetArchived(session.unit(), jobOf(session), outrankedBy);
    expect(session.row).toMatchObject({ beganAt, archivedRev: 0, archiveReplace: true });
  });

  it("is sent anew with a higher revision than the archive has", () => {
    const session = archived(2);
    confirm(session, 2);
    expect(resyncArchive(session.unit(), 40)).toBe("scheduled");
    expect(session.row.archiveRev).toBeGreaterThan(40);
    expect(session.row).toMatchObject({ archivedRev: 0, archiveReplace: true, messageArchive: { confirmedSeq: 0 } });
    const { archiveRev } = session.row;
    expect(resyncArchive(session.unit(NOON + 5), 40)).toBe("scheduled");
    expect(session.row.archiveRev).toBe(archiveRev);
    expect(session.job("archive")?.nextSendAt).toBe(NOON + 5);
  });

  it("is not pending if there is nothing to send", () => {
    const session = new NodeSession();
    session.say(1);
    expect(resyncArchive(session.unit(), 0)).toBe("nothing");
    expect(session.jobs).toEqual([]);
  });
});

const EXPIRING = { expireAfterIdleSeconds: 100, summarizeAfterIdleSeconds: null };

describe("a silent session", () => {
  const LATER = NOON + 600_000;

  it.each([
    ["summarized whole", { degraded: false }, "expire"],
    ["summarized without a model", { degraded: true }, "wait"],
    ["summarized but for its last message", { throughSeq: 1 }, "wait"],
  ])("that is %s may expire, or not", (_, more, step) => {
    const session = new NodeSession({ settings: EXPIRING });
    session.append(["one", "two"]);
    session.summarize(1, 2, [], more);
    const { id } = session.schedule("expire");
    expect(stepExpiry(session.unit(LATER), id)).toBe(step);
  });

  it("does not expire while another job is pending, or while only it has some rows", () => {
    const session = new NodeSession({ settings: EXPIRING });
    session.append(["one"]);
    session.summarize(1, 1);
    const { id } = session.schedule("expire");
    const step = (): string => stepExpiry(session.unit(LATER), id);
    session.store.setArchiveAside(1);
    expect(step()).toBe("wait");
    session.store.setArchiveAside(0);
    const archive = session.schedule("archive");
    expect(step()).toBe("wait");
    session.store.jobs.delete(archive.id);
    expect(step()).toBe("expire");
    session.append(["two"], LATER);
    expect(step()).toBe("cancel");
    session.store.jobs.delete(id);
    expect(step()).toBe("done");
  });

  it("was last active when somebody appended or edited, or when it was created", () => {
    const session = new NodeSession({ settings: EXPIRING });
    const expiry = (): number => expiryAt(session.unit()) ?? 0;
    const fromBeginning = expiry();
    expect(fromBeginning).toBeGreaterThanOrEqual(NOON + 100_000);
    expect(fromBeginning).toBeLessThanOrEqual(NOON + 120_000);
    session.append(["one"], NOON + 1_000);
    expect(expiry() - fromBeginning).toBe(1_000);
    editMessage(session.unit(NOON + 5_000), "seq-1", { content: "two" });
    expect(expiry() - fromBeginning).toBe(5_000);
    editMessage(session.unit(NOON + 9_000), "seq-1", { metadata: { seen: true } });
    expect(expiry() - fromBeginning).toBe(5_000);
  });

  it("wakes for the earliest of its reasons, and not at all if there is none", () => {
    const waiting = new NodeSession({ settings: { expireAfterIdleSeconds: 100, archiveMessages: true } });
    expect(soonestIdleAt(waiting.unit())).toBeLessThanOrEqual(NOON + 120_000);
    const none = new NodeSession({ settings: { summarizeAfterIdleSeconds: null } });
    expect(soonestIdleAt(none.unit())).toBeNull();
  });
});

describe("the day of a session that is erased", () => {
  it.each([
    ["messages", { sessionMessagesPerDay: 9 }, 2],
    ["tokens", { sessionTokensPerDay: 9_000 }, 2],
    ["summaries", { sessionSummariesPerDay: 9 }, 2],
    ["nothing", {}, 0],
    ["what is unbounded", { sessionMessagesPerDay: null }, 0],
  ])("is kept if it has a limit of %s", (_, limits, messages) => {
    const session = new NodeSession({ tenantSettings: { limits } });
    session.append(["one", "two"]);
    keepDay(session.unit());
    expect(session.store.spent.on(startOfDay(NOON)).messages).toBe(messages);
  });

  it("is added up, and replaced on another day", () => {
    const { store } = new NodeSession();
    const today = startOfDay(NOON);
    for (let count = 0; count < 2; count += 1) {
      store.spent.add(today, { summaries: 1, summarizerTokens: 5, messages: 2, messageTokens: 7 });
    }
    expect(store.spent.on(today)).toEqual({ summaries: 2, summarizerTokens: 10, messages: 4, messageTokens: 14 });
    store.spent.add(today + 86_400_000, { summaries: 1 });
    expect(store.spent.on(today).summaries).toBe(0);
    expect(store.spent.lastDay()).toBe(today + 86_400_000);
  });
});
