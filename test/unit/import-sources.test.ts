import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { isArchive, openArchive } from "../../scripts/import/archive.ts";
import { countElements, type Element, readElements } from "../../scripts/import/elements.ts";
import { readUtf8, type Source } from "../../scripts/import/source.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";
import { type Packed, zipOf } from "../support/zip-file.ts";

const folder = makeTemporaryDirectory();
afterAll(() => removeDirectory(folder));

let files = 0;
function write(content: Uint8Array, name = `file-${(files += 1)}`): string {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return file;
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const sourceOf = (bytes: Uint8Array, size = 1_000): Source => ({
  name: "f",
  bytes: bytes.length,
  open: () => inPieces(bytes, size),
});

async function textOf(source: Source): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readUtf8(source)) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

const swapped = (text: string): Buffer => Buffer.from(text, "utf16le").swap16();

describe("a text", () => {
  const text = '[{"mapping":{},"title":"Café 😀 日本"}]';

  it.each([1, 3, 1_000])(
    "is the same in every encoding, with or without byte order mark, read %i bytes at a time",
    async (size) => {
      for (const bytes of [
        Buffer.from(text),
        Buffer.from(`\uFEFF${text}`),
        Buffer.from(text, "utf16le"),
        Buffer.from(`\uFEFF${text}`, "utf16le"),
        swapped(text),
        swapped(`\uFEFF${text}`),
      ]) {
        expect((await textOf(sourceOf(bytes, size))).replace(/^\uFEFF/, "")).toBe(text);
      }
    },
  );

  it("shorter than a byte order mark is read as it is", async () => {
    expect(await textOf(sourceOf(Buffer.from("[]")))).toBe("[]");
    expect(await textOf(sourceOf(Buffer.from("")))).toBe("");
  });

  it("that is invalid UTF-16, or ends within a character, is reported", async () => {
    const broken = Buffer.concat([Buffer.from("[1]", "utf16le"), Buffer.from([0x00, 0xdc, 0x20, 0x00])]);
    await expect(textOf(sourceOf(broken))).rejects.toThrow("is not valid UTF-16LE");
    await expect(textOf(sourceOf(Buffer.from("[1]", "utf16le").subarray(0, 5)))).rejects.toThrow("UTF-16LE");
  });
});

describe("a JSON list", () => {
  async function elements(text: string, size = 1_000, maxBytes?: number): Promise<Element[]> {
    const found: Element[] = [];
    for await (const element of readElements(inPieces(Buffer.from(text), size), maxBytes)) found.push(element);
    return found;
  }

  const values = [{ a: '] } , \\" [ {' }, [1, [2]], "te,xt]", -1.5e3, true, null, {}, { "é😀": [{ b: "\\" }] }];

  it.each([1, 2, 7, 1_000])("is read value by value, %i bytes at a time, compact or indented", async (size) => {
    for (const text of [JSON.stringify(values), `\uFEFF ${JSON.stringify(values, null, 2)}\n`]) {
      const found = await elements(text, size);
      expect(found.map((element) => ("text" in element ? JSON.parse(element.text) : element.fault))).toEqual(values);
      expect(found.map(({ index }) => index)).toEqual(values.map((_, index) => index + 1));
      expect(await countElements(inPieces(Buffer.from(text), size))).toBe(values.length);
    }
  });

  it("or a single value that is not a list", async () => {
    expect(await elements(' {"a":[1]} ')).toEqual([{ index: null, text: '{"a":[1]}' }]);
    expect(await elements("[]")).toEqual([]);
    expect(await countElements(inPieces(Buffer.from('{"a":[1,2]}'), 3))).toBe(1);
  });

  it("that breaks off gives the complete values before, and says so", async () => {
    const breaksOff = "is not valid JSON (it breaks off)";
    expect(await elements('[{"a":1},{"b":')).toEqual([
      { index: 1, text: '{"a":1}' },
      { index: 2, fault: breaksOff },
    ]);
    expect(await elements('[{"a":1}')).toEqual([
      { index: 1, text: '{"a":1}' },
      { index: null, fault: breaksOff },
    ]);
    expect(await elements('{"a":"x')).toEqual([{ index: null, fault: breaksOff }]);
    expect(await elements("[1] [2]")).toEqual([
      { index: 1, text: "1" },
      { index: null, fault: "is not valid JSON (it goes on after its end)" },
    ]);
  });

  it("with one value that is broken, too long or not UTF-8 gives the others", async () => {
    expect(await elements('[{"a":]},{"b":2}]')).toContainEqual({ index: 3, text: '{"b":2}' });
    expect(await elements('["xxxxxxxxxxxxxxxxxxxx",1]', 3, 10)).toEqual([
      { index: 1, fault: "is 22 bytes long; one conversation may have 10" },
      { index: 2, text: "1" },
    ]);
    const bytes = Buffer.concat([Buffer.from('["'), Buffer.from([0xff]), Buffer.from('",2]')]);
    const found: Element[] = [];
    for await (const element of readElements(inPieces(bytes, 2))) found.push(element);
    expect(found).toEqual([
      { index: 1, fault: "is not valid UTF-8" },
      { index: 2, text: "2" },
    ]);
  });
});

