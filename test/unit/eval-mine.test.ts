import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Context } from "../../src/api/context.ts";
import type { NewMessage } from "../../src/api/message.ts";
import { drawMine } from "../../tools/eval/mine-picture.ts";
import { type LoadChat, measureMine, type MineRow, showMine } from "../../tools/eval/mine.ts";
import { makeProbes, MIN_GAP_TURNS } from "../../tools/eval/probes.ts";
import { readTranscripts } from "../../tools/eval/transcripts.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

const user = (content: string): NewMessage => ({ role: "user", content });
const assistant = (content: string): NewMessage => ({ role: "assistant", content });

/** Talk that nobody comes back to: each turn has its own words. */
const talk = (count: number, from = 0): NewMessage[] =>
  Array.from({ length: count }, (_, at) => {
    const word = (from + at).toString(26).replaceAll(/\d/g, (digit) => "qrstuvwxyz"[Number(digit)] ?? "");
    return at % 2 === 0 ? user(`well ${word}oolp ${word}aamb then`) : assistant(`sure ${word}iirk and ${word}eefn`);
  });

const LOCKER = user("The locker at the station opens with 4711, remember that.");
const KILN = user("My kiln in the garden shed cracks every glaze lately.");
const ASKED_LOCKER = user("I stand at the station, in front of the locker with my bags: was it 4711?");
const ASKED_KILN = user("The kiln in the shed has ruined another glaze, what now?");
const CHAT = [LOCKER, KILN, ...talk(24), ASKED_LOCKER, ASKED_KILN, ...talk(2, 24)];

function fileOf(name: string, text: string): string {
  const directory = makeTemporaryDirectory();
  onTestFinished(() => removeDirectory(directory));
  const file = path.join(directory, name);
  writeFileSync(file, text);
  return file;
}

