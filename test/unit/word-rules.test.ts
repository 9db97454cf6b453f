import { describe, expect, test } from "vitest";
import { describeOldWord, findOldWords } from "../../tools/check/word-rules.ts";

describe("the check of words", () => {
  test.each([
    ["const incarnation = row.id;", "incarnation", "epoch"],
    ["/** Owes the archive what it lacks. */", "Owes", "pending"],
    ["  oweArchive(store, session);", "oweArchive", "schedule"],
    ["export interface OwedNotice {}", "OwedNotice", "pending"],
    ["  // A makeshift serves meanwhile.", "makeshift", "fallback"],
    ["readonly redoBase: number | null;", "redoBase", "rebuild"],
    ["of an earlier life of the session", "life", "epoch"],
    ["async proof(): Promise<Report> {", "proof", "integrity"],
  ])("refuses %o, and says what to use", (line, word, say) => {
    const [found, ...others] = findOldWords("src/session/planted.ts", `const sound = 1;\n${line}\n`);
    expect(others).toEqual([]);
    expect(found).toMatchObject({ file: "src/session/planted.ts", line: 2, word });
    expect(found?.say).toContain(say);
    expect(found === undefined ? "" : describeOldWord(found)).toContain(`src/session/planted.ts:2 says "${word}"`);
  });

  test("refuses an old word in the name of a file", () => {
    expect(findOldWords("src/session/owed.ts", "").map(describeOldWord)).toEqual([
      expect.stringContaining('src/session/owed.ts says "owed" in its name'),
    ]);
  });

  test("accepts words that only look similar, and those in chats", () => {
    const alike = "const birthday = lifetime; allowed, followed, powers, olives; a ticketLife; preparedOf();";
    expect(findOldWords("src/access/tickets.ts", alike)).toEqual([]);
    expect(findOldWords("examples/chat.md", "My life in Lisbon")).toEqual([]);
  });
});
