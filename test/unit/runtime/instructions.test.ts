import { describe, expect, it } from "vitest";
import { MAX_CONTEXT_BYTES } from "../../../src/contracts/limits.ts";
import { eraseMessage } from "../../../src/session/erasing.ts";
import { readContext } from "../../../src/session/reading.ts";
import { NodeSession, NOON } from "./node-session.ts";

const contextOf = (session: NodeSession, maxTokens: number) =>
  readContext(session.store, session.row, { maxTokens }, null, MAX_CONTEXT_BYTES).context;

/** A chat of a hundred turns, with what was instructed at some of them. */
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
  it("stays in its words and its place wherever it was given, equal ones once, an erased one not", () => {
    const session = chatWith({ 1: "Be brief.", 40: "Never use my last name.", 60: "Be brief.", 70: "Forget this." });
    eraseMessage(session.store, session.row, "seq-70", session.newId, NOON);
    const { messages, omitted } = contextOf(session, 4_000);
    const system = messages.filter(({ role }) => role === "system");
    expect(system.map(({ seq, content }) => [seq, content])).toEqual([
      [40, "Never use my last name."],
      [60, "Be brief."],
    ]);
    expect(messages.map(({ seq }) => seq)).toEqual(messages.map(({ seq }) => seq).toSorted((a, b) => a - b));
    expect(omitted).toEqual([]);
  });

  it("that its share has no room for is named, the newest keep their place", () => {
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
