import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { DEFAULT_RANKING } from "../../src/prompt/retrieval/parameters.ts";
import { ablate } from "../../tools/eval/ablate.ts";
import { isBeam, readBeam } from "../../tools/eval/beam.ts";
import { nearTurnsBy } from "../../tools/eval/offline-vectors.ts";
import { askAll, newestTurns, readConversations, recallTable, threadkeepOffline } from "../../tools/eval/retrieval.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

const CHAT = {
  chat: 7,
  messages: [
    { id: "b0", role: "user", date: "March-15-2024", content: "My kiln holds 40 mugs." },
    { id: "b1", role: "assistant", content: "That is a large one." },
    { id: "b2", role: "user", content: "The glaze is blue." },
  ],
  questions: [
    { type: "fact", question: "How many mugs does the kiln hold?", answer: "40", evidence: ["b0", "b9"] },
    { type: "abstention", question: "Who bought it?", answer: "Nobody says.", evidence: [] },
  ],
};

function fileOf(text: string): string {
  const directory = makeTemporaryDirectory();
  onTestFinished(() => removeDirectory(directory));
  const file = path.join(directory, "chats");
  writeFileSync(file, text);
  return file;
}

describe("a file of BEAM", () => {
  it("has one chat a line; a date holds until the next one, and evidence counts from one", () => {
    const text = `${JSON.stringify(CHAT)}\n\n${JSON.stringify({ ...CHAT, chat: "8" })}\n`;
    expect(isBeam(text)).toBe(true);
    const [first, second] = readBeam("f", text);
    expect(first?.messages.map(({ saidAtMs }) => saidAtMs)).toEqual(
      Array.from({ length: 3 }, () => Date.UTC(2024, 2, 15, 12)),
    );
    expect(first?.questions.map(({ evidence }) => evidence)).toEqual([[1], []]);
    expect(second?.id).toBe("chat 8");
  });
  it("is distinguished from LoCoMo and QMSum, and a broken line is named", () => {
    expect(isBeam("[]")).toBe(false);
    expect(isBeam('{"meeting_transcripts": []}\n')).toBe(false);
    expect(isBeam("{")).toBe(false);
    expect(() => readBeam("f.jsonl", `${JSON.stringify(CHAT)}\n{"chat": 1}\n`)).toThrow(/f\.jsonl, line 2/);
    expect(() => readConversations(fileOf('{"a": 1}'))).toThrow(/LoCoMo.*BEAM/);
  });
  it("is measured by the questions that name their evidence", async () => {
    const conversations = readConversations(fileOf(JSON.stringify(CHAT)));
    const recallers = [newestTurns, threadkeepOffline()];
    const answered = [];
    for (const recaller of recallers) {
      answered.push({ name: recaller.name, answers: await askAll(recaller, conversations) });
    }
    const { columns, rows } = recallTable(answered);
    expect(columns).toEqual(["", "questions", ...recallers.map(({ name }) => name)]);
    expect(rows[0]).toEqual(["all", "1", "100.0/100.0/100.0", "100.0/100.0/100.0"]);
    expect(rows.map(([name]) => name)).toEqual(["all", "fact", "chat 7", "ms, p50", "ms, p99"]);
  });
});

describe("the ablation of the ranking", () => {
  it("switches off each parameter by itself", async () => {
    const lines: string[] = [];
    await ablate(new Map([["f", readConversations(fileOf(JSON.stringify(CHAT)))]]), null, (line) => lines.push(line));
    for (const name of Object.keys(DEFAULT_RANKING)) {
      expect(lines.filter((line) => new RegExp(`without ${name}\\b`).test(line))).toHaveLength(1);
    }
    expect(lines.join("\n")).not.toContain("meaning 0.");
  });

  it("searches by meaning where there is a model, with several weights", async () => {
    // Long enough for a summary, without which nothing has a vector.
    const others = Array.from({ length: 80 }, (_, at) => ({
      id: `c${at}`,
      role: "user",
      content: `On day ${at} the wind came from the north. ${"It rained all day in the hills. ".repeat(20)}`,
    }));
    const question = { type: "fact", question: "Which cups fit?", answer: "40", evidence: ["b0"] };
    const chat = { ...CHAT, messages: [...CHAT.messages, ...others], questions: [question] };
    // Cups are mugs: the question shares no word with its evidence.
    const isCup = (text: string): boolean => /cups|mugs/.test(text);
    const nearIn = nearTurnsBy(async (texts) =>
      texts.map((text) => Float32Array.from({ length: 128 }, (_, at) => (isCup(text) === at < 64 ? 1 : -1))),
    );
    const lines: string[] = [];
    const files = new Map([["f", readConversations(fileOf(JSON.stringify(chat)))]]);
    await ablate(files, nearIn, (line) => lines.push(line));
    const recalled = (name: string) =>
      lines
        .find((line) => line.startsWith(name))
        ?.slice(name.length)
        .trim();
    expect(recalled("all parameters")).toBe("100.0/100.0/100.0");
    expect(recalled("without meaning")).toBe("0.0/0.0/0.0");
    expect(recalled("meaning 0.4")).toBe("100.0/100.0/100.0");
  });
});
