import { describe, expect, it } from "vitest";
import { MAX_EXPANDED_SOURCES } from "../../../src/api/limits.ts";
import { editMessage } from "../../../src/session/erase/edit.ts";
import { eraseMessage, eraseSession } from "../../../src/session/erase/erase.ts";
import { readEvents, resumeAt } from "../../../src/session/live/read-feed.ts";
import { noteErasures } from "../../../src/session/log/feed-changes.ts";
import { toSummary } from "../../../src/session/log/message-form.ts";
import { readContext } from "../../../src/session/log/read-context.ts";
import { expandSummary, readMessages, readState, readSummaries } from "../../../src/session/log/read.ts";
import { startOfDay } from "../../../src/session/quota/day.ts";
import { retrieveForContext, searchMessages } from "../../../src/session/search/retrieve.ts";
import { overwriteFreedPages } from "../../../src/session/sqlite/freed-pages.ts";
import { overwritten } from "../../../src/session/sqlite/secure-delete.ts";
import {
  checkLogIntegrity,
  checkIntegrity,
  checkSourcesIntegrity,
  checkSummaryIntegrity,
} from "../../../src/session/verify/integrity.ts";
import { NodeSession, NOON } from "./node-session.ts";

function withMessages(count: number): NodeSession {
  const session = new NodeSession();
  session.say(count);
  return session;
}

describe("a page of messages", () => {
  it.each([
    [{ limit: 3 }, [1, 2, 3], "3"],
    [{ afterSeq: 3, limit: 3 }, [4, 5, 6], "6"],
    [{ afterSeq: 4, limit: 3 }, [5, 6, 7], null],
    [{ afterSeq: 7, limit: 3 }, [], null],
    [{ beforeSeq: 6, limit: 3 }, [3, 4, 5], "3"],
    [{ beforeSeq: 3, limit: 3 }, [1, 2], null],
    [{ beforeSeq: 1, limit: 3 }, [], null],
    [{ beforeSeq: 100, limit: 3 }, [5, 6, 7], "5"],
    [{ afterSeq: 2, beforeSeq: 5, limit: 3 }, [3, 4], null],
    [{ limit: 7 }, [1, 2, 3, 4, 5, 6, 7], null],
  ])("of seven, requested by %j", (query, seqs, nextCursor) => {
    const page = readMessages(withMessages(7).unit(), query);
    expect(page.data.map(({ seq }) => seq)).toEqual(seqs);
    expect(page).toMatchObject({ nextCursor, hasMore: nextCursor !== null });
  });

  it("continues through more rows than are read at once", () => {
    const { data } = readMessages(withMessages(300).unit(), { limit: 300 });
    expect(data.map(({ seq }) => seq)).toEqual(Array.from({ length: 300 }, (_, at) => at + 1));
  });
});

describe("messages that are being erased", () => {
  /** The state after the first slice of many: all messages up to the second are erased, and their text is still to be overwritten. */
  function erasing(): NodeSession {
    const session = withMessages(3);
    session.sql.exec("INSERT INTO erasing (one, through_seq, erased_at) VALUES (1, 2, ?)", NOON);
    session.store.forget();
    return session;
  }

  it("are erased for readers, and those after them are not", () => {
    const { store } = erasing();
    expect([1, 2, 3].map((seq) => store.messages.bySeq(seq)?.content)).toEqual([null, null, "message number 2"]);
    expect([...store.messages.forward(1, 3)].map(({ erasedAt }) => erasedAt)).toEqual([NOON, NOON, null]);
    expect(store.messages.newestOf("user", store.branches.through(3), 3, 1)?.seq).toBe(3);
    expect(store.messages.newestOf("user", store.branches.through(2), 2, 1)).toBeNull();
    expect(store.messageEraser.unerased([1, 2, 3])).toEqual([3]);
    expect(store.messageEraser.unerased({ throughSeq: 2 })).toBeNull();
  });

  it("count nothing, in tokens and in bytes, and those after them count what they take", () => {
    const { store } = erasing();
    const whole = withMessages(3).store;
    const [two, three] = [whole.totals.costAt(2), whole.totals.costAt(3)];
    expect([1, 2, 3].map((seq) => store.totals.costAt(seq))).toEqual([0, 0, three - two]);
    expect([1, 2, 3].map((seq) => store.totals.bytesThrough(seq))).toEqual([0, 0, '"message number 2"'.length]);
  });

  it("are gone after the last slice", () => {
    const { store } = erasing();
    store.messageEraser.eraseSlice();
    expect(store.erasure.isRunning()).toBe(false);
    expect([1, 2, 3].map((seq) => store.messages.bySeq(seq)?.content ?? null)).toEqual([
      null,
      null,
      "message number 2",
    ]);
  });
});