const linesOf = (values: readonly unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join("");

describe("probes of a chat without questions", () => {
  it("are a user's turns that come back to something from long before: a fact, without the fact in its query, or a subject", () => {
    const probes = makeProbes(CHAT, 10);
    expect(probes.filter(({ kind }) => kind === "fact")).toEqual([
      {
        kind: "fact",
        seq: 27,
        query: "I stand at the station, in front of the locker with my bags: was it  ?",
        evidence: [1],
        word: { kind: "number", text: "4711" },
      },
    ]);
    expect(probes.filter(({ kind }) => kind === "taken up").map(({ seq, evidence }) => [seq, evidence])).toEqual([
      [27, [1]],
      [28, [2]],
    ]);
    expect(probes.find(({ seq, kind }) => seq === 28 && kind === "taken up")?.query).toBe(ASKED_KILN.content);
  });

  it("are not turns about something recent, said by the assistant, said often, or pasted", () => {
    const lately = [LOCKER, ...talk(MIN_GAP_TURNS - 2), ASKED_LOCKER];
    expect(makeProbes(lately, 10)).toEqual([]);
    expect(makeProbes([LOCKER, ...talk(30), { ...ASKED_LOCKER, role: "assistant" }], 10)).toEqual([]);
    const often = [LOCKER, LOCKER, LOCKER, LOCKER, ...talk(30), ASKED_LOCKER];
    expect(makeProbes(often, 10)).toEqual([]);
    const pasted = user(
      `${ASKED_LOCKER.content} ${talk(120, 200)
        .map(({ content }) => content)
        .join(" ")}`,
    );
    expect(makeProbes([LOCKER, ...talk(30), pasted], 10)).toEqual([]);
  });

  it("are spread evenly over the chat if there are more than requested", () => {
    const many = Array.from({ length: 9 }, (_, at) => user(`The parcel of shelf ${1_000 + at} is heavy.`));
    const back = many.map((_, at) => user(`Which parcel was heavy again, shelf ${1_000 + at}?`));
    const seqs = makeProbes([...many, ...talk(20), ...back], 3).flatMap(({ kind, seq }) =>
      kind === "fact" ? [seq] : [],
    );
    expect(seqs).toEqual([30, 33, 36]);
  });
});

describe("transcripts of the user's own chats", () => {
  const pair = [user("Where is my mug?"), assistant("On the shelf.")];

  it.each([
    ["our own JSON Lines", linesOf(pair.map((message) => ({ session: "a", ...message })))],
    [
      "a session that was exported",
      linesOf([
        {
          type: "session",
          format: "threadkeep-session",
          formatVersion: 1,
          id: "a",
          createdAt: "2026-03-01T09:00:00.000Z",
          metadata: {},
          settings: {},
        },
        ...pair.map((message, at) => ({
          type: "message",
          seq: at + 1,
          id: `seq-${at + 1}`,
          ...message,
          createdAt: "2026-03-01T09:00:00.000Z",
        })),
        {
          type: "summary",
          version: 1,
          throughSeq: 2,
          tokens: 9,
          summarizer: "x",
          degraded: false,
          droppedItems: 0,
          createdAt: "2026-03-01T09:00:00.000Z",
        },
        { type: "end", messages: 2, summaries: 1, items: 0, complete: true },
      ]),
    ],
    [
      "BEAM",
      linesOf([{ chat: 1, messages: pair.map((message, at) => ({ id: `b${at}`, ...message })), questions: [] }]),
    ],
    [
      "ChatGPT",
      JSON.stringify([
        {
          title: "Mugs",
          create_time: 1_750_000_000,
          conversation_id: "c",
          current_node: "2",
          mapping: {
            "0": { id: "0", parent: null, children: ["1"], message: null },
            "1": {
              id: "1",
              parent: "0",
              children: ["2", "3"],
              message: {
                id: "1",
                author: { role: "user" },
                content: { content_type: "text", parts: ["Where is my mug?"] },
              },
            },
            "2": {
              id: "2",
              parent: "1",
              children: [],
              message: {
                id: "2",
                author: { role: "assistant" },
                content: { content_type: "text", parts: ["On the shelf."] },
              },
            },
            "3": {
              id: "3",
              parent: "1",
              children: [],
              message: {
                id: "3",
                author: { role: "assistant" },
                content: { content_type: "text", parts: ["An answer that nobody kept."] },
              },
            },
          },
        },
      ]),
    ],
  ])("are read from %s, as the messages that a service takes", async (_, text) => {
    const { transcripts, leftOut } = await readTranscripts(fileOf("chats.json", text));
    expect(transcripts.map(({ messages }) => messages.map(({ role, content }) => ({ role, content })))).toEqual([pair]);
    expect(leftOut).toBe(0);
  });

  it("come from LoCoMo and QMSum with the names of speakers", async () => {
    const turns = [
      { speaker: "Ann", dia_id: "D1:1", text: "The boat is red." },
      { speaker: "Ben", dia_id: "D1:2", text: "Nice." },
    ];
    const locomo = JSON.stringify([
      { sample_id: "s", conversation: { session_1_date_time: "1:56 pm on 8 May, 2023", session_1: turns }, qa: [] },
    ]);
    const qmsum = linesOf([
      {
        meeting_transcripts: turns.map(({ speaker, text }) => ({ speaker, content: text })),
        general_query_list: [],
        specific_query_list: [],
      },
    ]);
    for (const text of [locomo, qmsum]) {
      const { transcripts } = await readTranscripts(fileOf("chats", text));
      expect(transcripts[0]?.messages.map(({ author, content }) => [author, content])).toEqual([
        ["Ann", "The boat is red."],
        ["Ben", "Nice."],
      ]);
    }
  });

  it("count what could not be read, and say why if nothing could be read", async () => {
    const text = linesOf([
      { session: "a", ...user("Hello.") },
      { session: "a", role: "clown", content: "x" },
    ]);
    expect(await readTranscripts(fileOf("a.jsonl", text))).toMatchObject({ leftOut: 1, transcripts: [{ name: "a" }] });
    await expect(readTranscripts(fileOf("b.txt", "no chat at all"))).rejects.toThrow(/b\.txt is in no format/);
  });
});

/** A memory that keeps one item, and retrieves the first message when it is asked for a locker. */
const load: LoadChat = async (messages, { maxTokens = 0 }) => ({
  async context(atSeq, query) {
    const message = (seq: number): Context["messages"][number] => ({
      role: "user",
      content: messages[seq - 1]?.content ?? "",
      id: `seq-${seq}`,
      seq,
      createdAt: "2026-03-01T09:00:00.000Z",
      tokens: 1,
    });
    const found = query?.includes("locker") === true ? [{ message: message(1), score: 1, why: "locker" }] : [];
    return {
      sessionId: "a",
      headSeq: messages.length,
      atSeq,
      summary: {
        version: 1,
        throughSeq: 20,
        items: [
          {
            id: "1.1",
            kind: "fact",
            text: maxTokens > 500 ? "Locker: 4711" : "There is a locker",
            sourceSeqs: [1],
            status: "current",
          },
        ],
        tokens: 5,
        summarizer: "x",
        degraded: false,
        droppedItems: 0,
        createdAt: "2026-03-01T09:00:00.000Z",
      },
      messages: [message(atSeq)],
      omitted: [],
      retrieved: found,
      tokens: { budget: maxTokens, used: found.length === 0 ? 100 : 200, summary: 5, messages: 1, retrieved: 0 },
      summaryPending: false,
    };
  },
  usage: async () => ({ inputTokens: 1_000, outputTokens: 100, costMicroDollars: 2_000 }),
  delete: async () => undefined,
});

describe("the results on the user's own chats", () => {
  it("are printed by budget and by what is sent, next to the newest messages and the whole chat", async () => {
    const transcripts = [
      { name: "a", messages: CHAT },
      { name: "of which nothing comes back", messages: talk(4) },
    ];
    const options = { transcripts, budgets: [256, 1_000], settings: {}, probes: 10, load, onProgress: () => undefined };
    const result = await measureMine(options);
    expect(result).toMatchObject({ takenUp: 2, facts: 1, usage: { inputTokens: 2_000, costMicroDollars: 4_000 } });
    const told = result.rows.map(({ sent, budget, takenUp, facts, lost }) => [budget, sent, takenUp, facts, lost]);
    expect(told).toEqual([
      [256, "newest messages alone", 0, 0, NaN],
      [256, "summary", 0, 0, 1],
      [256, "summary and query", 0.5, 1, 1],
      [1_000, "newest messages alone", 1, 1, NaN],
      [1_000, "summary", 0, 1, 0],
      [1_000, "summary and query", 0.5, 1, 0],
      [null, "the whole chat", 1, 1, NaN],
    ]);
    const lines = showMine(result, 3);
    expect(lines.find((line) => line.startsWith("256 ") && line.includes("summary and query"))).toMatch(
      /50\.0 +100\.0 +100\.0 +167 +0\.50$/,
    );
    expect(lines.at(-1)).toBe("Usage of the summaries: 2,000 in, 200 out, $0.0040.");
  });

  it("are drawn: a line for each way of sending, a point for each prompt, and nothing that a page would execute", () => {
    const row = (sent: MineRow["sent"], budget: number | null, share: number, tokens: number): MineRow => ({
      sent,
      budget,
      takenUp: share,
      facts: Number.NaN,
      lost: Number.NaN,
      tokens,
    });
    const rows = [
      row("newest messages alone", 1_000, 0.1, 900),
      row("newest messages alone", 4_000, 0.2, 3_900),
      row("summary and query", 1_000, 0.5, 950),
      row("summary and query", 4_000, 0.8, 3_950),
      row("the whole chat", null, 1, 20_000),
      row("summary", 1_000, Number.NaN, 900),
    ];
    const svg = drawMine(rows, 'What "my" <chats> know');
    expect(svg.match(/<circle/g)).toHaveLength(5);
    expect(svg.match(/fill="none"/g)).toHaveLength(2);
    expect(svg).toContain("summary and query, prompt of 4000 tokens: 80.0 %");
    expect(svg).toContain("What &quot;my&quot; &lt;chats> know");
    const heights = [...svg.matchAll(/cy="([\d.]+)"/g)].map(([, y]) => Number(y));
    expect(Math.min(...heights)).toBeGreaterThan(0);
    expect(Math.max(...heights)).toBeLessThan(440);
  });
});
