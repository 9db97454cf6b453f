import { describe, expect, it } from "vitest";
import { MAX_CONTEXT_BYTES } from "../../../src/api/limits.ts";
import { editMessage } from "../../../src/session/erase/edit.ts";
import { eraseMessage } from "../../../src/session/erase/erase.ts";
import { readContext } from "../../../src/session/log/read-context.ts";
import { summarizeJob } from "../../../src/session/summary/due.ts";
import { NodeSession } from "./node-session.ts";

const contextOf = (session: NodeSession, maxTokens: number) =>
  readContext(session.unit(), { maxTokens }, null, MAX_CONTEXT_BYTES).context;

/** A chat of a hundred turns with instructions at some of them. */
function chatWith(instructions: Readonly<Record<number, string>>): NodeSession {
  const session = new NodeSession();
  for (let seq = 1; seq <= 100; seq += 1) {
    const instruction = instructions[seq];
    const role = seq % 2 === 1 ? "user" : "assistant";
    session.append([
      instruction === undefined
        ? { role, content: `Turn ${seq}. ${"It is heavy. ".repeat(10)}` }
        : { role: "system", content: instruction },
    ]);
  }
  session.summarize(1, 90, [{ text: "Heavy things were told of." }]);
  return session;
}

describe("an instruction", () => {
  it("stays verbatim and in its place wherever it was given; equal ones stay once, erased ones do not", () => {
    const session = chatWith({ 1: "Be brief.", 40: "Never use my last name.", 60: "Be brief.", 70: "Forget this." });
    eraseMessage(session.unit(), "seq-70");
    const { messages, omitted } = contextOf(session, 4_000);
    const system = messages.filter(({ role }) => role === "system");
    expect(system.map(({ seq, content }) => [seq, content])).toEqual([
      [40, "Never use my last name."],
      [60, "Be brief."],
    ]);
    expect(messages.map(({ seq }) => seq)).toEqual(messages.map(({ seq }) => seq).toSorted((a, b) => a - b));
    expect(omitted).toEqual([]);
  });

  it("without room in its share is named; the newest ones keep their place", () => {
    const long = "Answer as a sailor would, and name the ship. ".repeat(40);
    const session = chatWith({ 10: `${long} First.`, 20: `${long} Second.`, 30: "Be brief." });
    const { messages, omitted, tokens } = contextOf(session, 2_000);
    const system = messages.filter(({ role }) => role === "system").map(({ seq }) => seq);
    expect(system).toContain(30);
    for (const seq of [10, 20]) {
      const isNamed = omitted.some(({ fromSeq, throughSeq }) => fromSeq <= seq && seq <= throughSeq);
      expect(system.includes(seq) !== isNamed, `instruction ${seq} is there or named`).toBe(true);
    }
    expect(system.length).toBeLessThan(3);
    expect(tokens.used).toBeLessThanOrEqual(2_000);
  });
});

describe("a pinned message", () => {
  const pinnedAt = (context: ReturnType<typeof contextOf>) =>
    context.messages.filter(({ pinned }) => pinned === true).map(({ seq, role, content }) => [seq, role, content]);
  const WORDS = "My boat is called Nele, and her berth is number 17.";

  /** A chat of a hundred turns, one of which is pinned. */
  function chatWithPin(content: string, ...more: readonly Parameters<NodeSession["append"]>[0][number][]): NodeSession {
    const session = new NodeSession();
    session.append([{ role: "user", content, pinned: true }, ...more]);
    for (let seq = 2 + more.length; seq <= 100; seq += 1) {
      session.append([
        { role: seq % 2 === 1 ? "user" : "assistant", content: `Turn ${seq}. ${"It is heavy. ".repeat(10)}` },
      ]);
    }
    session.summarize(1, 90, [{ text: "Heavy things were told of." }]);
    return session;
  }

  it("stays verbatim, in its role and its place, in every budget, and says what it costs", () => {
    const session = chatWithPin(WORDS);
    for (const maxTokens of [512, 1_000, 4_000, 16_000]) {
      const context = contextOf(session, maxTokens);
      expect(pinnedAt(context)).toEqual([[1, "user", WORDS]]);
      expect(context.messages[0]?.seq).toBe(1);
      expect(context.tokens.used).toBeLessThanOrEqual(maxTokens);
      const isFromBefore = context.messages[1]?.seq !== 2;
      if (isFromBefore) expect(context.tokens.pinned).toBeGreaterThan(10);
    }
  });

  it("leaves when it is unpinned, comes when it is pinned, and the summary stays in both cases", () => {
    const session = chatWithPin(WORDS);
    const patch = (id: string, pinned: boolean) => editMessage(session.unit(), id, { pinned });
    expect(patch("seq-1", false)).toMatchObject({ isPinned: false, editedAt: null });
    expect(patch("seq-3", true)).toMatchObject({ isPinned: true, editedAt: null });
    const context = contextOf(session, 2_000);
    expect(pinnedAt(context).map(([seq]) => seq)).toEqual([3]);
    expect(context.summary?.items).toHaveLength(1);
    expect(summarizeJob(session.unit())).toBeUndefined();
    eraseMessage(session.unit(), "seq-3");
    expect(pinnedAt(contextOf(session, 2_000))).toEqual([]);
  });

  it("that is too large for the share is cut, and named", () => {
    const context = contextOf(chatWithPin(`${WORDS} ${"And she is blue. ".repeat(400)} The end of it.`), 2_000);
    const [pin] = context.messages;
    expect(pin).toMatchObject({ seq: 1, pinned: true, cut: true });
    expect(pin?.content).toMatch(/^My boat .* of it\.$/su);
    expect(context.tokens.pinned).toBeLessThanOrEqual(500);
    expect(context.omitted).toContainEqual({ fromSeq: 1, throughSeq: 1, reason: "budget" });
  });

  it("is not shown as if nothing had answered its calls", () => {
    const call = { type: "tool-call" as const, toolCallId: "c", toolName: "look", input: {} };
    const content = [{ type: "text" as const, text: "I look." }, call];
    const context = contextOf(chatWithPin("Look.", { role: "assistant", content, pinned: true }), 2_000);
    expect(pinnedAt(context)).toEqual([
      [1, "user", "Look."],
      [2, "assistant", [content[0]]],
    ]);
  });
});