describe("the totals of a log", () => {
  it("follow appends, edits and erasures, in any block, and pass the integrity check", () => {
    const session = withMessages(300);
    const { store } = session;
    const costAt = (seq: number): number =>
      [...store.messages.forward(1, seq)].reduce(
        (sum, { content, tokens }) => sum + (content === null ? 0 : tokens),
        0,
      );
    // Besides its content each message costs the same.
    const beside = store.totals.costAt(1) - costAt(1);
    editMessage(session.unit(), "seq-5", { content: "a much longer text than it was before ".repeat(9) });
    editMessage(session.unit(), "seq-128", { content: "x" });
    eraseMessage(session.unit(), "seq-129");
    expect(store.totals.areTrue(store.messages.head())).toBe(true);
    expect(store.totals.costAt(300)).toBe(store.messages.head()?.totalCost);
    for (const seq of [1, 4, 5, 127, 128]) expect(store.totals.costAt(seq)).toBe(costAt(seq) + seq * beside);
    for (const seq of [129, 130, 300]) expect(store.totals.costAt(seq)).toBe(costAt(seq) + (seq - 1) * beside);
    expect(checkLogIntegrity(session.unit(), 0)).toMatchObject({ flaws: [], isLast: true, throughSeq: 300 });
  });

  it("that are wrong are found, wherever they are", () => {
    for (const harm of [
      "UPDATE messages SET total_cost = total_cost + 1 WHERE seq = 2",
      "UPDATE messages SET tokens = tokens + 1 WHERE seq = 3",
      "UPDATE session SET bytes_change = 1",
      "UPDATE session SET cost_change = 1",
    ]) {
      const session = withMessages(3);
      session.sql.exec(harm);
      session.store.forget();
      expect(checkLogIntegrity(session.unit(), 0).flaws, harm).toMatchObject([{ kind: "broken-log" }]);
    }
  });

  it("include everything that edits of a day brought, and nothing of another day", () => {
    const session = withMessages(2);
    const day = startOfDay(NOON);
    const long = (words: number): string => "word ".repeat(words);
    editMessage(session.unit(), "seq-1", { content: long(50) });
    const first = session.store.editedTokensOn(day);
    expect(first).toBeGreaterThan(30);
    editMessage(session.unit(NOON + 1), "seq-2", { content: long(50) });
    expect(session.store.editedTokensOn(day)).toBeGreaterThan(1.5 * first);
    editMessage(session.unit(NOON + 86_400_000), "seq-2", { content: long(200) });
    expect(session.store.editedTokensOn(day)).toBe(0);
    expect(session.store.editedTokensOn(day + 86_400_000)).toBeGreaterThan(first);
  });
});

