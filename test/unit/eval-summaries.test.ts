import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { SummarizerRequest } from "../../src/api/summarizer.ts";
import { nameItems } from "../../src/summarizer/item-names.ts";
import { readAnswer } from "../../src/summarizer/model-answer.ts";
import { buildPrompt } from "../../src/summarizer/prompt.ts";
import { quoteTranscript } from "../../tools/bench/quote-transcript.ts";
import { type Generation, generationRows } from "../../tools/eval/generations.ts";
import { countDuplicates, countSupported, retention } from "../../tools/eval/memory-facts.ts";
import { readChats } from "../../tools/eval/questioned-chats.ts";
import { stemsOf } from "../../tools/eval/stems.ts";
import { greedy, lead, textRank } from "../../tools/eval/summary-methods.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

function fileOf(content: string): string {
  const directory = makeTemporaryDirectory();
  onTestFinished(() => removeDirectory(directory));
  const file = path.join(directory, "chats");
  writeFileSync(file, content);
  return file;
}

function said(speaker: string, text: string) {
  return { role: "user" as const, speaker, text, at: "" };
}

describe("data for measuring summaries", () => {
  it("from LoCoMo: questions about what was said, with the sittings and the last turn of their evidence", () => {
    const sample = {
      sample_id: "s",
      conversation: {
        session_1_date_time: "1:56 pm on 8 May, 2023",
        session_1: [
          { dia_id: "D1:1", speaker: "Ann", text: "The boat is red." },
          { dia_id: "D1:2", speaker: "Ben", text: "Nice." },
        ],
        session_2: [{ dia_id: "D2:1", speaker: "Ann", text: "It sank." }],
      },
      qa: [
        { category: 4, answer: "red", evidence: ["D1:1"] },
        { category: 1, answer: "it sank", evidence: ["D1:1; D2:1"] },
        { category: 4, answer: "a turn that is not there", evidence: ["D1:9"] },
        { category: 5, answer: "unanswerable", evidence: ["D1:1"] },
      ],
    };
    const [chat] = readChats(fileOf(JSON.stringify([sample])));
    expect(chat?.sittings.map((turns) => turns.length)).toEqual([2, 1]);
    expect(chat?.sittings[0]?.[1]).toEqual({
      role: "user",
      speaker: "Ben",
      text: "Nice.",
      at: "2023-05-08T13:56:01.000Z",
    });
    expect(chat?.questions.map(({ sittings, lastSeq }) => ({ sittings, lastSeq }))).toEqual([
      { sittings: [0], lastSeq: 1 },
      { sittings: [0, 1], lastSeq: 3 },
      { sittings: [0], lastSeq: 2 },
    ]);
  });

  it("from QMSum: one meeting a line, with evidence counted from one", () => {
    const meeting = {
      meeting_transcripts: [
        { speaker: "A", content: "One." },
        { speaker: "B", content: "Two." },
      ],
      specific_query_list: [{ query: "?", answer: "two boats", relevant_text_span: [["0", "1"]] }],
    };
    expect(readChats(fileOf(`${JSON.stringify(meeting)}\n`))).toMatchObject([
      { questions: [{ lastSeq: 2, places: [{ fromSeq: 1, throughSeq: 2 }] }] },
    ]);
  });
});

describe("a chat of BEAM", () => {
  it("is only rolled, and measured by the words of the answer that its evidence contains", () => {
    const chat = {
      chat: 1,
      messages: [
        { id: "b0", role: "user", content: "The kiln holds forty mugs." },
        { id: "b1", role: "assistant", content: "Splendid." },
      ],
      questions: [
        { type: "t", question: "?", answer: "You mentioned forty splendid mugs.", evidence: ["b0"] },
        { type: "t", question: "?", answer: "Nothing of it.", evidence: ["b0"] },
      ],
    };
    const [read] = readChats(fileOf(`${JSON.stringify(chat)}\n`));
    expect(read?.isRolledAlone).toBe(true);
    expect(read?.sittings[0]?.map(({ role, speaker }) => [role, speaker])).toEqual([
      ["user", null],
      ["assistant", null],
    ]);
    expect(read?.questions.map(({ stems, lastSeq, places }) => ({ stems: [...stems], lastSeq, places }))).toEqual([
      { stems: [...stemsOf("forty mugs")], lastSeq: 1, places: [{ fromSeq: 1, throughSeq: 2 }] },
    ]);
  });
});

