import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_LOST_WORDS } from "../../src/api/limits.ts";
import type { Item } from "../../src/api/summary.ts";
import { KeptWords } from "../../src/prompt/lost-words.ts";
import { compareItems } from "../../src/prompt/summary-changes.ts";

function item(id: string, text: string, sourceSeqs = [1], change: Partial<Item> = {}): Item {
  return { id, kind: "fact", text, sourceSeqs, status: "current", ...change };
}

describe("two versions of a summary", () => {
  it("differ by what became of each item", () => {
    const kept = item("1", "Ada lives in Lisbon.");
    const moved = item("2", "The meeting is on Tuesday at nine.", [4]);
    const gone = item("3", "The red bicycle was sold.", [6]);
    const later = { ...moved, id: "5", text: "The meeting is on Friday at nine.", sourceSeqs: [4, 12] };
    const fresh = item("6", "Bruno plays the violin.", [14]);
    expect(compareItems([kept, moved, gone], [{ ...kept, id: "9" }, later, fresh])).toEqual({
      kept: [{ ...kept, id: "9" }],
      reworded: [{ before: moved, after: later }],
      dropped: [gone],
      added: [fresh],
    });
  });

  it("have a reworded item if only its status changed, and do not confuse messages of different sessions with the same seq", () => {
    const task = item("1", "Book the ferry.", [3], { kind: "task" });
    const done = { ...task, status: "done" as const };
    expect(compareItems([task], [done]).reworded).toEqual([{ before: task, after: done }]);
    const carried = { ...task, text: "Book the ferry soon.", sourceSession: "another" };
    expect(compareItems([task], [carried])).toMatchObject({ dropped: [task], added: [carried] });
  });

  it("account for every item once, whatever they contain (any items)", () => {
    const items = fc.array(
      fc.record({
        id: fc.string(),
        kind: fc.constantFrom("fact" as const, "task" as const),
        text: fc
          .array(fc.constantFrom("crate", "harbour", "9", "Lisbon", "sold"), { maxLength: 4 })
          .map((words) => words.join(" ")),
        sourceSeqs: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
        status: fc.constantFrom("current" as const, "done" as const),
      }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(items, items, (before, after) => {
        const { kept, reworded, dropped, added } = compareItems(before, after);
        const ids = (list: readonly Item[]) => list.map(({ text, id }) => `${id} ${text}`).toSorted();
        expect(ids([...kept, ...reworded.map((pair) => pair.after), ...added])).toEqual(ids(after));
        expect(kept.length + reworded.length + dropped.length).toBe(before.length);
        expect(compareItems(before, before)).toMatchObject({ reworded: [], dropped: [], added: [] });
      }),
    );
  });
});

describe("what a summary lost of a message", () => {
  const lostOf = (text: string, ...items: readonly string[]) =>
    new KeptWords(items.map((said, index) => item(`${index}`, said)))
      .lostOf(text)
      .map(({ kind, text: word }) => [kind, word]);

  it.each([
    ["a number", "The rent is 1,450 a month.", [["number", "1,450"]]],
    [
      "a name",
      "We meet at Miguel's place near Alfama.",
      [
        ["name", "Miguel"],
        ["name", "Alfama"],
      ],
    ],
    [
      "a wish, before all else",
      "My desk is 17-B. From now on call me Captain.",
      [
        ["instruction", "From now on call me Captain."],
        ["number", "17"],
        ["name", "Captain"],
      ],
    ],
    ["nothing in small talk", "Thanks, that was quick!", []],
    ["no figure by itself", "I have 2 cats.", []],
  ])("is %s", (_, text, lost) => {
    expect(lostOf(text)).toEqual(lost);
  });

  it.each([
    ["the same words", "The rent is 1,450.", "Rent: 1,450"],
    ["another way to write a number", "The rent is 1,450.", "Rent: 1450"],
    ["a date in figures", "The flight is on March 14.", "Flight on 2026-03-14."],
    ["a name with an ending", "It is near Alfama.", "Lives in Alfama's old part."],
    ["a wish in other words", "Please always answer in Portuguese.", "Answers are to be in Portuguese always"],
  ])("does not include what an item says with %s", (_, text, kept) => {
    expect(lostOf(text, kept)).toEqual([]);
  });

  it("includes no nouns as names if a language capitalizes every noun", () => {
    expect(lostOf("Ich habe gestern mit dem Nachbarn den Garten und die Hecke am Haus geschnitten.")).toEqual([]);
  });

  it("is limited", () => {
    const text = Array.from({ length: 500 }, (_, at) => `It cost ${at + 1000} euros.`).join(" ");
    expect(lostOf(text)).toHaveLength(MAX_LOST_WORDS);
  });
});
