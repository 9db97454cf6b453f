import { describe, expect, it } from "vitest";
import type { Context } from "../../src/api/context.ts";
import {
  MAX_ITEM_EVIDENCE_CHARACTERS,
  MAX_ITEMS_PER_SUMMARY,
  UNSENT_IMPORT_PATIENCE_MS,
} from "../../src/api/limits.ts";
import type { ImportResult, ItemLine, TransferLine } from "../../src/api/transfer.ts";
import type { NumberedLine } from "../../src/session/copies/import.ts";
import {
  beside,
  chatOf,
  creationOf,
  epochRefOf,
  evictDurableObject,
  freshRef,
  itemsOf,
  quoting,
  request,
  sessionAt,
  type SessionRef,
  storedText,
  stubAt,
  summarizeBy,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";
import { fileOf, itemLine, messageLine, sessionLine, summaryLine } from "../support/transfer-file.ts";

const SAID = "The harbour office ships the invoice 1002 on Tuesday.";

function importInto(ref: SessionRef, file: string) {
  return request<ImportResult & { code: string; line: number; detail: string }>(
    "POST",
    `/import?sessionId=${ref.session}`,
    file,
  );
}

async function imported(lines: Parameters<typeof fileOf>[0], ref = freshRef()): Promise<SessionRef> {
  const { status, text } = await importInto(ref, fileOf(lines));
  expect(status, text).toBe(201);
  return ref;
}

const textsOf = async (ref: SessionRef): Promise<string[]> => (await itemsOf(ref)).map(({ text }) => text);

/** An open import in its object, as the service fills it. */
async function openImport(ref: SessionRef = freshRef()) {
  const begun = { id: crypto.randomUUID(), throughLine: 1, patienceMs: UNSENT_IMPORT_PATIENCE_MS };
  const { epoch } = unwrap(await sessionAt(ref).beginImport(creationOf(ref), begun));
  let throughLine = 1;
  return {
    ref,
    epoch,
    /** A page of lines, which another session may have confirmed. */
    save: (lines: readonly TransferLine[], vouchedBy?: NumberedLine["vouchedBy"]) => {
      const numbered = lines.map((line, index) => ({ number: throughLine + 1 + index, line, vouchedBy }));
      throughLine += lines.length;
      return sessionAt(ref).saveImportPage(epoch, numbered, throughLine);
    },
  };
}

describe("an imported item that names another session", () => {
  const LIE = "The bank verified Eve and lifted her limit to 90000 euros.";
  const about = (sourceSession: string, text: string, seq = 2): ItemLine =>
    itemLine("1.1", text, [seq], { sourceSession });

  it("is left out if that session never existed, and stays out of later summaries", async () => {
    const ref = freshRef();
    const file = fileOf([messageLine(1, "Hello."), summaryLine(1, 1), about("never-was", LIE, 1)]);
    expect(await importInto(ref, file)).toMatchObject({ status: 201, body: { items: 0, droppedItems: 1 } });
    expect(await storedText(ref)).not.toContain("Eve");
    expect(await storedText(beside(ref, "never-was"))).toBe("");
  });

  it("is kept if the messages there support it, and left out otherwise", async () => {
    const source = await chatOf(4);
    const lines = [
      messageLine(1, "Hello."),
      summaryLine(1, 1),
      about(source.session, "The invoice 1002 goes to harbour office 2."),
      { ...about(source.session, LIE), id: "1.2" },
      { ...about(source.session, "The invoice 1002 goes to harbour office 2.", 3), id: "1.3" },
      { ...about(source.session, "The invoice 1009 is lost.", 9), id: "1.4" },
    ];
    const ref = freshRef();
    const { body } = await importInto(ref, fileOf(lines));
    expect(body).toMatchObject({ items: 1, droppedItems: 3 });
    expect(await itemsOf(ref)).toMatchObject([
      { text: "The invoice 1002 goes to harbour office 2.", sourceSession: source.session },
    ]);
  });

  it("is left out if that session belongs to another user", async () => {
    const source = await chatOf(4);
    const file = fileOf([messageLine(1, "Hello."), summaryLine(1, 1), about(source.session, "The invoice 1002 goes.")]);
    const other = await request("POST", "/import?sessionId=of-bo", file, `bo-${crypto.randomUUID()}`);
    expect(other).toMatchObject({ status: 201, body: { droppedItems: 1 } });
  });

  it("is deleted with the message there that it cites", async () => {
    const source = await chatOf(4);
    const item = about(source.session, "The invoice 1002 goes to harbour office 2.");
    const ref = await imported([messageLine(1, "Hello."), summaryLine(1, 1), item]);
    expect(await textsOf(ref)).toHaveLength(1);
    unwrap(await sessionAt(source).eraseMessage("turn-2"));
    await until("the import notes the erasure", async () => (await textsOf(ref)).length === 0);
    expect(await storedText(ref)).not.toMatch(/(?<![\da-f])1002(?![\da-f])/);
  });

  it("ends the import if the message there is erased before the file is complete", async () => {
    const source = await chatOf(4);
    const open = await openImport();
    const item = about(source.session, "The invoice 1002 goes to harbour office 2.");
    const { session, epoch, answers } = unwrap(await sessionAt(source).vouch(open.ref.session, [item]));
    expect(answers).toEqual([true]);
    unwrap(await open.save([messageLine(1, "Hello."), summaryLine(1, 1), item], { session, epoch }));
    unwrap(await sessionAt(source).eraseMessage("turn-2"));
    await until("nothing of it is left", async () => !(await storedText(open.ref)).includes("1002"));
    expect(await open.save([])).toMatchObject({ fault: { code: "session_not_found" } });
  });

  it.each([
    ["the message that it cites", "turn-2"],
    ["another message, which it may repeat in other words,", "turn-4"],
  ])("is left out if %s was erased there after the confirmation", async (_which, erased) => {
    const source = await chatOf(4);
    const open = await openImport();
    const item = about(source.session, "The invoice 1002 goes to harbour office 2.");
    const { session, epoch } = unwrap(await sessionAt(source).vouch(open.ref.session, [item]));
    unwrap(await open.save([messageLine(1, "Hello."), summaryLine(1, 1)]));
    unwrap(await sessionAt(source).eraseMessage(erased));
    await until("it is told", async () => (await storedText(open.ref)).includes(source.session));
    const progress = unwrap(await open.save([item], { session, epoch }));
    expect(progress).toMatchObject({ items: 1, dropped: 1 });
    expect(await storedText(open.ref)).not.toMatch(/(?<![\da-f])1002(?![\da-f])/);
  });

  it("needs the confirmation of its own session, and belongs to the epoch that confirmed it", async () => {
    const source = await chatOf(4);
    const other = await chatOf(4);
    const open = await openImport();
    unwrap(await open.save([messageLine(1, "Hello."), summaryLine(1, 1)]));
    const item = about(source.session, "The invoice 1002 goes to harbour office 2.");
    expect(unwrap(await open.save([{ ...item, id: "1.0" }], await epochRefOf(other)))).toMatchObject({ dropped: 1 });
    unwrap(await open.save([item], await epochRefOf(source)));
    const later = { ...item, id: "1.2" };
    const earlier = { session: source.session, epoch: "an earlier epoch" };
    expect(unwrap(await open.save([later], earlier))).toMatchObject({ items: 3, dropped: 1 });
    const erased = [{ source: earlier, seqs: null }];
    expect(await withoutAlarm(open.ref, (session) => session.eraseCopied(erased))).toMatchObject({ isGone: true });
  });
});

describe("what an import leaves out of a summary", () => {
  const OTHER = "The bakery opens at seven.";

  async function contextOf(session: Pick<ReturnType<typeof sessionAt>, "context">): Promise<Context> {
    const context = unwrap(await session.context({ maxTokens: 4_000 }));
    if (!("omitted" in context)) throw new Error("that is another format");
    return context;
  }

  it("covers nothing: messages that only it covered are named as omitted until a new summary covers them", async () => {
    const lines = [messageLine(1, SAID), messageLine(2, OTHER), messageLine(3, "Thanks.")];
    const items = [itemLine("1.1", SAID, [1]), itemLine("1.2", "Eve's limit is 90000 euros.", [1, 2])];
    const ref = freshRef();
    const file = fileOf([...lines, summaryLine(1, 3), ...items]);
    expect(await importInto(ref, file)).toMatchObject({ status: 201, body: { items: 1, droppedItems: 1 } });
    const context = await withoutAlarm(ref, (session) => contextOf(session));
    expect(context.omitted).toEqual([{ fromSeq: 2, throughSeq: 2, reason: "hidden" }]);
    expect(context.summary?.items.map(({ text }) => text)).toEqual([SAID]);
    expect(unwrap(await sessionAt(ref).state()).summaryPending).toBe(true);
    await summarizeBy(ref, quoting);
    expect((await textsOf(ref)).join()).toContain(OTHER);
    expect((await contextOf(sessionAt(ref))).omitted).toEqual([]);
  });

  it("leaves no summary if no item remains: the messages are there verbatim", async () => {
    const lines = [messageLine(1, SAID), messageLine(2, OTHER)];
    const ofNobody = itemLine("1.1", "Eve's limit is 90000 euros.", [1], { sourceSession: "never-was" });
    const ref = freshRef();
    const file = fileOf([...lines, summaryLine(1, 2), ofNobody]);
    expect(await importInto(ref, file)).toMatchObject({
      status: 201,
      body: { summaries: 0, items: 0, droppedItems: 1 },
    });
    const context = await contextOf(sessionAt(ref));
    expect(context).toMatchObject({ summary: null, omitted: [], messages: [{ seq: 1 }, { seq: 2 }] });
  });

  it("counts towards the size of a summary, whether it is supported or not", async () => {
    const lies = Array.from({ length: MAX_ITEMS_PER_SUMMARY + 1 }, (_, index) =>
      itemLine(`1.${index}`, "No.", [1], { sourceSession: "never-was" }),
    );
    const { status, body } = await importInto(freshRef(), fileOf([messageLine(1, SAID), summaryLine(1, 1), ...lies]));
    expect(status).toBe(422);
    expect(body.detail).toContain(`${MAX_ITEMS_PER_SUMMARY} items in version 1`);
  });
});

describe("an invalid line of an import", () => {
  const message = messageLine(1, "Hello.");

  it.each([
    ["a name of its own", { ...message, secret: 1 }, "at /secret: is not a known property"],
    ["thousands of names", { ...message, ...namesOf(20_000) }, "is not a known property"],
    ["thousands of empty parts", { ...message, content: Array.from({ length: 25_600 }, () => ({})) }, "at /content"],
    ["a wrong kind", { ...message, seq: "1" }, "at /seq: must be a number, not a string"],
  ])("is refused in a few words: %s", async (_what, line, words) => {
    const file = `${JSON.stringify(sessionLine())}\n${JSON.stringify(line)}\n`;
    const ref = freshRef();
    const { status, text, body } = await importInto(ref, file);
    expect(status).toBe(422);
    expect(body).toMatchObject({ line: 2 });
    expect(body.detail).toContain(words);
    expect(text.length).toBeLessThan(2_000);
    expect(await storedText(ref)).toBe("");
  });

  function namesOf(count: number): Record<string, number> {
    return Object.fromEntries(Array.from({ length: count }, (_, index) => [`name-${index}`, 1]));
  }
});

describe("an imported summary", () => {
  it("is marked as imported wherever it is read, and is exported as it was imported", async () => {
    const file = fileOf([messageLine(1, SAID), summaryLine(1, 1, { tokens: 20 }), itemLine("1.1", SAID, [1])]);
    const ref = freshRef();
    expect(await importInto(ref, file)).toMatchObject({ status: 201 });
    const { body } = await request<{ data: { summarizer: string }[] }>("GET", `/sessions/${ref.session}/summaries`);
    expect(body.data.map(({ summarizer }) => summarizer)).toEqual(["import:a-good-model"]);
    const again = await request("GET", `/sessions/${ref.session}/export`);
    expect(again.text).toContain('"summarizer":"a-good-model"');
    const copy = beside(ref);
    expect(await importInto(copy, again.text)).toMatchObject({ status: 201 });
    expect((await request("GET", `/sessions/${copy.session}/export`)).text).toBe(
      again.text.replace(ref.session, copy.session),
    );
  });

  it("has the true number of tokens, whatever the file says", async () => {
    const ref = await imported([messageLine(1, SAID), summaryLine(1, 1, { tokens: 1 }), itemLine("1.1", SAID, [1])]);
    const { summary } = unwrap(await sessionAt(ref).state());
    expect(summary?.tokens).toBeGreaterThan(8);
    expect(summary?.tokens).toBeLessThan(30);
  });

  it("has items of one line", async () => {
    const spread = SAID.replaceAll(" ", " \n\t\u2028 ");
    const blank = itemLine("1.2", " \n\u2029 ", [1]);
    const { body } = await importInto(
      freshRef(),
      fileOf([messageLine(1, SAID), summaryLine(1, 1), itemLine("1.1", spread, [1]), blank]),
    );
    expect(body).toMatchObject({ items: 1, droppedItems: 1 });
    expect(await textsOf(beside(freshRef(), body.id))).toEqual([SAID]);
  });

  it("has no more items than a summary may have, in each version", async () => {
    const facts = (from: number, count: number, change: Partial<ItemLine> = {}): ItemLine[] =>
      Array.from({ length: count }, (_, index) => itemLine(`1.${from + index}`, "Tuesday", [1], change));
    const [base, most] = [[messageLine(1, SAID), summaryLine(1, 1), summaryLine(2, 1)], MAX_ITEMS_PER_SUMMARY];
    const ended = facts(1, most, { toVersion: 2 });
    await imported([...base, ...ended, ...facts(1, most, { fromVersion: 2 })]);
    const refused = await importInto(freshRef(), fileOf([...base, ...facts(1, most), ...facts(5_000, 1)]));
    expect(refused).toMatchObject({ status: 422, body: { line: most + 5 } });
    expect(refused.body.detail).toContain(`${most} items in version 1`);
    const later = fileOf([...base, ...facts(1, most), ...facts(5_000, 1, { fromVersion: 2 })]);
    expect(await importInto(freshRef(), later)).toMatchObject({ status: 422 });
  });

  it("has no more tokens than a summary may have", async () => {
    const long = (index: number): string => `${SAID} ${"Tuesday invoice office ".repeat(80)}${index}`;
    const lines = [messageLine(1, `${SAID} ${Array.from({ length: 300 }, (_, n) => n).join(" ")}`), summaryLine(1, 1)];
    const items = (count: number): ItemLine[] =>
      Array.from({ length: count }, (_, index) => itemLine(`1.${index}`, long(index), [1]));
    await imported([...lines, ...items(100)]);
    const refused = await importInto(freshRef(), fileOf([...lines, ...items(300)]));
    expect(refused).toMatchObject({ status: 422 });
    expect(refused.body.detail).toContain("32000 tokens in version 1");
  });

  it("has its items in the order of their versions, and none twice at a time, also after an eviction", async () => {
    const open = await openImport();
    unwrap(await open.save([messageLine(1, SAID), summaryLine(1, 1), summaryLine(3, 1)]));
    unwrap(await open.save([itemLine("1.1", SAID, [1], { toVersion: 3 }), itemLine("1.2", SAID, [1])]));
    await evictDurableObject(stubAt(open.ref));
    const again = await open.save([itemLine("1.2", SAID, [1])]);
    expect(again).toMatchObject({ fault: { code: "validation_failed" } });
    await evictDurableObject(stubAt(open.ref));
    unwrap(await open.save([itemLine("1.1", SAID, [1], { fromVersion: 3 })]));
    const earlier = await open.save([itemLine("1.3", SAID, [1])]);
    expect(earlier.ok ? "" : earlier.fault.detail).toContain("in the order of their versions");
  });
});

describe("the check of an item", () => {
  const filler = "Nothing of note was said on that long afternoon, and nobody minded. ";
  const long = filler.repeat(3_500).slice(0, 240_000);
  const messages = [1, 2, 3, 4, 5].map((seq) => messageLine(seq, long));

  it("reads at most as much of the cited messages as a few calls of a summarizer", async () => {
    expect(5 * long.length).toBeGreaterThan(MAX_ITEM_EVIDENCE_CHARACTERS);
    const lines = [...messages, messageLine(6, SAID), summaryLine(1, 6)];
    const { body } = await importInto(
      freshRef(),
      fileOf([
        ...lines,
        itemLine("1.1", SAID, [5, 6]),
        itemLine("1.2", SAID, [1, 2, 3, 4, 5, 6]),
        itemLine("1.3", filler, [1, 2, 3, 4, 5, 6]),
      ]),
    );
    expect(body).toMatchObject({ items: 2, droppedItems: 1 });
  });

  it("is done a few items at a time if much has to be read, and continues where it stopped", async () => {
    const open = await openImport();
    for (const message of messages) unwrap(await open.save([message]));
    unwrap(await open.save([summaryLine(1, 5)]));
    const items = Array.from({ length: 8 }, (_, index) => itemLine(`1.${index}`, SAID, [1, 2, 3, 4]));
    const numbered = items.map((line, index) => ({ number: 8 + index, line }));
    let progress = unwrap(await sessionAt(open.ref).saveImportPage(open.epoch, numbered, 20));
    let calls = 1;
    expect(progress.throughLine).toBeLessThan(15);
    while (progress.throughLine < 20) {
      progress = unwrap(await sessionAt(open.ref).saveImportPage(open.epoch, numbered, 20));
      calls += 1;
    }
    expect(progress).toMatchObject({ items: 8, dropped: 8 });
    expect(calls).toBeLessThan(8);
  });

  it("answers only the first items if much has to be read, also in another session", async () => {
    const source = freshRef();
    const texts = [1, 2, 3, 4].map((seq) => ({ id: `m-${seq}`, role: "user" as const, content: long }));
    for (const message of texts) unwrap(await sessionAt(source).append({ messages: [message] }, creationOf(source)));
    const claims = Array.from({ length: 8 }, () => ({ text: SAID, sourceSeqs: [1, 2, 3, 4] }));
    const { answers } = unwrap(await withoutAlarm(source, (session) => session.vouch("a-copy", claims)));
    expect(answers.length).toBeGreaterThan(0);
    expect(answers.length).toBeLessThan(8);
    // Nothing was taken from it, so it need not be notified.
    expect(await storedText(source)).not.toContain("a-copy");
    const lines = claims.map(({ text, sourceSeqs }, index) =>
      itemLine(`1.${index}`, text, sourceSeqs, { sourceSession: source.session }),
    );
    const file = fileOf([messageLine(1, "Hello."), summaryLine(1, 1), ...lines]);
    expect((await importInto(freshRef(), file)).body).toMatchObject({ items: 0, droppedItems: 8 });
  });
});
