import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { unwrap } from "../../src/contracts/errors.ts";
import type { NewMessage } from "../../src/contracts/message.ts";
import type { SessionRef } from "../../src/contracts/session.ts";
import { birthOf, freshRef } from "../support/worker-chat.ts";
import { sessionAt, stubAt } from "../support/worker-session.ts";

async function chat(lines: readonly string[]): Promise<SessionRef> {
  const ref = freshRef();
  const messages = lines.map((content, index): NewMessage => ({ id: `m${index + 1}`, role: "user", content }));
  unwrap(await sessionAt(ref).append({ messages }, birthOf(ref)));
  return ref;
}

const LINES = [
  "The ferry to Hoy leaves at seven.",
  "I packed the green tent.",
  "My sister is allergic to walnuts.",
  "Nothing else for today.",
  "Remember the stove and the matches.",
];

describe("search in a session", () => {
  it("finds the message that matters, with a snippet and the reason", async () => {
    const ref = await chat(LINES);
    const result = unwrap(await sessionAt(ref).search({ query: "Who has an allergy to nuts? walnuts" }));
    expect(result).toMatchObject({ indexedThroughSeq: 5, headSeq: 5 });
    expect(result.data[0]).toMatchObject({ message: { id: "m3" }, snippet: LINES[2] });
    expect(result.data[0]?.why).toBeTruthy();
  });

  it("takes the syntax of queries for text", async () => {
    const ref = await chat(LINES);
    for (const query of [
      '"walnuts',
      "walnuts*",
      "NEAR(walnuts)",
      "text:walnuts",
      "walnuts OR",
      "'; DROP TABLE messages; --",
    ]) {
      expect((await sessionAt(ref).search({ query })).ok, query).toBe(true);
    }
    expect(unwrap(await sessionAt(ref).state()).headSeq).toBe(5);
  });

  it("writes no index before the first search, and catches up with what came since", async () => {
    const ref = await chat(LINES);
    const tables = (): Promise<number> =>
      runInDurableObject(
        stubAt(ref),
        (_, state) => state.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name LIKE 'search%'").toArray().length,
      );
    expect(await tables()).toBe(0);
    unwrap(await sessionAt(ref).search({ query: "tent" }));
    expect(await tables()).toBeGreaterThan(0);
    unwrap(await sessionAt(ref).append({ messages: [{ role: "user", content: "A second tent, a red one." }] }, null));
    const result = unwrap(await sessionAt(ref).search({ query: "red tent", limit: 2 }));
    expect(result).toMatchObject({ indexedThroughSeq: 6, data: [{ message: { seq: 6 } }, { message: { seq: 2 } }] });
  });

  it("finds an edited message by its new words alone, and an erased one by none", async () => {
    const ref = await chat(LINES);
    unwrap(await sessionAt(ref).search({ query: "tent" }));
    unwrap(await sessionAt(ref).editMessage("m2", { content: "I packed the hammock." }));
    unwrap(await sessionAt(ref).eraseMessage("m3"));
    const seqsFor = async (query: string): Promise<number[]> =>
      unwrap(await sessionAt(ref).search({ query, limit: 1 })).data.map(({ message }) => message.seq);
    expect(await seqsFor("hammock")).toEqual([2]);
    expect(await seqsFor("green tent")).not.toContain(2);
    expect(await seqsFor("walnuts")).not.toContain(3);
  });

  it("does not find what another session holds", async () => {
    const ref = await chat(["Only the weather."]);
    await chat(LINES);
    expect(unwrap(await sessionAt(ref).search({ query: "walnuts" })).data).toEqual([]);
    expect(await sessionAt(freshRef()).search({ query: "walnuts" })).toMatchObject({
      fault: { code: "session_not_found" },
    });
  });
});