describe("the integrity check of a session", () => {
  const flawsOf = (session: NodeSession, alarmAt: number | null = null): string[] => {
    const pages = [checkIntegrity(session.unit(), alarmAt), checkSourcesIntegrity(session.unit(), 0)];
    return [...pages, checkSummaryIntegrity(session.unit(), 0)].flatMap(({ flaws }) => flaws.map(({ kind }) => kind));
  };

  it("finds nothing if all is well", () => {
    const session = withMessages(4);
    session.summarize(1, 2, [{ text: "message number 0", sourceSeqs: [1] }]);
    session.summarize(2, 2);
    session.summarize(3, 4);
    expect(flawsOf(session)).toEqual([]);
  });

  it.each([
    ["a message that is missing", (s: NodeSession) => s.sql.exec("DELETE FROM messages WHERE seq = 2"), "broken-log"],
    ["a version that covers less than the one before", (s: NodeSession) => s.summarize(2, 1), "wrong-range"],
    ["a version that covers more than there is", (s: NodeSession) => s.summarize(2, 5), "wrong-range"],
    [
      "an item that cites past its version",
      (s: NodeSession) => s.store.summaries.insertItem(item([3]), 1, null),
      "wrong-range",
    ],
    ["an item of no version", (s: NodeSession) => s.store.summaries.insertItem(item([1]), 9, null), "missing-summary"],
    [
      "an item that nobody said",
      (s: NodeSession) => s.store.summaries.insertItem(item([1], "Paris in 1789"), 1, null),
      "stale-source",
    ],
    [
      "an archive that is behind, and no archive job",
      (s: NodeSession) => s.store.setArchiveRev(1, false, 0),
      "missing-job",
    ],
    ["hidden messages, and no summary job", (s: NodeSession) => s.store.summaries.hide([1]), "missing-job"],
  ] as const)("finds %s", (_, harm, kind) => {
    const session = withMessages(4);
    session.summarize(1, 2);
    harm(session);
    expect(flawsOf(session)).toContain(kind);
  });

  const item = (sourceSeqs: number[], text = "message number") =>
    ({ id: "9.1", kind: "fact", text, sourceSeqs, status: "current" }) as const;

  it.each([
    [null, true],
    [NOON + 600_000, false],
    [NOON + 600_001, true],
    [NOON, false],
  ])("treats an alarm at %s as too late, or not", (alarmAt, isLate) => {
    const session = withMessages(1);
    session.schedule("archive", { nextSendAt: NOON });
    expect(flawsOf(session, alarmAt)).toEqual(isLate ? ["missing-job"] : []);
  });
});

describe("the integrity check of a long history", () => {
  /** This many versions, each with several KiB of items. */
  function withVersions(versions: number, itemsEach: number): NodeSession {
    const session = withMessages(2);
    const text = `message number ${"1 ".repeat(900)}`;
    for (let version = 1; version <= versions; version += 1) {
      session.summarize(
        version,
        2,
        Array.from({ length: itemsEach }, () => ({ text, sourceSeqs: [1, 2] })),
      );
    }
    return session;
  }

  it("reads pages of at most 256 KiB of items, and each version and item once", () => {
    const session = withVersions(20, 20);
    const versions: number[] = [];
    const items: string[] = [];
    let pages = 0;
    for (let afterVersion = 0, isLast = false; !isLast; pages += 1) {
      const page = checkSummaryIntegrity(session.unit(), afterVersion);
      expect(page.items.reduce((sum, item) => sum + item.text.length, 0)).toBeLessThanOrEqual(256 * 1024);
      versions.push(...page.versions.map(({ version }) => version));
      items.push(...page.items.map(({ id }) => id));
      afterVersion = page.throughVersion;
      isLast = page.isLast;
    }
    expect(pages).toBeGreaterThan(2);
    expect(versions).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));
    expect(new Set(items).size).toBe(400);
    expect(items).toHaveLength(400);
  });

  it("compares the first version of a page with the last one before it", () => {
    const session = withVersions(20, 20);
    const { throughVersion } = checkSummaryIntegrity(session.unit(), 0);
    session.sql.exec("UPDATE summaries SET through_seq = 1 WHERE version > ?", throughVersion);
    const { flaws } = checkSummaryIntegrity(session.unit(), throughVersion);
    expect(flaws.map(({ detail }) => detail)).toContainEqual(
      `version ${throughVersion + 1} covers messages through 1, less than version ${throughVersion} before it: through 2`,
    );
  });

  it("reads a limited amount of cited messages, and continues with the next", () => {
    const session = new NodeSession();
    session.append([`nobody said so ${"word ".repeat(40_000)}`, "message"]);
    for (let at = 1; at <= 30; at += 1) session.summarize(at, 2, [{ text: "Paris in 1789", sourceSeqs: [1] }]);
    const first = checkSourcesIntegrity(session.unit(), 0);
    expect(first).toMatchObject({ isLast: false, flaws: [{ kind: "stale-source" }] });
    const { summaries } = session.store;
    const rows = summaries.itemPage(99, 0, 99).map(({ row }) => row);
    expect(rows.indexOf(first.throughRow)).toBeLessThan(14);
    let last = first;
    while (!last.isLast) last = checkSourcesIntegrity(session.unit(), last.throughRow);
    expect(last.throughRow).toBe(rows[29]);
  });
});

