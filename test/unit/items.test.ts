import { describe, expect, it } from "vitest";
import type { ProposedItem } from "../../src/api/summarizer.ts";
import type { Item } from "../../src/api/summary.ts";
import {
  firstWithin,
  fitItems,
  itemsTokens,
  itemTokens,
  mergeItems,
  newestFirst,
  partItems,
  renderItems,
  SUMMARY_FRAME_TOKENS,
  withoutDoubles,
} from "../../src/prompt/items.ts";

const LOG: Record<number, string> = {
  1: "user: the harbour office opens on Monday",
  2: "assistant: the harbour office opens on Monday at nine",
  3: "user: crate 7001 leaves for Bergen on Tuesday",
  4: "user: please send the invoice to the shipyard",
  5: "user: nothing to do with the rest",
};
const textOf = (seq: number): string | null => LOG[seq] ?? null;

function item(id: string, text: string, sourceSeqs: number[], more: Partial<Item> = {}): Item {
  return { id, kind: "fact", text, sourceSeqs, status: "current", ...more };
}
function proposed(text: string, sourceSeqs: number[], more: Partial<ProposedItem> = {}): ProposedItem {
  return { kind: "fact", text, sourceSeqs, status: "current", ...more };
}
function merge(previous: readonly Item[], proposals: readonly ProposedItem[], maxTokens = 2_000) {
  let count = 0;
  return mergeItems(previous, proposals, textOf, maxTokens, () => `2.${(count += 1)}`);
}
const idsOf = (items: readonly { readonly id: string }[]): string[] => items.map(({ id }) => id);

describe("promise 8: merging the items that a summarizer proposes", () => {
  it("accepts an item that its sources support, with its sources in order and each once", () => {
    const { items, dropped } = merge([], [proposed("The harbour office opens on Monday", [2, 1, 2])]);
    expect(items).toEqual([item("2.1", "The harbour office opens on Monday", [1, 2])]);
    expect(dropped).toEqual([]);
  });

  it.each([
    ["cites a message that is not there", proposed("The harbour office opens on Monday", [1, 9])],
    ["says what its source does not", proposed("The harbour office opens on Monday", [5])],
    ["says nothing", proposed("  ", [1])],
  ])("drops one that %s", (_, proposal) => {
    expect(merge([], [proposal])).toEqual({ items: [], dropped: [proposal] });
  });

  it("leaves a kept item its words, and does not let it take over another item's sources", () => {
    const before = item("1.1", "Office hours: opening was moved to the start of each week", [1]);
    expect(merge([before], [{ ...before }]).items).toEqual([before]);
    expect(merge([before], [{ ...before, sourceSeqs: [1, 2] }]).items).toEqual([{ ...before, sourceSeqs: [1, 2] }]);
    expect(merge([before], [{ ...before, sourceSeqs: [5] }]).items).toEqual([]);
  });

  it("gives an id to only one proposal, and new ids to all others that claim it", () => {
    const before = item("1.1", "The harbour office opens on Monday", [1]);
    const { items } = merge([before], [{ ...before }, proposed("Crate 7001 leaves for Bergen", [3], { id: "1.1" })]);
    expect(idsOf(items)).toEqual(["1.1", "2.1"]);
  });

  it("accepts no item twice, whatever its case, width and spaces", () => {
    const { items, dropped } = merge(
      [],
      [proposed("Crate 7001 leaves for Bergen", [3]), proposed("CRATE  ７００１ leaves for Bergen ", [3])],
    );
    expect([items.length, dropped.length]).toEqual([1, 1]);
  });

  it("keeps the words, kind and sources of a carried item, and takes its new status", () => {
    const carried = item("1.1", "Ann sails on Sundays", [40], { sourceSession: "before" });
    const answer = proposed("Ann robs banks", [1], { id: "1.1", kind: "task", status: "done" });
    expect(merge([carried], [answer]).items).toEqual([{ ...carried, status: "done" }]);
  });

  it("makes no words of a carried item an item of this session, though its seqs exist here too", () => {
    const carried = item("1.1", "The harbour office opens on Monday", [1], { sourceSession: "before" });
    const kept = proposed(carried.text, [1], { id: "1.1" });
    const again = proposed("The harbour office opens on Monday again", [1], { id: "1.1" });
    expect(merge([carried], [kept, again])).toEqual({ items: [carried], dropped: [again] });
    const nameless = proposed("The harbour office opens on MONDAY", [1]);
    expect(merge([carried], [nameless, kept])).toEqual({ items: [carried], dropped: [nameless] });
  });

  it.each([
    ["the newest of a kind", [item("old", "aaaa", [1]), item("new", "bbbb", [3])], "new"],
    [
      "what holds before what is done",
      [item("done", "aaaa", [3], { status: "done" }), item("holds", "bbbb", [1])],
      "holds",
    ],
    [
      "what is done before what is superseded",
      [item("over", "aaaa", [3], { status: "superseded" }), item("done", "bbbb", [1], { status: "done" })],
      "done",
    ],
    ["a task before a fact", [item("fact", "aaaa", [3]), item("task", "bbbb", [1], { kind: "task" })], "task"],
    [
      "a decision before a preference",
      [item("wish", "aaaa", [3], { kind: "preference" }), item("chosen", "bbbb", [1], { kind: "decision" })],
      "chosen",
    ],
    ["a fact before an event", [item("event", "aaaa", [3], { kind: "event" }), item("fact", "bbbb", [1])], "fact"],
    [
      "what this session says before what was carried over",
      [item("far", "aaaa", [900], { sourceSession: "before" }), item("own", "bbbb", [1])],
      "own",
    ],
  ])("keeps, if there is room for only one, %s", (_, items, kept) => {
    const { items: left, dropped } = merge(items, items, itemsTokens([{ text: "bbbb" }]));
    expect(idsOf(left)).toEqual([kept]);
    expect(dropped.map(({ id }) => id)).toEqual(idsOf(items).filter((id) => id !== kept));
  });
});

