import { describe, expect, it } from "vitest";
import type { Item } from "../../src/api/summary.ts";
import { type MemoryOwner, type MemoryQuery, readMemories, searchMemories } from "../../src/archive/memories.ts";
import type { ArchiveWrite } from "../../src/archive/sessions.ts";
import { asWorker, changeArchive, freshRef } from "../support/session.ts";

const newOwner = (): MemoryOwner => ({ tenant: "test", owner: crypto.randomUUID() });

function itemOf(text: string, change: Partial<Item> = {}): Item {
  return { id: `of ${text}`, kind: "fact", text, sourceSeqs: [1], status: "current", ...change };
}

/** A session of this owner whose only summary has these items. */
async function archive(
  { tenant, owner }: MemoryOwner,
  items: readonly Item[],
  madeAt = Date.UTC(2026, 0, 2),
): Promise<ArchiveWrite> {
  const write: ArchiveWrite = {
    ref: { tenant, owner, session: freshRef().session },
    epoch: crypto.randomUUID(),
    baseRev: 0,
    isReplaced: false,
    rev: 1,
    createdAt: Date.UTC(2026, 0, 1),
    headSeq: 8,
    throughSeq: 4,
    metadata: {},
    messages: null,
    summaries: [
      {
        version: 1,
        throughSeq: 4,
        tokens: 12,
        summarizer: "test",
        degraded: false,
        droppedItems: 0,
        createdAt: madeAt,
      },
    ],
    items: items.map((item) => ({ ...item, fromVersion: 1 })),
    endedItems: [],
  };
  await changeArchive(write);
  return write;
}

async function search(owner: MemoryOwner, query: string | MemoryQuery, limit = 20): Promise<string[]> {
  const asked = typeof query === "string" ? { query } : query;
  const found = await asWorker((database) => searchMemories(database, owner, asked, { limit, offset: 0 }));
  return found.map(({ item }) => item.text);
}