describe("hidden messages", () => {
  it("are reported as ranges; if there are too many, the last range extends to the end", () => {
    const { store } = withMessages(1);
    store.summaries.hide([1, 2, 3, 5, 7, 8, 11]);
    expect(store.summaries.hiddenRanges(8, 10)).toEqual([
      { fromSeq: 1, throughSeq: 3 },
      { fromSeq: 5, throughSeq: 5 },
      { fromSeq: 7, throughSeq: 8 },
    ]);
    expect(store.summaries.hiddenRanges(100, 2)).toEqual([
      { fromSeq: 1, throughSeq: 3 },
      { fromSeq: 5, throughSeq: 11 },
    ]);
  });
});

describe("a summary", () => {
  it.each([
    [MAX_EXPANDED_SOURCES, false],
    [MAX_EXPANDED_SOURCES + 1, true],
  ])("with %i sources says whether there are more: %s", (count, hasMore) => {
    const session = withMessages(count);
    const sourceSeqs = Array.from({ length: count }, (_, at) => at + 1);
    session.summarize(1, count, [{ sourceSeqs }]);
    const row = session.store.summaries.byVersion(1);
    if (row === null) throw new Error("the summary is not there");
    const summary = toSummary(row, session.store.summaries.items(1));
    const { sources, hasMoreSources } = expandSummary(session.unit(), summary);
    expect(sources).toHaveLength(MAX_EXPANDED_SOURCES);
    expect(hasMoreSources).toBe(hasMore);
  });

  it("is listed in pages, newest first, each version once", () => {
    const session = withMessages(5);
    for (const version of [1, 2, 3, 4, 5]) session.summarize(version, version);
    const pages: (readonly number[])[] = [];
    for (let before: number | undefined, more = true; more;) {
      const { data, hasMore, nextCursor } = readSummaries(session.unit(), before, 2);
      pages.push(data.map(({ version }) => version));
      before = Number(nextCursor);
      more = hasMore;
    }
    expect(pages).toEqual([[5, 4], [3, 2], [1]]);
  });

  it("as of a message is the one that covers it, and only names hidden messages that it covered", () => {
    const session = withMessages(6);
    session.summarize(1, 2);
    session.summarize(2, 4);
    session.store.summaries.hide([2, 4]);
    const context = (atSeq: number) =>
      readContext(session.unit(), { atSeq, maxTokens: 4_000 }, null, 1_000_000).context;
    expect(context(2).summary?.version).toBe(1);
    expect(context(3).summary?.version).toBe(1);
    expect(context(4).summary?.version).toBe(2);
    expect(context(1).summary).toBeNull();
    expect(context(3).omitted).toEqual([{ fromSeq: 2, throughSeq: 2, reason: "hidden" }]);
    expect(context(5).omitted).toMatchObject([{ fromSeq: 2 }, { fromSeq: 4 }]);
    expect(context(3).messages.map(({ seq }) => seq)).toEqual([3]);
  });
});

describe("the search in a session", () => {
  const found = (session: NodeSession, query: string): number[] =>
    searchMessages(session.unit(), { query }).data.map(({ message }) => message.seq);

  it("forgets the newest indexed message as well as any other", () => {
    for (const seq of [1, 2]) {
      const session = new NodeSession();
      session.append(["the red balloon", "the red kite"]);
      expect(found(session, "red").toSorted()).toEqual([1, 2]);
      eraseMessage(session.unit(), `seq-${seq}`);
      session.search.remove([seq]);
      expect(session.search.search("red", { limit: 9 }).map((hit) => hit.seq)).toEqual([3 - seq]);
      expect(found(session, "red")).toEqual([3 - seq]);
    }
  });

  it("follows an edit of the newest indexed message", () => {
    const session = new NodeSession();
    session.append(["the red balloon", "the red kite"]);
    found(session, "red");
    editMessage(session.unit(), "seq-2", { content: "the blue kite" });
    session.search.update(2);
    expect(found(session, "blue")[0]).toBe(2);
    expect(found(session, "red")[0]).toBe(1);
  });

  it("retrieves no later message for a context as of a message", () => {
    const session = new NodeSession();
    session.append(["the red balloon", "something else", "the red kite"]);
    const seqs = (throughSeq: number): number[] =>
      retrieveForContext(session.unit(), "red", session.store.branches.through(throughSeq)).found.map(
        ({ message }) => message.seq,
      );
    expect(seqs(2)[0]).toBe(1);
    expect(seqs(2)).not.toContain(3);
    expect(seqs(3)).toContain(3);
  });

  it("knows the author of the last message by name", () => {
    const session = new NodeSession();
    session.append([
      { role: "user", author: "Ada", content: "hello there" },
      { role: "user", author: "Bob", content: "good morning" },
    ]);
    found(session, "hello");
    expect(session.search.readQuery("what did Bob say")).toEqual(
      session.search.readQuery("what did Bob say", undefined, 2),
    );
    expect(session.search.readQuery("what did Bob say")).not.toEqual(
      session.search.readQuery("what did Bob say", undefined, 1),
    );
  });
});

