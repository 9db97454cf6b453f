import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { backup } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ContextFormat, contextFormatSchema } from "../../../src/api/context.ts";
import { MAX_MESSAGE_BYTES } from "../../../src/api/limits.ts";
import type { Content, NewMessage, Part } from "../../../src/api/message.ts";
import { byteLength, jsonBytes } from "../../../src/api/text.ts";
import { renderContext } from "../../../src/prompt/formats.ts";
import { MIN_HELD_LENGTH, wholeBytes } from "../../../src/prompt/held-files.ts";
import { nameMedia } from "../../../src/prompt/media.ts";
import { contentTokens, messageText, toolFileTokens } from "../../../src/prompt/message-text.ts";
import { readExportPage } from "../../../src/session/copies/export.ts";
import { readCopyPage, saveCopyPage } from "../../../src/session/copies/fork.ts";
import { editMessage } from "../../../src/session/erase/edit.ts";
import { eraseMessage, eraseSession } from "../../../src/session/erase/erase.ts";
import { readContext } from "../../../src/session/log/read-context.ts";
import { readMessages, readState } from "../../../src/session/log/read.ts";
import { searchMessages } from "../../../src/session/search/retrieve.ts";
import { checkLogIntegrity } from "../../../src/session/verify/integrity.ts";
import { makeTemporaryDirectory, removeDirectory } from "../../support/temporary-directory.ts";
import { NodeSession, NOON } from "./node-session.ts";

/** Unique base64 of this many characters. */
function base64Of(name: string, length: number, start = ""): string {
  let text = start;
  for (let at = 0; text.length < length; at += 1) text += createHash("sha256").update(`${name} ${at}`).digest("hex");
  return text.slice(0, length - (length % 4));
}

const photo = (name: string, length = 60_000): string => base64Of(name, length, "/9j/");
const file = (data: string, mediaType = "image/jpeg"): Part => ({ type: "file", mediaType, data });
const said = (...content: Part[]): NewMessage => ({ role: "user", content });
const result = (output: Extract<Part, { type: "tool-result" }>["output"]): Part => ({
  type: "tool-result",
  toolCallId: "c",
  toolName: "look",
  output,
});

function rowOf(session: NodeSession, seq: number): { content: string; held: number } {
  const row = session.disk.read("SELECT content, held_bytes FROM messages WHERE seq = ?", seq)[0];
  return { content: String(row?.["content"]), held: Number(row?.["held_bytes"]) };
}

/** Bytes in pages. */
function heldIn(session: NodeSession): number {
  const [row] = session.disk.read("SELECT sum(octet_length(data)) AS bytes FROM file_pages");
  return Number(row?.["bytes"] ?? 0);
}

function contentOf(session: NodeSession, seq: number): Content | null | undefined {
  return session.store.messages.bySeq(seq)?.content;
}

/** The same context, made with all files read before it is known which of them fit. */
function contextsOf(session: NodeSession, format: ContextFormat, maxTokens: number) {
  const request = { format, maxTokens } as const;
  const render = (): unknown =>
    renderContext(readContext(session.unit(), request, null, 50_000).context, {
      format,
      summaryRole: "user",
    });
  const sparing = render();
  const { messages } = session.store;
  const backward = messages.backward.bind(messages);
  messages.backward = (from, through) => backward(from, through, "whole");
  const lavish = render();
  messages.backward = backward;
  return { sparing, lavish };
}

const NAMES = ["one", "two", "three"];
const base64 = fc
  .tuple(fc.constantFrom(...NAMES), fc.constantFrom(100, MIN_HELD_LENGTH - 4, MIN_HELD_LENGTH, 20_000))
  .chain(([name, length]) =>
    fc.constantFrom(photo(name, length), base64Of(name, length), base64Of(name, length, "iVBORw0KGgo")),
  );
const mediaType = fc.constantFrom(
  "image/png",
  "image/jpeg",
  "application/pdf",
  "audio/mpeg",
  "text/plain",
  "application/zip",
);
const bytesText = fc.oneof(
  base64,
  fc.tuple(mediaType, base64).map(([type, bytes]) => `data:${type};base64,${bytes}`),
  base64.map((bytes) => `data:;base64,${bytes}`),
  base64.map((bytes) => `see data:image/png;base64,${bytes} there`),
  fc.constantFrom("plain words", "Zusammenfassung – ".repeat(300), "https://example.com/cat.png"),
);
const output = fc.oneof(
  bytesText,
  bytesText.map((value) => ({ type: "text", value })),
  bytesText.map((value) => ({ type: "json", value: { screen: value, text: value } })),
  fc.tuple(bytesText, mediaType).map(([value, mimeType]) => ({ content: [{ type: "image", data: value, mimeType }] })),
  fc.tuple(base64, mediaType).map(([value, type]) => ({
    type: "content",
    value: [
      { type: "text", text: "a screen" },
      { type: "image-data", data: value, mediaType: type },
      { type: "file", mediaType: type, data: { type: "data", data: value } },
      { type: "image-url", url: `data:${type};base64,${value}` },
    ],
  })),
);
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.tuple(bytesText, mediaType).map(([text, type]) => file(text, type)),
  bytesText.map((text): Part => ({ type: "text", text })),
  output.map((value) => result(value)),
  bytesText.map((text): Part => ({
    type: "tool-call",
    toolCallId: "c",
    toolName: "write",
    input: { mimeType: "image/png", data: text },
  })),
  bytesText.map((text): Part => ({
    type: "data-chart",
    data: { mimeType: "image/png", text, deep: [text, { text }] },
  })),
);
const anyContent: fc.Arbitrary<Content> = fc.array(part, { minLength: 1, maxLength: 4 });
const RUNS = { numRuns: 25, seed: 20261129 };