describe("search across sessions, in the archive", () => {
  it("finds an item by another form of a word, and says where it is and which messages it cites", async () => {
    const owner = newOwner();
    const write = await archive(owner, [
      itemOf("Ada keeps two boats in Lisbon", { kind: "preference", sourceSeqs: [3, 7], sourceSession: "before" }),
    ]);
    const found = await asWorker((database) =>
      searchMemories(database, owner, { query: "Which BOAT is hers?" }, { limit: 5, offset: 0 }),
    );
    expect(found).toEqual([
      {
        session: write.ref.session,
        epoch: write.epoch,
        item: {
          id: expect.any(String),
          kind: "preference",
          text: "Ada keeps two boats in Lisbon",
          sourceSeqs: [3, 7],
          sourceSession: "before",
          status: "current",
        },
        madeAt: Date.UTC(2026, 0, 2),
        score: expect.any(Number),
      },
    ]);
  });

  it.each([
    ["Chinese, inside a run without spaces", "我的妹妹住在里斯本。", "里斯本"],
    ["one Chinese character", "我的妹妹住在里斯本。", "妹"],
    ["Japanese", "彼は東京タワーが好きです", "東京タワー"],
    ["Korean, though a particle sticks to the noun", "서울에서 만났다", "서울"],
    ["Thai", "เขาชอบกาแฟดำ", "กาแฟ"],
    ["Hindi, whose vowel signs are no ends of words", "उसे कॉफ़ी पसंद है", "कॉफ़ी"],
    ["Arabic without its vowel signs", "يُحِبُّ القهوة", "يحب"],
    ["Russian in capitals", "Иван живёт в Казани", "ЖИВЕТ"],
    ["an accent that the query leaves out", "Der Café-Schlüssel liegt im Büro", "cafe schlussel"],
    ["full-width letters", "ＡＢＣ１２３ is the code", "abc123"],
    ["a number among punctuation", "Order #7731-B costs $40.", "7731"],
    ["nothing but stop words", "Who is it?", "who is it"],
  ])("finds %s", async (_, text, query) => {
    const owner = newOwner();
    await archive(owner, [itemOf(text), itemOf("unrelated words altogether", { id: "other" })]);
    expect(await search(owner, query)).toEqual([text]);
  });

  it.each([
    "' & | ! <-> :* ( ) \\",
    "boats' | 'unrelated",
    "!boats",
    "-boats",
    "boats:*A & <2>",
    "'; drop table summary_items; --",
    "%_\\",
    "test/-",
    "\u{1F600}\u200d\u202e",
  ])("treats the syntax of a text search as words: %s", async (query) => {
    const owner = newOwner();
    await archive(owner, [itemOf("unrelated words altogether")]);
    const names = query.includes("unrelated");
    expect(await search(owner, query)).toEqual(names ? ["unrelated words altogether"] : []);
  });

  it("finds nothing of another user or tenant, whatever the query is", async () => {
    const mine = newOwner();
    const other = newOwner();
    await archive(other, [itemOf("The secret harbour")]);
    await archive({ tenant: "another", owner: mine.owner }, [itemOf("The secret harbour")]);
    const attempts = [
      "harbour",
      `${other.tenant}/${other.owner}`,
      `harbour' | 'test/${other.owner}`,
      `'test/${other.owner}'`,
    ];
    for (const query of attempts) expect(await search(mine, query)).toEqual([]);
    expect(await search({ ...mine, owner: `${mine.owner}' | 'test/${other.owner}` }, "harbour")).toEqual([]);
    expect(await search(other, "harbour")).toEqual(["The secret harbour"]);
  });

  it("ranks the item with the rarer words first, and of equal ones the newer", async () => {
    const owner = newOwner();
    for (const day of [1, 2, 3]) {
      await archive(owner, [itemOf(`The invoice of day ${day} is paid`)], Date.UTC(2026, 0, day));
    }
    await archive(owner, [itemOf("The invoice for the kettle is open")], Date.UTC(2025, 0, 1));
    const found = await search(owner, "Is the kettle's invoice open?");
    expect(found).toEqual([
      "The invoice for the kettle is open",
      "The invoice of day 3 is paid",
      "The invoice of day 2 is paid",
      "The invoice of day 1 is paid",
    ]);
    expect(await search(owner, "invoice", 2)).toEqual(found.slice(1, 3));
  });

  it("filters by kinds, statuses and sessions, and never finds an item that a later version dropped", async () => {
    const owner = newOwner();
    const first = await archive(owner, [
      itemOf("tea is a fact"),
      itemOf("tea is a task that is done", { kind: "task", status: "done" }),
      itemOf("tea is gone"),
    ]);
    const next: ArchiveWrite = {
      ...first,
      baseRev: 1,
      rev: 2,
      summaries: first.summaries.map((summary) => ({ ...summary, version: 2 })),
      items: [],
      endedItems: [{ id: "of tea is gone", fromVersion: 1 }],
    };
    await changeArchive(next);
    await archive(owner, [itemOf("tea is liked", { kind: "preference" })]);
    expect((await search(owner, "tea")).toSorted()).toEqual([
      "tea is a fact",
      "tea is a task that is done",
      "tea is liked",
    ]);
    expect(await search(owner, { query: "tea", kinds: ["preference"] })).toEqual(["tea is liked"]);
    expect(await search(owner, { query: "tea", statuses: ["done", "superseded"] })).toEqual([
      "tea is a task that is done",
    ]);
    const inFirst = await search(owner, { query: "tea", statuses: ["current"], sessions: [first.ref.session] });
    expect(inFirst).toEqual(["tea is a fact"]);
    expect(await search(owner, { query: "tea", sessions: ["unknown"] })).toEqual([]);
  });

  it("returns page after page without repeating or skipping an item", async () => {
    const owner = newOwner();
    await archive(
      owner,
      Array.from({ length: 25 }, (_, index) => itemOf(`crate ${index}`, { id: `1.${index}` })),
    );
    const pages: string[] = [];
    for (let offset = 0; offset < 30; offset += 10) {
      const page = await asWorker((database) =>
        searchMemories(database, owner, { query: "crate" }, { limit: 10, offset }),
      );
      pages.push(...page.map(({ item }) => item.text));
    }
    expect(new Set(pages).size).toBe(25);
    expect(pages).toHaveLength(25);
  });

  it("finds nothing of an erased session", async () => {
    const owner = newOwner();
    const { ref, epoch, createdAt } = await archive(owner, [itemOf("the harbour")]);
    await changeArchive({ ref, epoch, createdAt });
    expect(await search(owner, "harbour")).toEqual([]);
    expect(await asWorker((database) => readMemories(database, owner, 10))).toEqual([]);
  });
});

describe("the memories of a user across sessions", () => {
  it("are current facts and preferences, newest first, with their sources", async () => {
    const owner = newOwner();
    const old = await archive(owner, [itemOf("likes tea", { kind: "preference" })], Date.UTC(2026, 0, 1));
    const young = await archive(
      owner,
      [
        itemOf("lives in Lisbon"),
        itemOf("lived in Porto", { status: "superseded" }),
        itemOf("has to call Ada", { kind: "task" }),
      ],
      Date.UTC(2026, 0, 3),
    );
    await archive(newOwner(), [itemOf("is somebody else's")]);
    const read = (limit: number, kinds?: readonly Item["kind"][]) =>
      asWorker((database) => readMemories(database, owner, limit, kinds === undefined ? {} : { kinds }));
    expect(await read(10)).toMatchObject([
      {
        session: young.ref.session,
        epoch: young.epoch,
        item: { text: "lives in Lisbon" },
        madeAt: Date.UTC(2026, 0, 3),
      },
      {
        session: old.ref.session,
        epoch: old.epoch,
        item: { text: "likes tea" },
        madeAt: Date.UTC(2026, 0, 1),
      },
    ]);
    expect((await read(1)).map(({ item }) => item.text)).toEqual(["lives in Lisbon"]);
    expect((await read(10, ["task"])).map(({ item }) => item.text)).toEqual(["has to call Ada"]);
  });
});
