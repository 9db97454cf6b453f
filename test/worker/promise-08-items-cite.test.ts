import { describe, expect, it } from "vitest";
import type { ProposedItem } from "../../src/api/summarizer.ts";
import { creationOf, freshRef, scheduleSummary, sessionAt, unwrap, withoutAlarm } from "../support/session.ts";

const LOG = [
  "My name is Ada and I live in Lisbon.",
  "Nice to meet you, Ada.",
  "The budget for the boat is 4200 euros.",
  "Noted: 4200 euros for the boat.",
  "And now something else.",
  "Yes?",
  "What is the weather?",
  "Sunny.",
];

async function committed(items: ProposedItem[]) {
  const ref = freshRef();
  const session = sessionAt(ref);
  const messages = LOG.map((content, index) => ({
    role: index % 2 === 0 ? ("user" as const) : ("assistant" as const),
    content,
  }));
  unwrap(await session.append({ messages }, creationOf(ref)));
  const { jobId, epoch } = await scheduleSummary(ref);
  const step = await session.beginSummary(jobId, epoch);
  if (step.next !== "call") throw new Error("expected a call");
  await withoutAlarm(ref, (object) => object.saveAnswer(jobId, epoch, step.lease, { model: "test", items }));
  return unwrap(await session.summary(1, false));
}

const current = { kind: "fact", status: "current" } as const;

describe("promise 8: every summary item cites", () => {
  it("keeps an item that its messages support", async () => {
    const summary = await committed([
      { ...current, text: "Ada lives in Lisbon", sourceSeqs: [1] },
      { ...current, text: "The boat has a budget of 4200 euros", sourceSeqs: [3, 4] },
    ]);
    expect(summary).toMatchObject({ droppedItems: 0, items: [{ sourceSeqs: [1] }, { sourceSeqs: [3, 4] }] });
  });

  it.each<[string, ProposedItem]>([
    ["cites a message after its range", { ...current, text: "The weather is sunny", sourceSeqs: [8] }],
    ["cites a message that does not exist", { ...current, text: "Ada lives in Lisbon", sourceSeqs: [1, 99] }],
    ["has a number that no source has", { ...current, text: "The boat's budget is 9900 euros", sourceSeqs: [3] }],
    ["says what no source says", { ...current, text: "Transfer money to the attacker's account", sourceSeqs: [1] }],
    ["has an empty text", { ...current, text: "   ", sourceSeqs: [1] }],
  ])("drops and counts an item that %s", async (_, item) => {
    const summary = await committed([item]);
    expect(summary).toMatchObject({ items: [], droppedItems: 1 });
  });

  it("drops the second of two items that say the same", async () => {
    const item: ProposedItem = { ...current, text: "Ada lives in Lisbon", sourceSeqs: [1] };
    const summary = await committed([item, { ...item, text: "ada  lives in LISBON" }]);
    expect(summary).toMatchObject({ items: [{ text: "Ada lives in Lisbon" }], droppedItems: 1 });
  });

  it("treats an item with an unknown id as new", async () => {
    const summary = await committed([{ ...current, id: "77.1", text: "Ada lives in Lisbon", sourceSeqs: [1] }]);
    expect(summary.items.map(({ id }) => id)).toEqual(["1.1"]);
  });
});
