import { describe, expect, it } from "vitest";
import { compareLogs } from "../../scripts/demo/replay.ts";
import { ASKED, EARLY_SEQ, OTHER_FACTS, readSample } from "../../scripts/demo/sample.ts";
import { createScreen, wrap } from "../../scripts/demo/screen.ts";
import { checkContext } from "../../scripts/import/check-context.ts";
import type { Context } from "../../src/api/context.ts";

describe("the sample conversation", () => {
  it("is long, alternates between roles, and says early what the demo asks at the end", () => {
    const turns = readSample();
    expect(turns.length).toBeGreaterThanOrEqual(150);
    expect(new Set(turns.map(({ id }) => id)).size).toBe(turns.length);
    expect(turns.every(({ role }, index) => role === (index % 2 === 0 ? "user" : "assistant"))).toBe(true);
    const early = turns.slice(0, EARLY_SEQ);
    for (const { needle } of [ASKED, ...OTHER_FACTS])
      expect(early.some(({ content }) => needle.test(content))).toBe(true);
    // Otherwise the verbatim turns would answer the question, and the summary would not be tested.
    expect(turns.slice(-20).some(({ content }) => ASKED.needle.test(content))).toBe(false);
  });
});

describe("the log that is read back", () => {
  const turn = (id: string, seq: number, content = id): { id: string; seq: number; content: string } => ({
    id,
    seq,
    content,
  });
  const acknowledged = [turn("a", 1), turn("b", 2)];

  it("is complete", () => {
    expect(compareLogs(acknowledged, acknowledged)).toBeNull();
  });

  it.each([
    ["a turn is lost", [turn("a", 1)]],
    ["a turn is doubled", [turn("a", 1), turn("b", 2), turn("b", 3)]],
    ["turns are swapped", [turn("b", 1), turn("a", 2)]],
    ["words differ", [turn("a", 1), turn("b", 2, "other")]],
    ["a stranger's turn is there", [turn("a", 1), turn("b", 2), turn("c", 3)]],
    ["a seq is left out", [turn("a", 1), turn("b", 3)]],
  ])("is not complete if %s", (_fault, stored) => {
    expect(compareLogs(acknowledged, stored)).not.toBeNull();
  });
});

describe("the check of a context", () => {
  const message = (seq: number): Context["messages"][number] => ({
    id: `${seq}`,
    seq,
    role: "user",
    content: "x",
    createdAt: "2026-01-01T00:00:00Z",
    tokens: 1,
  });
  const context = (rest: Partial<Context>): Context => ({
    sessionId: "s",
    headSeq: 5,
    atSeq: 5,
    summary: {
      version: 1,
      throughSeq: 3,
      items: [{ id: "1", kind: "fact", text: "x", sourceSeqs: [1, 3], status: "current" }],
      tokens: 10,
      summarizer: "extractive",
      degraded: false,
      droppedItems: 0,
      createdAt: "2026-01-01T00:00:00Z",
    },
    messages: [message(4), message(5)],
    omitted: [],
    retrieved: [],
    tokens: { budget: 100, used: 100, summary: 10, messages: 90, retrieved: 0 },
    summaryPending: false,
    ...rest,
  });

  it("accepts a complete one", () => {
    expect(checkContext(context({}), 100)).toEqual({
      isWithinBudget: true,
      omitted: 0,
      gaps: 0,
      items: 1,
      citedItems: 1,
    });
  });

  it("finds a message that is missing silently, and counts one that is named", () => {
    expect(checkContext(context({ messages: [message(5)] }), 100).gaps).toBe(1);
    const named = context({ messages: [message(5)], omitted: [{ fromSeq: 4, throughSeq: 4, reason: "budget" }] });
    expect(checkContext(named, 100)).toMatchObject({ gaps: 0, omitted: 1 });
  });

  it("finds a context that exceeds its budget, and one with a larger budget than requested", () => {
    expect(checkContext(context({}), 99).isWithinBudget).toBe(false);
    expect(
      checkContext(context({ tokens: { budget: 200, used: 50, summary: 0, messages: 50, retrieved: 0 } }), 100)
        .isWithinBudget,
    ).toBe(false);
  });

  it("finds an item that cites messages beyond the summary", () => {
    const astray = context({});
    astray.summary?.items.push({ id: "2", kind: "fact", text: "y", sourceSeqs: [4], status: "current" });
    expect(checkContext(astray, 100)).toMatchObject({ items: 2, citedItems: 1 });
  });
});

describe("what the demo prints", () => {
  const print = (isTTY: boolean, env: Record<string, string>): string => {
    let text = "";
    const screen = createScreen({ isTTY, columns: 40, write: (piece) => (text += piece) }, env);
    screen.progress("moving");
    screen.line("   a line", "strong");
    screen.good("good");
    return text;
  };

  it("has colour only on a terminal, and not if NO_COLOR is set", () => {
    expect(print(true, {})).toContain("\u001b[1;33m");
    expect(print(true, { NO_COLOR: "1" })).not.toContain("\u001b[1;33m");
    expect(print(true, { TERM: "dumb" })).not.toContain("\u001b[1;33m");
    expect(print(false, {})).toBe("   a line\n   ✓ good\n");
  });

  it("is wrapped between words, and keeps its indent", () => {
    expect(wrap("   one two three four", 14)).toEqual(["   one two", "     three", "     four"]);
    expect(wrap("", 10)).toEqual([""]);
    expect(wrap(`  ${"x".repeat(30)} y`, 10)).toEqual([`  ${"x".repeat(30)}`, "    y"]);
  });
});
