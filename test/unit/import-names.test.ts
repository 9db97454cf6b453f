import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { epochSecondsToIso, parseLocomoDate, toIso } from "../../scripts/import/dates.ts";
import { fileStem, nameByContent, OccurrenceIds, sanitizeId } from "../../scripts/import/names.ts";
import { idText, isoTime } from "../../src/api/text.ts";
import { anyCharacter } from "../support/any-character.ts";

describe("a name from the source", () => {
  it("stays as it is if the contract allows it", () => {
    expect(sanitizeId("conv-26")).toBe("conv-26");
    expect(sanitizeId("D1:3")).toBe("D1:3");
    expect(sanitizeId("x".repeat(128))).toBe("x".repeat(128));
  });

  it("that has to change stays different from a similar one", () => {
    const names = ["a/b", "a b", "a-b", "a//b", "ä", "ö", "日本", "\uD800", "\uD801"].map(sanitizeId);
    expect(new Set(names).size).toBe(names.length);
  });

  it("of dots alone is changed, because in a URL it would mean a parent directory", () => {
    expect(sanitizeId(".")).toMatch(/^\.\.[0-9a-f]{8}$/);
    expect(sanitizeId("..")).toMatch(/^\.\.\.[0-9a-f]{8}$/);
  });

  it("that is too long is cut, and two such names stay different", () => {
    const one = sanitizeId(`${"x".repeat(200)}1`);
    expect(one).toHaveLength(128);
    expect(one).not.toBe(sanitizeId(`${"x".repeat(200)}2`));
  });

  it("becomes a valid id in any case, and always the same one", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 400, unit: anyCharacter }), (source) => {
        const id = sanitizeId(source);
        expect(idText.safeParse(id).success).toBe(true);
        expect(sanitizeId(source)).toBe(id);
      }),
    );
    expect(sanitizeId("")).toBeNull();
  });

  it("is made from the file and the content if there is none", () => {
    expect(nameByContent("/data/chats.v2.jsonl", ["a"])).toMatch(/^chats\.v2\.[0-9a-f]{10}$/);
    expect(nameByContent("a/x.jsonl", ["a"])).toBe(nameByContent("b/x.jsonl", ["a"]));
    expect(nameByContent("x.jsonl", ["a"])).not.toBe(nameByContent("x.jsonl", ["b"]));
    expect(fileStem("C:\\data\\chat.json")).toBe("chat");
    expect(fileStem(".jsonl")).toBe("conversation");
  });
});

describe("ids by content and occurrence", () => {
  it("are the same on a second run", () => {
    const run = (): string[] => {
      const ids = new OccurrenceIds();
      return ["ok", "ok", "no", "ok"].map((content) => ids.next("s", ["user", null, content, null]));
    };
    expect(run()).toEqual(run());
    expect(new Set(run()).size).toBe(4);
    for (const id of run()) expect(idText.safeParse(id).success).toBe(true);
  });

  it("are counted for each conversation separately", () => {
    const ids = new OccurrenceIds();
    const first = ids.next("s", "ok");
    expect(ids.next("other", "ok")).toBe(first);
    expect(ids.next("s", "ok")).not.toBe(first);
    ids.forget("s");
    expect(ids.next("s", "ok")).toBe(first);
    ids.forgetAll();
    expect(ids.next("other", "ok")).toBe(first);
  });

  it("do not change when an earlier line is corrected", () => {
    const ids = new OccurrenceIds();
    const alone = ids.next("s", "b");
    const after = new OccurrenceIds();
    after.next("s", "a");
    expect(after.next("s", "b")).toBe(alone);
  });
});

describe("a date of LoCoMo", () => {
  const iso = (text: unknown): string | undefined => {
    const moment = parseLocomoDate(text);
    return moment === undefined ? undefined : toIso(moment);
  };

  it("is read as UTC, with noon and midnight in the right half of the day", () => {
    expect(iso("1:56 pm on 8 May, 2023")).toBe("2023-05-08T13:56:00.000Z");
    expect(iso("12:09 am on 13 September, 2023")).toBe("2023-09-13T00:09:00.000Z");
    expect(iso("12:00 pm on 29 February, 2024")).toBe("2024-02-29T12:00:00.000Z");
    expect(iso(" 9:05 AM on 1 dec 2022 ")).toBe("2022-12-01T09:05:00.000Z");
  });

  it("that is invalid is never guessed", () => {
    for (const text of [
      "",
      "yesterday",
      "13:56 pm on 8 May, 2023",
      "0:10 am on 8 May, 2023",
      "1:60 pm on 8 May, 2023",
      "1:56 pm on 31 June, 2023",
      "1:56 pm on 29 February, 2023",
      "1:56 pm on 0 May, 2023",
      "1:56 pm on 8 Mayonnaise, 2023",
      "1:56 pm on 8 ma, 2023",
      "1:56 pm on 8 May, 0023",
      "1:56 pm on 8 May, 2023 or so",
      `1:56 pm on 8 May, 2023${" ".repeat(10_000)}`,
      null,
      7,
      {},
    ]) {
      expect({ text, iso: iso(text) }).toEqual({ text, iso: undefined });
    }
  });

  it("never throws, and returns what the contract accepts, for any text", () => {
    const text = fc.oneof(
      fc.string({ unit: anyCharacter }),
      fc
        .tuple(
          fc.integer({ min: 0, max: 30 }),
          fc.integer({ min: 0, max: 99 }),
          fc.nat(99),
          fc.integer({ min: 0, max: 9999 }),
        )
        .map(
          ([hour, minute, day, year]) =>
            `${hour}:${String(minute).padStart(2, "0")} pm on ${day} may, ${String(year).padStart(4, "0")}`,
        ),
    );
    fc.assert(
      fc.property(text, (given) => {
        const moment = iso(given);
        expect(moment === undefined || isoTime.safeParse(moment).success).toBe(true);
      }),
    );
  });
});

describe("seconds since 1970", () => {
  it("become ISO 8601", () => {
    expect(epochSecondsToIso(1_700_000_000.5)).toBe("2023-11-14T22:13:20.500Z");
  });

  it("that are not a time give none", () => {
    for (const seconds of [Number.NaN, Infinity, -Infinity, -1, 0, 1e20, 253_402_300_800, "1700000000", null, {}]) {
      expect(epochSecondsToIso(seconds)).toBeUndefined();
    }
  });
});