describe("the measures of a memory", () => {
  it("find a stem in another form of its word", () => {
    expect(retention(stemsOf("painted boats"), stemsOf("She paints a boat"))).toBe(1);
    expect(retention(stemsOf("painted boats"), stemsOf("She paints a house"))).toBe(0.5);
  });

  it("count an item that repeats another one once, and an unsupported item not at all", () => {
    const items = [
      { text: "Ann: the red boat sank in May", sourceSeqs: [1] },
      { text: "The red boat sank in May", sourceSeqs: [1] },
      { text: "Ben sold 40 bicycles", sourceSeqs: [1] },
    ];
    expect(countDuplicates(items)).toBe(1);
    expect(countSupported(items, [said("Ann", "The red boat sank in May.")])).toBe(2);
  });

  it("distinguish what a generation forgot from what it never knew", () => {
    const generation = (fresh: number[], older: number[]): Generation => ({
      coveredTurns: 10,
      coveredWords: 100,
      liveWords: 10,
      archiveWords: 20,
      live: { fresh, older },
      archive: { fresh, older },
      lead: [...fresh, ...older],
      items: 4,
      userItems: 3,
    });
    expect(generationRows([[generation([1], []), generation([0.5], [0])], [generation([0], [])]])).toEqual([
      ["1", "2", "10.0", "50.0", "50.0", "–", "20.0", "50.0", "–", "50.0", "75.0"],
      ["2", "1", "10.0", "25.0", "50.0", "0.0", "20.0", "25.0", "0.0", "25.0", "75.0"],
      ["last", "2", "10.0", "16.7", "25.0", "0.0", "20.0", "16.7", "0.0", "16.7", "75.0"],
    ]);
  });
});

describe("the baselines", () => {
  const turns = [
    said("Ann", "Hello there. The harbour office closes the harbour gate on Friday."),
    said("Ben", "The harbour gate closes on Friday? I like tea."),
    said("Ann", "A zebra."),
  ];

  it.each([
    ["Lead", lead],
    ["TextRank", textRank],
    ["greedy", greedy((text) => [text])],
  ])("keep to the words: %s", async (_, method) => {
    for (const maxWords of [0, 3, 8, 100]) {
      const { texts } = await method(turns, maxWords);
      expect(texts.join(" ").split(/\s+/).filter(Boolean).length).toBeLessThanOrEqual(maxWords);
    }
  });

  it("rank sentences first that have most in common with the others", async () => {
    expect((await textRank(turns, 9)).texts.join(" ")).toContain("harbour gate");
  });
});

describe("the stand-in for a model", () => {
  it("answers the agent's prompt with items that the agent accepts, and names earlier items by their ids", () => {
    const request: SummarizerRequest = {
      previous: [{ id: "1.1", kind: "task", text: "Ann paints the boat", sourceSeqs: [1], status: "current" }],
      messages: [{ seq: 2, role: "user", at: "2026-11-22T09:30:00Z", text: "DATA x\nThe boat <b>is</b> red." }],
      maxTokens: 500,
    };
    const names = nameItems(request.previous);
    const { user } = buildPrompt(request, names, crypto.randomUUID());
    expect(readAnswer(JSON.parse(quoteTranscript(user)), request, names)).toMatchObject({
      ok: true,
      items: [{ id: "1.1" }, { text: "DATA x The boat <b>is</b> red.", sourceSeqs: [2] }],
    });
  });
});