describe("the feed of a session", () => {
  it("reports consecutive erasures as one, in the order of their seqs", () => {
    const session = withMessages(12);
    noteErasures(session.unit(), [11, 2, 10, 9]);
    const events = readEvents(session.unit(), 12, 100, 1_000_000).map(({ json }) => JSON.parse(json));
    expect(events).toMatchObject([
      { type: "erased", seq: 2, throughSeq: 2, rev: 13 },
      { type: "erased", seq: 9, throughSeq: 11, rev: 14 },
    ]);
  });

  it("continues for a reader who knows the last forgotten change, and for nobody further back", () => {
    const session = withMessages(1);
    for (let count = 0; count < 5; count += 1) noteErasures(session.unit(), [1]);
    session.store.feed.forgetFirst(2);
    const oldest = session.store.feed.first()?.rev ?? 0;
    expect(resumeAt(session.unit(), oldest)).toBe(oldest);
    expect(resumeAt(session.unit(), oldest - 1)).toBe(oldest - 1);
    expect(resumeAt(session.unit(), oldest - 2)).toBeNull();
    expect(resumeAt(session.unit(), 100)).toBeNull();
  });
});

describe("an erasure", () => {
  it("leaves nothing of the session in its row", () => {
    const session = new NodeSession({ metadata: { patient: "Ada" }, settings: { maxTokens: 777 } });
    session.say(2);
    session.store.setArchiveAside(3);
    const failing = session.schedule("archive", { failures: 9, firstFailedAt: NOON });
    const { settles } = eraseSession(session.unit(NOON + 1)).erased;
    expect(session.row).toMatchObject({ metadata: {}, settings: {}, erasedAt: NOON + 1 });
    expect(session.row.hashKey).toHaveLength(0);
    expect(settles).toEqual([failing.id, expect.stringMatching(/^set-aside-/)]);
    expect(session.jobs.map(({ kind }) => kind)).toEqual(["erase"]);
    expect(session.disk.dump()).not.toMatch(/Ada|message number|777/);
  });

  it("reports no rows as set aside if there are none", () => {
    const session = withMessages(1);
    expect(eraseSession(session.unit()).erased.settles).toEqual([]);
  });

  it("overwrites every byte, however many bytes a character takes", () => {
    const { sql } = new NodeSession();
    for (const text of ["plain", "é", "日本語", "🙂🙂"]) {
      const blank = sql.exec(`SELECT hex(${overwritten("said")}) AS bytes FROM (SELECT ? AS said)`, text).one()[
        "bytes"
      ];
      expect(blank).toBe("00".repeat(Buffer.byteLength(text)));
    }
    expect(sql.exec(`SELECT ${overwritten("said")} AS bytes FROM (SELECT NULL AS said)`).one()["bytes"]).toBeNull();
  });

  it("overwrites freed pages, up to the point where the database would grow", () => {
    const sizes = [8, 8, 8, 9, 9];
    const statements: string[] = [];
    overwriteFreedPages({
      exec: (query) => void statements.push(query.split(" ")[0] ?? ""),
      get databaseSize() {
        return sizes.shift() ?? 9;
      },
    });
    expect(statements).toEqual(["CREATE", "INSERT", "INSERT", "DROP"]);
  });
});

describe("the state of a session", () => {
  it("says whether the archive is complete", () => {
    const session = withMessages(1);
    session.store.setArchiveRev(2, false, 0);
    session.store.setArchived(1, 0);
    expect(readState(session.unit())).toMatchObject({ archived: false, headSeq: 1 });
    session.store.setArchived(2, 0);
    expect(readState(session.unit()).archived).toBe(true);
  });
});