describe("items within a budget", () => {
  it("are taken in order while they fit, to the last token; an item that is too large makes room for the next one", () => {
    const large = item("large", "word ".repeat(400), [1]);
    const items = [item("a", "alpha", [1]), large, item("b", "beta", [2]), item("c", "gamma", [3])];
    const room = itemsTokens([{ text: "alpha" }, { text: "beta" }]);
    const { kept, left } = firstWithin(items, room);
    expect(idsOf(kept)).toEqual(["a", "b"]);
    expect(idsOf(left)).toEqual(["large", "c"]);
  });

  it("are, in a context, those with the newest evidence, shown oldest first; superseded items take no room", () => {
    const items = [
      item("1.1", "alpha", [1]),
      item("1.2", "beta", [2]),
      item("1.3", "gamma", [3]),
      item("1.4", "word ".repeat(400), [4], { status: "superseded" }),
    ];
    const room = SUMMARY_FRAME_TOKENS + itemTokens({ text: "beta" }) + itemTokens({ text: "gamma" });
    const { kept, left } = fitItems(items, room);
    expect(idsOf(kept)).toEqual(["1.2", "1.3", "1.4"]);
    expect(idsOf(left)).toEqual(["1.1"]);
    expect(idsOf(fitItems(items, room - 1).kept)).toEqual(["1.3", "1.4"]);
  });

  it("are newest first by the last message that they cite, with carried items last", () => {
    const items = [item("a", "a", [1, 9]), item("b", "b", [5]), item("c", "c", [99], { sourceSession: "before" })];
    expect(idsOf(newestFirst(items))).toEqual(["a", "b", "c"]);
  });

  it("do not contain the same statement twice", () => {
    const items = [item("a", "The Boat sails", [1]), item("b", "the boat  sails", [2]), item("c", "It rains", [3])];
    expect(idsOf(withoutDoubles(items, []))).toEqual(["a", "c"]);
    expect(idsOf(withoutDoubles(items, [item("d", "it RAINS", [4])]))).toEqual(["a"]);
  });
});

