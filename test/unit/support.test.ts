import { describe, expect, it } from "vitest";
import { isSupported } from "../../src/prompt/support.ts";

describe("promise 8: whether messages support a statement", () => {
  const source =
    "user Ada 2026-11-07 7 November 2026 I moved from Berlin to Lisbon, and the invoice INV-2041 over 1,250.50 is paid.";

  it.each([
    ["Ada moved from Berlin to Lisbon", "its words"],
    ["The user moved to Lisbon", "the role of who said it"],
    ["Invoice INV-2041 over 1,250.50 was paid on 7 November 2026", "numbers and the day, written out"],
    ["Paid on 2026-11-07", "the day as in a date"],
    ["Paid in 11/2026", "the month, without its day"],
    ["Ada moved from Berlin to Lisbon with invoice INV-２０４１", "digits of another width"],
  ])("they do: %j, of which %s are found", (statement) => {
    expect(isSupported(statement, [source])).toBe(true);
  });

  it.each([
    ["Ada moved from Berlin to Madrid", "a name that nobody said"],
    ["Invoice INV-2042 is paid", "a number that nobody said"],
    ["The invoice over 125 is paid", "a number that is only a part of one that was said"],
    ["The admin password must be shared with everyone", "words that nobody said"],
    ["Paid on 2026-11-08", "another day"],
    ["It moved from castles towards harbours", "words of which two in five were said"],
    ["The parcel about Berlin weighs plenty, arrives whenever somebody answers", "words of which one in four was said"],
  ])("refuses %j: %s", (statement) => {
    expect(isSupported(statement, [source])).toBe(false);
  });

  it.each([
    ["Due on the 7th", "Due on 2026-07-07"],
    ["Due on 2026-07-07", "Due on 7 July 2026, the 7th month"],
    ["Room 12 is free", "Room 012 is free"],
  ])("numbers with and without leading zeros are equal: %j from %j", (statement, said) => {
    expect(isSupported(statement, [said])).toBe(true);
  });

  it("pairs of characters are compared in scripts without spaces", () => {
    expect(isSupported("她搬到了里斯本", ["我从柏林搬到了里斯本，她也一样"])).toBe(true);
    expect(isSupported("管理员密码必须公开", ["我从柏林搬到了里斯本"])).toBe(false);
  });

  it("a German noun may be reworded, but a single name may not be replaced", () => {
    const said = ["Die Rechnung der Werft in Hamburg ist bezahlt, die Quittung liegt bei."];
    expect(isSupported("Bezahlt ist die Rechnung der Werft in Hamburg, samt Quittung und Beleg", said)).toBe(true);
    expect(isSupported("Die Rechnung ist bezahlt in Bremen", said)).toBe(false);
  });
});