describe("a message with files", () => {
  it("is returned byte for byte, from a row of few bytes", () => {
    fc.assert(
      fc.property(fc.array(anyContent, { minLength: 1, maxLength: 4 }), (contents) => {
        const session = new NodeSession();
        session.append(contents.map((one) => ({ role: "assistant", content: one })));
        const read = [...session.store.messages.forward(1, 10)];
        expect(read.map((row) => JSON.stringify(row.content))).toEqual(contents.map((one) => JSON.stringify(one)));
        for (const [at, one] of contents.entries()) {
          const row = rowOf(session, at + 1);
          expect(byteLength(row.content)).toBeLessThanOrEqual(512 * 1024);
          expect(byteLength(row.content) + row.held).toBe(jsonBytes(one));
        }
        expect(session.store.totals.areTrue(session.store.messages.head())).toBe(true);
        expect(checkLogIntegrity(session.unit(), 0).flaws).toEqual([]);
        session.disk.close();
      }),
      RUNS,
    );
  });

  it("has the same text, tokens and description with references as with the files themselves", () => {
    fc.assert(
      fc.property(anyContent, (one) => {
        const session = new NodeSession();
        session.append([{ role: "assistant", content: one }]);
        const told = session.store.messages.bySeq(1, "told")?.content ?? "";
        expect(messageText(told)).toBe(messageText(one));
        expect(contentTokens(told)).toBe(contentTokens(one));
        expect(toolFileTokens(told)).toBe(toolFileTokens(one));
        expect(wholeBytes(told)).toBe(jsonBytes(one));
        const named = nameMedia(told, 7);
        expect(named === null ? null : session.store.files.whole(named)).toEqual(nameMedia(one, 7));
        session.disk.close();
      }),
      RUNS,
    );
  });

  it("gives the same context in every format, whether its files are read first or last", () => {
    fc.assert(
      fc.property(
        fc.array(anyContent, { minLength: 1, maxLength: 5 }),
        fc.constantFrom(...contextFormatSchema.options),
        fc.constantFrom(1_000, 8_000, 100_000),
        (contents, format, maxTokens) => {
          const session = new NodeSession();
          session.append(contents.map((one, at) => ({ role: at % 2 === 0 ? "user" : "assistant", content: one })));
          const { sparing, lavish } = contextsOf(session, format, maxTokens);
          expect(JSON.stringify(sparing)).toBe(JSON.stringify(lavish));
          expect(JSON.stringify(sparing)).not.toContain("\\u0000");
          session.disk.close();
        },
      ),
      RUNS,
    );
  });

  it("may have 4 MiB of text in any script", () => {
    const session = new NodeSession();
    const words = ["a word ".repeat(MAX_MESSAGE_BYTES / 7 - 1), "記憶".repeat(MAX_MESSAGE_BYTES / 6 - 1)];
    session.append(words);
    expect(words.map((_, at) => contentOf(session, at + 1) === words[at])).toEqual([true, true]);
    expect(rowOf(session, 1).content.length).toBeLessThan(60);
    expect(searchMessages(session.unit(), { query: "word" }).data.map(({ message }) => message.seq)).toEqual([1]);
    expect(readMessages(session.unit(), { limit: 10 })).toMatchObject({ hasMore: true, nextCursor: "1" });
    editMessage(session.unit(), "seq-1", { content: "few words" });
    expect(contentOf(session, 1)).toBe("few words");
    expect(session.disk.read("SELECT count(*) AS files FROM files")).toEqual([{ files: 1 }]);
    expect(checkLogIntegrity(session.unit(), 0).flaws).toEqual([]);
  });
});

