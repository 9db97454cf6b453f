import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { detectFormat } from "../../scripts/import/detect-format.ts";
import { type Entry, showPlace } from "../../scripts/import/entry.ts";
import { type Line, parseJson, readLines } from "../../scripts/import/lines.ts";
import { readConversations } from "../../scripts/import/read-file.ts";
import { fileSource, type Source } from "../../scripts/import/source.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "threadkeep-import-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function write(content: string | Uint8Array): Source {
  files += 1;
  const file = path.join(folder, `file-${files}.json`);
  writeFileSync(file, content);
  return fileSource(file, "f", Buffer.byteLength(content));
}

async function collect<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = [];
  for await (const value of values) all.push(value);
  return all;
}

const read = (source: Source, rest: object = {}): Promise<Entry[]> => collect(readConversations(source, rest));
const bad = (entries: Entry[]): string[] =>
  entries.flatMap((entry) => (entry.kind === "bad" ? [`${showPlace(entry.place)}: ${entry.reason}`] : []));

describe("lines", () => {
  const lines = (source: Source, max?: number): Promise<Line[]> => collect(readLines(source, undefined, max));

  it("are numbered as in an editor, whatever their line ends, with or without a last one", async () => {
    expect(await lines(write("\uFEFFa\r\n\n b \nc"))).toEqual([
      { number: 1, text: "a" },
      { number: 3, text: "b" },
      { number: 4, text: "c" },
    ]);
    expect(await lines(write("a\n"))).toEqual([{ number: 1, text: "a" }]);
    expect(await lines(write(""))).toEqual([]);
  });

  it("are complete if they are longer than one read, including characters at its end", async () => {
    const long = "é".repeat(700_000);
    expect(await lines(write(`${long}\nb`))).toEqual([
      { number: 1, text: long },
      { number: 2, text: "b" },
    ]);
  });

  it("that are too long or not UTF-8 are reported, and the next one is read", async () => {
    const found = await lines(
      write(
        Buffer.concat([Buffer.from(`${"x".repeat(600_000)}\n`), Buffer.from([0xff, 0xfe, 0x0a]), Buffer.from("ok\n")]),
      ),
      1_000,
    );
    expect(found).toMatchObject([
      { number: 1, fault: expect.stringContaining("600000 bytes") },
      { number: 2, fault: "is not valid UTF-8" },
      { number: 3, text: "ok" },
    ]);
  });
});

describe("a line that is not JSON", () => {
  it("is reported with its position, counted from 1", () => {
    expect(parseJson('{"a": 1')).toEqual({ fault: "is not valid JSON (at character 8)" });
    expect(parseJson("")).toEqual({ fault: "is not valid JSON (it breaks off)" });
    expect(parseJson('{"a": 1}')).toEqual({ value: { a: 1 } });
  });
});

describe("the format of a file", () => {
  it.each([
    ["threadkeep", false, '{"role":"user","content":"x"}\n'],
    ["threadkeep", false, '{"type":"session","id":"a"}\n'],
    ["exported", false, '{"type":"session","format":"threadkeep-session","id":"a"}\n'],
    ["openai", false, '{"messages":[]}\n'],
    ["qmsum", false, '{"topic_list":[],"meeting_transcripts":[]}\n'],
    ["chatgpt", true, '[{"title":"x","mapping":{}}]'],
    ["chatgpt", true, '[\n  {\n    "title": "x",\n    "mapping": {}\n  }\n]'],
    ["chatgpt", false, '{"title":"x","mapping":{}}'],
    ["claude", true, '[{"uuid":"x","name":"x","chat_messages":[]}]'],
    ["claude", false, '{"uuid":"x","chat_messages":[]}'],
    ["locomo", true, '[{"qa":[],"conversation":{}}]'],
    ["locomo", true, '{\n  "qa": [],\n  "conversation": {}\n}'],
    ["openai", true, '[{"messages":[]}]'],
  ])("is %s (whole: %s) for %s", async (format, whole, content) => {
    expect(await detectFormat(write(content))).toEqual({ format, whole });
  });

  it("is recognized from the first line that shows it, after broken ones", async () => {
    expect(await detectFormat(write('\uFEFF\n{"rol\nnonsense\n{"messages":[]}\n'))).toEqual({
      format: "openai",
      whole: false,
    });
  });

  it("is JSON Lines even if the first line is a list", async () => {
    expect(await detectFormat(write('[]\n{"messages":[]}\n'))).toEqual({ format: "openai", whole: false });
  });

  it("can be forced", async () => {
    expect(await detectFormat(write("nonsense\n"), { forced: "openai" })).toEqual({ format: "openai", whole: false });
  });

  it("that is unknown is reported", async () => {
    for (const content of ["nonsense", '{"a":1}', "[1,2,3]", '"text"', "\u0000\u0001"]) {
      expect(await detectFormat(write(content))).toMatchObject({ fault: expect.stringContaining("no format") });
    }
    expect(await detectFormat(write(" \n"))).toEqual({ fault: "is empty" });
  });
});

describe("a file", () => {
  it("is read to its end in spite of bad lines, each of which is reported with its line and reason", async () => {
    const entries = await read(
      write(
        ['{"role":"user","content":"1"}', "{broken", '{"role":"user",', "[]", '{"role":"user","content":"2"}'].join(
          "\n",
        ),
      ),
    );
    expect(entries.filter((entry) => entry.kind === "message")).toHaveLength(2);
    expect(bad(entries)).toEqual([
      expect.stringMatching(/^f:2: is not valid JSON/),
      expect.stringMatching(/^f:3: is not valid JSON/),
      "f:4: is not a JSON object",
    ]);
  });

  it("never appears in a reason, because it may be private", async () => {
    const entries = await read(write('{"role":"user","content":"x"}\nmy secret diary\n{"a": my secret diary}\n'));
    expect(bad(entries)).toHaveLength(2);
    expect(bad(entries).join()).not.toContain("secret");
  });

  it("with a hundred thousand levels of nesting is a bad line and does not end the run", async () => {
    const deep = `{"messages":[{"role":"user","content":${"[".repeat(100_000)}${"]".repeat(100_000)}}]}`;
    const entries = await read(write(`${deep}\n{"messages":[{"role":"user","content":"x"}]}\n`));
    expect(bad(entries)).toHaveLength(1);
    expect(entries.filter((entry) => entry.kind === "message")).toHaveLength(1);
  });

  it("with one conversation that is too large is read past it", async () => {
    const large = JSON.stringify({ mapping: {}, title: "x".repeat(100) });
    const entries = await read(write(`[${large},{"mapping":{}}]`), { maxElementBytes: 50 });
    expect(bad(entries)).toEqual([expect.stringMatching(/^f \(entry 1\): is 125 bytes long; .* may have 50$/)]);
    expect(entries.filter((entry) => entry.kind === "session")).toHaveLength(1);
  });

  it("that is one broken document is reported", async () => {
    expect(bad(await read(write('[{"mapping":{}}')))).toEqual([expect.stringMatching(/^f: is not valid JSON/)]);
  });

  it("reports how far it was read", async () => {
    let bytes = 0;
    const file = write('{"role":"user","content":"é"}\n');
    await read(file, {
      onBytes: (count: number) => {
        bytes += count;
      },
    });
    expect(bytes).toBe(31);
  });
});