describe("an archive", () => {
  const open = (entries: readonly Packed[]) => openArchive(write(zipOf(entries)), "export.zip");
  const readAll = async (entries: readonly Packed[]): Promise<string[]> => {
    const archive = await open(entries);
    try {
      return await Promise.all(archive.sources.map(textOf));
    } finally {
      archive.close();
    }
  };

  it("is recognized by its first bytes, whatever its name is", async () => {
    expect(await isArchive(write(zipOf([{ name: "a.json", content: "[]" }])))).toBe(true);
    expect(await isArchive(write(zipOf([])))).toBe(true);
    expect(await isArchive(write(Buffer.from("[]")))).toBe(false);
    expect(await isArchive(write(Buffer.from("PK")))).toBe(false);
  });

  it("gives its readable files in the order of their names, and reports all others", async () => {
    const entries: Packed[] = [
      { name: "folder/", content: "", isStored: true },
      { name: "conversations-001.json", content: "[2]" },
      { name: "conversations-000.json", content: "[1]" },
      { name: "folder/lines.JSONL", content: "3", isStored: true },
      { name: "file-1.png", content: "\u0000", isStored: true },
      { name: "chat.html", content: "<p>" },
      { name: "LICENSE", content: "" },
      { name: "__MACOSX/._conversations-000.json", content: "x" },
      { name: "._conversations-001.json", content: "x" },
    ];
    const archive = await open(entries);
    archive.close();
    expect(archive.sources.map(({ name }) => name)).toEqual([
      "export.zip/conversations-000.json",
      "export.zip/conversations-001.json",
      "export.zip/folder/lines.JSONL",
    ]);
    expect(archive.others).toEqual([
      { name: "export.zip/file-1.png", form: "png file of the archive" },
      { name: "export.zip/chat.html", form: "html file of the archive" },
      { name: "export.zip/LICENSE", form: "other file of the archive" },
    ]);
    expect(await readAll(entries)).toEqual(["[1]", "[2]", "3"]);
  });

  it("that was made to fill a machine is refused before it is unpacked, or stopped if its sizes lie", async () => {
    const zeros = { name: "conversations.json", content: Buffer.alloc(80 * 1024 * 1024) };
    await expect(readAll([zeros])).rejects.toThrow(/would unpack from \d+ bytes to 83886080/);
    const grows = { name: "a.json", content: "x".repeat(5_000), told: { size: 10 } };
    await expect(readAll([grows])).rejects.toThrow(/cannot be read as a .zip archive: .*too many bytes/);
    const shrinks = { name: "a.json", content: "x", told: { size: 10 } };
    await expect(readAll([shrinks])).rejects.toThrow("not enough bytes");
  });

  it("with an entry that is damaged, encrypted or compressed differently says what is wrong with it", async () => {
    const content = "[1]";
    await expect(readAll([{ name: "a.json", content, told: { crc: 1 } }])).rejects.toThrow("its checksum is wrong");
    await expect(readAll([{ name: "a.json", content, told: { flags: 1 } }])).rejects.toThrow("is encrypted");
    await expect(readAll([{ name: "a.json", content, told: { method: 12 } }])).rejects.toThrow("compression method");
    await expect(readAll([{ name: "../a.json", content }])).rejects.toThrow("invalid relative path");
    await expect(readAll([{ name: "a.json", content, told: { method: 8 }, isStored: true }])).rejects.toThrow(
      "cannot be read as a .zip archive",
    );
  });

  it("that is cut off is reported", async () => {
    const whole = zipOf([{ name: "a.json", content: "[1]" }]);
    const cut = write(whole.subarray(0, whole.length - 30));
    await expect(openArchive(cut, "export.zip")).rejects.toThrow("cannot be read as a .zip archive");
  });
});
