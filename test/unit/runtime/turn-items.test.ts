import { describe, expect, it } from "vitest";
import { TurnItems } from "../../../src/prompt/retrieval/turn-items.ts";
import { editMessage } from "../../../src/session/erase/edit.ts";
import { eraseMessage } from "../../../src/session/erase/erase.ts";
import { retrieveForContext, searchMessages } from "../../../src/session/search/retrieve.ts";
import { itemOf, NodeSession } from "./node-session.ts";

const WORK = "I start at nine at Northwind, down by the harbour.";
const ON_WORK = { text: "Employer: Northwind", sourceSeqs: [3] };

/** Twelve turns. The third one says something without any word of "employer". */
function withWork(): NodeSession {
  const session = new NodeSession();
  session.say(2);
  session.append([WORK]);
  session.say(9);
  return session;
}

function find(session: NodeSession, query: string): number[] {
  return searchMessages(session.unit(), { query }).data.map(({ message }) => message.seq);
}

describe("the words of an item count as words of the turns that it cites", () => {
  it("from the version that has it on, in a search and in a context, and no longer", () => {
    const session = withWork();
    const { store } = session;
    expect(find(session, "employer")).toEqual([]);
    session.summarize(1, 8, [ON_WORK]);
    expect(find(session, "employer")[0]).toBe(3);
    const inContext = (throughSeq: number): number[] =>
      retrieveForContext(session.unit(), "employer", store.branches.through(throughSeq)).found.map(
        ({ message }) => message.seq,
      );
    expect(inContext(12)[0]).toBe(3);
    // As of a message that this summary did not know.
    expect(inContext(6)).toEqual([]);
    session.summarize(2, 9, [], {}, ["1.1"]);
    expect(find(session, "employer")).toEqual([]);
  });

  it("until the turn is edited or erased: then nothing of it can be found", () => {
    const edited = withWork();
    edited.summarize(1, 8, [ON_WORK]);
    expect(find(edited, "employer")[0]).toBe(3);
    editMessage(edited.unit(), "seq-3", { content: "Never mind." });
    edited.search.update(3);
    expect(find(edited, "employer")).toEqual([]);
    const erased = withWork();
    erased.summarize(1, 8, [{ ...ON_WORK, sourceSeqs: [3, 4] }]);
    eraseMessage(erased.unit(), "seq-3");
    erased.search.remove([3]);
    expect(find(erased, "employer")).toEqual([]);
  });

  it("only on the requested branch", () => {
    const session = withWork();
    session.append([{ role: "user", content: "said anew", afterSeq: 2 }]);
    session.summarize(1, 2, [{ ...ON_WORK, sourceSeqs: [2, 3] }]);
    expect(find(session, "employer")).toContain(2);
    expect(find(session, "employer")).not.toContain(3);
  });

  it.each([
    ["one that was carried over, whose turns are another session's", { sourceSession: "old", sourceEpoch: "epoch" }],
    ["one that is superseded, since the newer turn is wanted", { status: "superseded" }],
  ] as const)("but not of %s", (_, change) => {
    const session = withWork();
    session.summarize(1, 8, [{ ...ON_WORK, ...change }]);
    expect(find(session, "employer")).toEqual([]);
  });

  it("the less, the more turns an item cites", () => {
    const items = new TurnItems([
      itemOf("1.1", { text: "Employer: Northwind", sourceSeqs: [3] }),
      itemOf("1.2", { text: "Employers were many", sourceSeqs: [5, 6, 7, 8] }),
    ]);
    expect([...items.turnsOf("employ")]).toEqual([
      [3, 1],
      [5, 0.5],
      [6, 0.5],
      [7, 0.5],
      [8, 0.5],
    ]);
    expect(items.turnsOf("were").size).toBe(0);
  });

  it("as far as a summary is read, however large it is", () => {
    const long = Array.from({ length: 200 }, (_, at) =>
      itemOf(`1.${at}`, { text: `${"pebble ".repeat(280)} marker${at}x`, sourceSeqs: [at + 1] }),
    );
    const items = new TurnItems(long);
    expect(items.turnsOf("marker3x").size).toBe(1);
    expect(items.turnsOf("marker190x").size).toBe(0);
  });
});

describe("a turn whose wish or preference the summary keeps", () => {
  it.each([
    ["instruction", [2, 6]],
    ["preference", [2, 6]],
    ["fact", [6, 2]],
  ] as const)("ranks before a turn with equal words, if it is kept as %s", (kind, order) => {
    const session = new NodeSession();
    const other = "Something else altogether was told here.";
    const talk = [
      other,
      "The report wants a table, said Ada.",
      other,
      other,
      other,
      "The report wants a table, said Bob.",
    ];
    session.append([...talk, ...Array.from({ length: 8 }, () => other)]);
    session.summarize(1, 10, [{ kind, text: "Tables please", sourceSeqs: [2] }]);
    expect(find(session, "what about the report?").filter((seq) => seq === 2 || seq === 6)).toEqual(order);
  });
});