describe("a standing wish", () => {
  const wish = item("1.1", "the harbour office opens on Monday", [1], { kind: "instruction" });

  it("has room in a context before everything that was said later", () => {
    const others = Array.from({ length: 9 }, (_, at) => item(`2.${at}`, `crate ${at} leaves for Bergen`, [at + 2]));
    const room = SUMMARY_FRAME_TOKENS + itemTokens(wish) + 2 * itemTokens(others[0] ?? wish);
    expect(idsOf(fitItems([wish, ...others], room).kept)).toContain("1.1");
    expect(idsOf(fitItems([{ ...wish, status: "done" }, ...others], room).kept)).not.toContain("1.1");
    expect(renderItems([...others, wish]).split("\n")[1]).toBe("Standing wishes:");
  });

  it("stays in a full summary, whatever is new", () => {
    const fresh = proposed("crate 7001 leaves for Bergen on Tuesday", [3], { kind: "decision" });
    const room = itemTokens(wish) + 2;
    const { items } = merge([wish], [fresh, { ...wish }], room);
    expect(idsOf(items)).toEqual(["1.1"]);
  });

  it("only counts as a wish if a user said it: a tool's statement is a fact", () => {
    const proposals = [proposed("the harbour office opens on Monday", [1], { kind: "instruction" })];
    const kindsBy = (mayInstruct: () => boolean) =>
      mergeItems(
        [],
        proposals,
        textOf,
        2_000,
        () => "2.1",
        () => null,
        mayInstruct,
      ).items.map(({ kind }) => kind);
    expect(kindsBy(() => true)).toEqual(["instruction"]);
    expect(kindsBy(() => false)).toEqual(["fact"]);
  });
});

describe("the rendered summary", () => {
  it("has a heading for each kind, oldest first, marks what is done and leaves out what is superseded", () => {
    const items = [
      item("1.3", "Crate 7001 leaves", [3]),
      item("1.1", "The office opens", [1, 5]),
      item("1.2", "It opened late", [2], { status: "superseded" }),
      item("1.4", "Send the invoice", [4], { kind: "task", status: "done" }),
      item("1.5", "Ann sails", [90], { sourceSession: "before" }),
    ];
    const text =
      "<conversation_summary>\nFacts:\n- Ann sails\n- The office opens\n- Crate 7001 leaves\nTasks:\n- Send the invoice (done)\n</conversation_summary>";
    expect(renderItems(items)).toBe(text);
    expect(renderItems(items.toReversed())).toBe(text);
  });
});

describe("a full summary", () => {
  const full = Array.from({ length: 40 }, (_, index) =>
    item(`1.${index + 1}`, `Task ${index}: send the invoice to the shipyard in crate ${7_000 + index}`, [4], {
      kind: "task",
    }),
  );
  const log = (seq: number): string =>
    seq === 4 ? full.map(({ text }) => text).join(" ") : `user: crate ${seq} leaves for Bergen on Tuesday`;
  const budget = itemsTokens(full);
  const mergeFull = (proposals: readonly ProposedItem[]) => {
    let count = 0;
    return mergeItems(full, proposals, log, budget, () => `2.${(count += 1)}`);
  };

  it("accepts new items of a less important kind, up to a quarter and no more", () => {
    const news = Array.from({ length: 40 }, (_, index) =>
      proposed(`crate ${100 + index} leaves for Bergen on Tuesday`, [100 + index], { kind: "event" }),
    );
    const { items } = mergeFull([...full, ...news]);
    const fresh = items.filter(({ id }) => id.startsWith("2."));
    expect(itemsTokens(items)).toBeLessThanOrEqual(budget);
    expect(itemsTokens(fresh)).toBeLessThanOrEqual(0.25 * budget);
    expect(itemsTokens(fresh)).toBeGreaterThan(0.2 * budget);
    // The newest ones are kept.
    expect(fresh.at(-1)?.sourceSeqs).toEqual([139]);
    expect(mergeFull([...full, ...news.slice(0, 1)]).items).toHaveLength(full.length);
  });

  it("gives no share to items that are done", () => {
    const over = proposed("crate 100 leaves for Bergen on Tuesday", [100], { kind: "event", status: "superseded" });
    expect(mergeFull([...full, over]).items).toEqual(full);
  });

  it("is given to the summarizer in part if it is larger than a call: valid items before done ones, newest first", () => {
    const items = [
      item("1", "The harbour office opens on Monday at nine", [1]),
      item("2", "The harbour office opens on Tuesday at nine", [2], { status: "superseded" }),
      item("3", "The harbour office opens on Thursday at nine", [3]),
    ];
    expect(partItems(items, 1_000)).toEqual({ given: items, heldBack: [] });
    const two = itemsTokens(items.slice(0, 2));
    expect(idsOf(partItems(items, two).given)).toEqual(["1", "3"]);
    expect(idsOf(partItems(items, two).heldBack)).toEqual(["2"]);
    expect(idsOf(partItems(items, itemsTokens(items.slice(0, 1))).given)).toEqual(["3"]);
    expect(idsOf(partItems(items, 0).heldBack)).toEqual(["1", "2", "3"]);
  });
});
