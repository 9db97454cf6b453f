import { readFileSync } from "node:fs";
import { join } from "node:path";
import { backup } from "node:sqlite";
import { describe, expect, it, onTestFinished } from "vitest";
import { Random } from "../../../simulation/random.ts";
import type { KeptItem } from "../../../src/api/summary.ts";
import { makeTemporaryDirectory, removeDirectory } from "../../support/temporary-directory.ts";
import { NodeSession } from "./node-session.ts";

const UNUSUAL = ['"quoted"', "\\", "\n", "\u0001", "ß", "漢字", "🙂", "\u2028"];

function itemsOf(count: number, textOf: (index: number) => string): Partial<KeptItem>[] {
  return Array.from({ length: count }, (_, index) => ({ text: textOf(index), sourceSeqs: [index + 1] }));
}

/** A summary of so many versions, each of which ends ten items of the one before and adds ten. */
function withVersions(count: number): NodeSession {
  const session = new NodeSession();
  session.say(20);
  for (let version = 1; version <= count; version += 1) {
    const ends = Array.from({ length: 10 }, (_, index) => `${version - 1}.${index + 1}`);
    session.summarize(
      version,
      20,
      itemsOf(10, (index) => `item ${index} of ${version}`),
      {},
      ends,
    );
  }
  return session;
}

describe("the items of versions", () => {
  it("cost two rows a version, however many begin and end with it", () => {
    const session = withVersions(3);
    const before = session.disk.changes();
    session.summarize(
      4,
      20,
      itemsOf(10, (index) => `item ${index}`),
      {},
      Array.from({ length: 10 }, (_, index) => `3.${index + 1}`),
    );
    expect(session.disk.changes() - before).toBe(2);
  });

  it("of the newest version are read from its own blocks, however many versions there were", () => {
    const session = withVersions(50);
    const { store, disk } = session;
    store.forget();
    const newest = store.summaries.newest();
    disk.database.exec("UPDATE item_blocks SET items = 'not JSON' WHERE block > 0 AND block < 50");
    expect(store.summaries.items(newest?.version ?? 0).map(({ id }) => id)).toEqual(
      Array.from({ length: 10 }, (_, index) => `50.${index + 1}`),
    );
  });

  it("are the same in each version as when it was the newest, and end with the version that leaves them out", () => {
    const { store } = withVersions(5);
    for (const version of [1, 3, 5]) {
      const items = store.summaries.items(version);
      expect(items.map(({ text }) => text)).toEqual(
        Array.from({ length: 10 }, (_, index) => `item ${index} of ${version}`),
      );
      expect(new Set(items.map(({ toVersion }) => toVersion))).toEqual(new Set([version === 5 ? null : version + 1]));
    }
  });

  it("may be more than a block has", () => {
    const session = new NodeSession();
    session.say(1);
    session.summarize(
      1,
      1,
      Array.from({ length: 600 }, (_, index) => ({ text: `item ${index}` })),
    );
    const { summaries } = session.store;
    expect(summaries.items(1).map(({ text }) => text)).toEqual(Array.from({ length: 600 }, (_, at) => `item ${at}`));
    const rows: number[] = [];
    for (
      let page = summaries.itemPage(1, 0, 250);
      page.length > 0;
      page = summaries.itemPage(1, rows.at(-1) ?? 0, 250)
    ) {
      rows.push(...page.map(({ row }) => row));
    }
    expect(rows).toEqual(summaries.placedItems(1).map(({ row }) => row));
  });
});

describe("an item that is removed", () => {
  it("leaves its block as large as it was, whatever its text", () => {
    const random = new Random(20_261_201);
    const session = new NodeSession();
    session.say(20);
    session.summarize(
      1,
      20,
      itemsOf(20, () => Array.from({ length: 30 }, () => random.pick(UNUSUAL)).join(" ")),
    );
    const sizeOf = (): unknown => session.disk.read("SELECT octet_length(items) AS size FROM item_blocks")[3]?.["size"];
    const size = sizeOf();
    const before = session.store.summaries.items(1);
    for (const seq of [3, 4, 20, 1]) {
      expect(session.store.summaries.deleteItemsCiting([seq]).map(({ sourceSeqs }) => sourceSeqs)).toEqual([[seq]]);
    }
    expect(sizeOf()).toBe(size);
    const left = before.filter(({ sourceSeqs }) => ![3, 4, 20, 1].includes(sourceSeqs[0] ?? 0));
    expect(session.store.summaries.items(1)).toEqual(left);
    expect(session.store.summaries.deleteItemsCiting([3])).toEqual([]);
  });

  it.each([
    ["a block of a single page", 3, 100],
    ["a block of many pages", 40, 700],
  ])("is on no page of the database any more: %s", async (_what, count, length) => {
    const session = new NodeSession();
    session.say(count);
    for (let version = 1; version <= 12; version += 1) {
      session.summarize(
        version,
        count,
        itemsOf(count, (index) => `secret-${version}-${index}. `.repeat(length / 10)),
      );
    }
    for (let version = 1; version <= 12; version += 1) {
      const ids = Array.from({ length: count }, (_item, index) => `${version}.${index + 1}`);
      session.store.summaries.deleteItems(ids.filter((_id, index) => index % 2 === 1));
    }
    const directory = makeTemporaryDirectory();
    onTestFinished(() => removeDirectory(directory));
    const file = join(directory, "copy.db");
    // Page by page, so that unused parts of pages are copied, too.
    await backup(session.disk.database, file);
    const bytes = readFileSync(file, "latin1");
    const left = new Set(Array.from(bytes.matchAll(/secret-(\d+-\d+)\./g), ([, name = ""]) => name));
    expect([...left].filter((name) => Number(name.split("-")[1]) % 2 === 1)).toEqual([]);
    expect(left.size).toBe(12 * Math.ceil(count / 2));
  });
});
