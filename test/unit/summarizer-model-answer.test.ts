import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_ITEMS_PER_SUMMARY } from "../../src/api/limits.ts";
import { summarizerAnswerSchema, type SummarizerRequest } from "../../src/api/summarizer.ts";
import type { Item } from "../../src/api/summary.ts";
import { itemsTokens } from "../../src/prompt/items.ts";
import { nameItems } from "../../src/summarizer/item-names.ts";
import { readAnswer } from "../../src/summarizer/model-answer.ts";
import { anyCharacter } from "../support/any-character.ts";

const PREVIOUS: Item[] = [
  { id: "1.1", kind: "fact", text: "Ada lives in Berlin", sourceSeqs: [1, 3], status: "current" },
  { id: "1.2", kind: "task", text: "Book the train to Hamburg", sourceSeqs: [4], status: "current" },
];
const REQUEST: SummarizerRequest = {
  previous: PREVIOUS,
  messages: [5, 6, 7].map((seq) => ({ seq, role: "user", at: "2026-11-22T09:30:00Z", text: `message ${seq}` })),
  maxTokens: 1_000,
};
const NEW = { id: null, kind: "fact", text: "Ada moved to Lisbon", sourceSeqs: [5], status: "current" };

function read(items: unknown[], request = REQUEST) {
  return readAnswer({ items }, request, nameItems(request.previous));
}

function itemsOf(items: unknown[], request = REQUEST) {
  const answer = read(items, request);
  if (!answer.ok) throw new Error(answer.faults.join("; "));
  return answer.items;
}

function faultsOf(data: unknown): string[] {
  const answer = readAnswer(data, REQUEST, nameItems(PREVIOUS));
  return answer.ok ? [] : answer.faults;
}

describe("an answer of a model", () => {
  test("gets the ids of earlier items back, and new items have none", () => {
    const [kept, added] = itemsOf([{ ...PREVIOUS[0], id: "i1", status: "superseded" }, NEW]);
    expect(kept).toEqual({ ...PREVIOUS[0], status: "superseded" });
    expect(added).toEqual({ kind: "fact", text: "Ada moved to Lisbon", sourceSeqs: [5], status: "current" });
  });

  test("with an empty id means a new item", () => {
    expect(itemsOf([{ ...NEW, id: "" }])[0]).not.toHaveProperty("id");
  });

  test("keeps the sources of an unchanged item, even if it only names the new ones", () => {
    expect(itemsOf([{ ...PREVIOUS[0], id: "i1", sourceSeqs: [6] }])[0]?.sourceSeqs).toEqual([1, 3, 6]);
  });

  test("accepts new sources for an item that was reworded", () => {
    const reworded = { ...PREVIOUS[0], id: "i1", text: "Ada lives in Lisbon", sourceSeqs: [6, 5, 6] };
    expect(itemsOf([reworded])[0]?.sourceSeqs).toEqual([5, 6]);
  });

  test("loses items that do not fit: superseded ones first, then done ones, and of the others the oldest", () => {
    const items = [
      { ...PREVIOUS[0], id: "i1", status: "superseded", text: "Ada lives in Berlin, in the east" },
      { ...PREVIOUS[1], id: "i2", status: "done" },
      { ...NEW, sourceSeqs: [5] },
      { ...NEW, text: "Ada likes the tram in Lisbon", sourceSeqs: [7] },
    ];
    const all = itemsOf(items);
    const roomFor = (count: number) => itemsTokens(all.slice(-count));
    const left = (maxTokens: number) => itemsOf(items, { ...REQUEST, maxTokens }).map(({ text }) => text);
    expect(all).toHaveLength(4);
    expect(left(roomFor(3))).toEqual(all.slice(1).map(({ text }) => text));
    expect(left(roomFor(2))).toEqual(all.slice(2).map(({ text }) => text));
    expect(left(roomFor(1))).toEqual(["Ada likes the tram in Lisbon"]);
  });

  test.each([
    [undefined, "it is no JSON object"],
    [[], "the object: invalid_type"],
    [{ items: [{ ...NEW, kind: "rumour" }] }, "items[0].kind: invalid_value"],
    [{ items: [{ ...NEW, sourceSeqs: [5.5] }] }, "items[0].sourceSeqs[0]: invalid_type"],
    [{ items: [{ ...NEW, id: "1.1" }] }, 'items[0].id is none of the ids in "previous"; a new item has the id null'],
    [{ items: [{ ...NEW, sourceSeqs: [2] }] }, "items[0].sourceSeqs names 2, and no message in the data has that seq"],
    [
      {
        items: [
          { ...PREVIOUS[0], id: "i1" },
          { ...PREVIOUS[0], id: "i1" },
        ],
      },
      "items[1].id stands in an earlier item already",
    ],
    [{ items: [] }, 'it has no items, though some of "previous" still hold; give those back'],
    [{ items: Array.from({ length: MAX_ITEMS_PER_SUMMARY + 1 }, () => NEW) }, "it has more than 1000 items"],
  ])("%# has its fault named by place, never in its own words", (data, fault) => {
    expect(faultsOf(data)).toEqual([fault]);
  });

  test("may be empty if there were no items before", () => {
    const superseded = PREVIOUS.map((item) => ({ ...item, status: "superseded" as const }));
    expect(itemsOf([], { ...REQUEST, previous: superseded })).toEqual([]);
    expect(itemsOf([], { ...REQUEST, previous: [] })).toEqual([]);
  });

  test("is refused with all of its faults at once", () => {
    expect(
      faultsOf({
        items: [
          { ...NEW, text: " " },
          { ...NEW, sourceSeqs: [] },
        ],
      }),
    ).toEqual(["items[0].text is empty", "items[1].sourceSeqs is empty"]);
  });

  test("that is accepted satisfies the contract and the budget, whatever a model wrote", () => {
    const item = fc.record({
      id: fc.constantFrom(null, "", "i1", "i2", "i3"),
      kind: fc.constantFrom("fact", "task", "rumour"),
      text: fc.string({ unit: anyCharacter, maxLength: 80 }),
      sourceSeqs: fc.array(fc.integer({ min: -1, max: 9 }), { maxLength: 4 }),
      status: fc.constantFrom("current", "done", "superseded"),
    });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 4 }), fc.integer({ min: 1, max: 60 }), (items, maxTokens) => {
        const answer = read(items, { ...REQUEST, maxTokens });
        if (!answer.ok) {
          expect(answer.faults.length).toBeGreaterThan(0);
          return;
        }
        expect(summarizerAnswerSchema.safeParse({ items: answer.items, model: "m" }).success).toBe(true);
        expect(itemsTokens(answer.items)).toBeLessThanOrEqual(maxTokens);
      }),
      { numRuns: 500 },
    );
  });
});