describe("a file of several messages", () => {
  it("is stored once, and counts with each of them", () => {
    const session = new NodeSession();
    const data = photo("shared", 600_000);
    for (let at = 0; at < 10; at += 1)
      session.append([said(file(at % 2 === 0 ? data : `data:image/jpeg;base64,${data}`))]);
    expect(heldIn(session)).toBe(600_000);
    expect(readState(session.unit()).messageBytes).toBeGreaterThan(6_000_000);
    expect(session.disk.size()).toBeLessThan(1_500_000);
  });

  it("stays until the last of them is erased or edited, and then is nowhere in the database's pages", async () => {
    const session = new NodeSession();
    const [shared, alone] = [photo("shared", 2_500_000), photo("alone", 30_000)];
    for (let at = 0; at < 4; at += 1) session.append([said(file(shared), file(photo(`own ${at}`)))]);
    session.append([said(file(alone)), said(file(photo("kept"))), "word ".repeat(150_000)]);
    const { store } = session;
    eraseMessage(session.unit(), "seq-1");
    editMessage(session.unit(), "seq-2", { content: "nothing to see" });
    editMessage(session.unit(), "seq-3", { content: [file(shared)] });
    expect(await tracesIn(session, [shared])).toEqual([true]);
    expect(contentOf(session, 4)).toEqual([file(shared), file(photo("own 3"))]);
    eraseMessage(session.unit(), "seq-3");
    store.countChange(store.messageEraser.eraseThrough(4, NOON));
    editMessage(session.unit(), "seq-5", { metadata: { seen: true } });
    expect(contentOf(session, 5)).toEqual([file(alone)]);
    eraseMessage(session.unit(), "seq-5");
    eraseMessage(session.unit(), "seq-7");
    const own = NAMES.map((_, at) => photo(`own ${at}`));
    const traces = await tracesIn(session, [photo("kept"), shared, alone, ...own, "word word word"]);
    expect(traces).toEqual([true, false, false, false, false, false, false]);
    expect(contentOf(session, 6)).toEqual([file(photo("kept"))]);
    expect(checkLogIntegrity(session.unit(), 0).flaws).toEqual([]);
    eraseSession(session.unit());
    expect(heldIn(session)).toBe(0);
  });

  it("is copied by a fork, and stored once there as well", () => {
    const source = new NodeSession();
    const shared = photo("shared", 500_000);
    for (let at = 0; at < 3; at += 1) source.append([said(file(shared))]);
    const fork = new NodeSession({ copying: { kind: "fork", until: NOON, sourceChanges: null } });
    fork.store.lineage.putOrigin({ session: "s", epoch: "i", kind: "fork", throughSeq: 3, state: "pending" });
    const job = fork.schedule("fork", { throughSeq: 3 });
    for (let afterSeq = 0; fork.row.copying !== null; afterSeq = fork.store.messages.head()?.seq ?? 0) {
      saveCopyPage(fork.unit(), job.id, readCopyPage(source.unit(), afterSeq, 3));
    }
    expect(readExportPage(fork.unit(), 0, 3).map(({ content }) => content)).toEqual(
      Array.from({ length: 3 }, () => [file(shared)]),
    );
    expect(heldIn(fork)).toBe(500_000);
    fork.append([said(file(shared))]);
    expect(heldIn(fork)).toBe(500_000);
  });
});

/** Whether any of these texts are anywhere in a database file, including unused pages. */
async function tracesIn(session: NodeSession, texts: readonly string[]): Promise<boolean[]> {
  const directory = makeTemporaryDirectory();
  try {
    const copy = path.join(directory, "copy.sqlite");
    await backup(session.disk.database, copy);
    const bytes = readFileSync(copy);
    // One piece of each 4 KB, shorter than what the end of a page can cut off.
    return texts.map((text) =>
      Array.from({ length: Math.ceil(text.length / 4_000) }, (_, at) =>
        text.slice(at * 4_000 + 100, at * 4_000 + 140),
      ).some((piece) => piece.length > 10 && bytes.includes(piece)),
    );
  } finally {
    removeDirectory(directory);
  }
}

describe("a long session of photos", () => {
  it("makes a context read the bytes of those that it shows, and a page of the log read none", () => {
    const session = new NodeSession();
    for (let at = 0; at < 40; at += 1)
      session.append([said({ type: "text", text: `photo ${at}` }, file(photo(`${at}`, 100_000)))]);
    const reads: string[] = [];
    const exec = session.sql.exec.bind(session.sql);
    session.sql.exec = (query: string, ...bindings: unknown[]) => {
      if (/SELECT data FROM file_pages/.test(query)) reads.push(query);
      return exec(query, ...bindings);
    };
    const { context } = readContext(session.unit(), { maxTokens: 100_000 }, null, 650_000);
    const shown = context.messages.filter(({ content }) => JSON.stringify(content).length > 100_000).length;
    expect(context.messages).toHaveLength(40);
    expect([shown, reads.length]).toEqual([3, 3]);
    readContext(session.unit(), { maxTokens: 100_000, format: "text" }, null, 650_000);
    searchMessages(session.unit(), { query: "nobody" });
    expect(reads).toHaveLength(3);
  });

  it("does not change the statements for a session without files", () => {
    const session = new NodeSession();
    session.say(50);
    let statements = 0;
    const exec = session.sql.exec.bind(session.sql);
    session.sql.exec = (query: string, ...bindings: unknown[]) => {
      statements += 1;
      expect(query).not.toMatch(/\bfile(?:s|_pages|_citations)\b/);
      return exec(query, ...bindings);
    };
    readMessages(session.unit(), { limit: 50 });
    expect(statements).toBeLessThan(6);
    session.append([{ id: "mine", role: "user", content: "hello" }]);
  });
});
