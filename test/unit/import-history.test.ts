import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LoopbackServer, sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { hashJson } from "../../scripts/import/names.ts";
import { importProgram } from "../../scripts/import/options.ts";
import type { makeReport } from "../../scripts/import/report.ts";
import { IMPORT_EXIT as EXIT, runImport } from "../../scripts/import/run-import.ts";
import { appendRequestSchema } from "../../src/api/append.ts";
import type { NewMessage } from "../../src/api/message.ts";
import { branchRequestSchema, type SessionState } from "../../src/api/session.ts";
import { transferLineSchema } from "../../src/api/transfer.ts";
import { type GeneratedExport, generateExport } from "../support/chatgpt-export.ts";
import { readCommandLine } from "../support/command-line.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";
import { zipOf } from "../support/zip-file.ts";

/** Follows the contract of append, branches and dated creation, in memory, so that an import can run without a service. */

interface Stored extends NewMessage {
  readonly follows: number;
}

class Log {
  readonly messages: Stored[] = [];
  readonly createdAt: string | undefined;
  readonly metadata: Record<string, unknown>;
  headSeq = 0;

  constructor(createdAt: string | undefined, metadata: Record<string, unknown>) {
    this.createdAt = createdAt;
    this.metadata = metadata;
  }

  /** The messages of the active branch, the first one first. */
  active(): Stored[] {
    const branch: Stored[] = [];
    for (let seq = this.headSeq; seq > 0;) {
      const message = this.messages[seq - 1];
      if (message === undefined) throw new Error(`there is no message ${seq}`);
      branch.unshift(message);
      seq = message.follows;
    }
    return branch;
  }
}

type Answer = { readonly status: number; readonly body: object };

class BranchingService {
  readonly logs = new Map<string, Log>();
  appends = 0;
  switches = 0;
  #server: LoopbackServer | undefined;

  get url(): string {
    return this.#server?.url ?? "";
  }

  async start(): Promise<void> {
    this.#server = await serveOnLoopback(async (request, response, bytes) => {
      const { pathname, searchParams } = new URL(request.url ?? "", this.url);
      const { status, body } = this.#answer(`${request.method} ${pathname}`, searchParams, bytes.toString("utf8"));
      sendJson(response, status, body);
    });
  }

  async stop(): Promise<void> {
    await this.#server?.close();
  }

  #answer(asked: string, query: URLSearchParams, text: string): Answer {
    if (asked === "POST /v1/import") return this.#begin(query.get("sessionId") ?? "", text);
    if (asked === "POST /v1/sessions") {
      const { id, metadata = {} }: { id: string; metadata?: Record<string, unknown> } = JSON.parse(text);
      if (!this.logs.has(id)) this.logs.set(id, new Log(undefined, metadata));
      return { status: 201, body: {} };
    }
    const [, method = "", id = "", action = ""] = /^(\w+) \/v1\/sessions\/([^/]+)\/?(.*)$/.exec(asked) ?? [];
    const session = decodeURIComponent(id);
    const log = this.logs.get(session) ?? new Log(undefined, {});
    this.logs.set(session, log);
    if (method === "POST" && action === "messages") return this.#append(log, JSON.parse(text));
    if (method === "PUT" && action === "branch") {
      const { headSeq } = branchRequestSchema.parse(JSON.parse(text));
      if (headSeq > log.messages.length) return problem(422, "validation_failed");
      this.switches += 1;
      log.headSeq = headSeq;
      return { status: 200, body: {} };
    }
    return { status: 200, body: stateOf(session, log) };
  }

  #begin(session: string, text: string): Answer {
    const [first] = text
      .trim()
      .split("\n")
      .map((line) => transferLineSchema.parse(JSON.parse(line)));
    if (first?.type !== "session") return problem(422, "validation_failed");
    if (this.logs.has(session)) return problem(409, "session_exists");
    this.logs.set(session, new Log(first.createdAt, first.metadata));
    return { status: 201, body: {} };
  }

  #append(log: Log, body: unknown): Answer {
    this.appends += 1;
    const parsed = appendRequestSchema.safeParse(body);
    if (!parsed.success || parsed.data.format !== undefined) return problem(422, "validation_failed");
    const answers: { id: string; seq: number; created: boolean }[] = [];
    let follows = log.headSeq;
    for (const message of parsed.data.messages) {
      const id = message.id ?? "";
      const at = log.messages.findIndex((stored) => stored.id === id);
      if (at >= 0) {
        const { follows: _, ...stored } = log.messages[at] ?? {};
        if (JSON.stringify(stored) !== JSON.stringify(message)) return problem(409, "message_conflict");
        answers.push({ id, seq: at + 1, created: false });
        continue;
      }
      const after = message.afterSeq ?? follows;
      if (after > log.messages.length) return problem(422, "validation_failed");
      log.messages.push({ ...message, follows: after });
      log.headSeq = log.messages.length;
      follows = log.headSeq;
      answers.push({ id, seq: log.headSeq, created: true });
    }
    return { status: 200, body: { messages: answers, headSeq: log.headSeq } };
  }
}

function problem(status: number, code: string): Answer {
  const body = { type: "about:blank", title: code, status, code, detail: `because of ${code}`, requestId: "r1" };
  return { status, body };
}

function stateOf(id: string, { headSeq, messages, createdAt = "", metadata }: Log): SessionState {
  return {
    id,
    createdAt,
    headSeq,
    lastSeq: messages.length,
    messageTokens: 0,
    messageBytes: 0,
    summary: null,
    summaryPending: false,
    archived: true,
    status: "active",
    origin: null,
    expiresAt: null,
    metadata,
    settings: {},
  };
}

const folder = makeTemporaryDirectory();
afterAll(() => removeDirectory(folder));
let service: BranchingService;
beforeEach(async () => {
  service = new BranchingService();
  await service.start();
});
afterEach(() => service.stop());

type Report = ReturnType<typeof makeReport>;
interface Run {
  readonly exitCode: number;
  readonly report: Report;
  readonly progress: string;
}

async function run(files: readonly string[], args: readonly string[] = []): Promise<Run> {
  const parsed = await readCommandLine(importProgram, [
    ...args,
    ...files,
    "--json",
    "--url",
    service.url,
    "--key",
    "k",
  ]);
  if (!("options" in parsed)) throw new Error("the test's options are wrong");
  let stdout = "";
  let progress = "";
  const exitCode = await runImport(parsed.options, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { isTTY: true, columns: 200, write: (text) => (progress += text) },
    env: {},
    stateDirectory: folder,
    interrupt: new AbortController().signal,
  });
  return { exitCode, report: JSON.parse(stdout), progress };
}

function write(name: string, content: Uint8Array | string): string {
  const file = path.join(folder, name);
  writeFileSync(file, content);
  return file;
}

/** In the form in which ChatGPT sends it: a .zip with the conversations in several files, and much else. Each file is encoded differently. */
function zipOfExport({ conversations }: GeneratedExport): Buffer {
  const third = Math.ceil(conversations.length / 3);
  const [first, second, last] = [0, 1, 2].map((at) => conversations.slice(at * third, (at + 1) * third));
  return zipOf([
    { name: "conversations-000.json", content: JSON.stringify(first) },
    { name: "conversations-001.json", content: Buffer.from(`\uFEFF${JSON.stringify(second)}`, "utf16le") },
    { name: "conversations-002.json", content: Buffer.from(JSON.stringify(last, null, 1), "utf16le").swap16() },
    { name: "user.json", content: '{"id":"user-1","email":"nobody@example.org"}' },
    { name: "message_feedback.json", content: '[{"id":"f1","conversation_id":"chat-0001","rating":"thumbs_up"}]' },
    { name: "shared_conversations.json", content: '[{"id":"s1","conversation_id":"chat-0001","title":"Trams"}]' },
    { name: "chat.html", content: "<html></html>" },
    { name: "file_42-tram.png", content: "png", isStored: true },
    { name: "dalle-generations/file-9.webp", content: "webp", isStored: true },
  ]);
}

const ARCHIVE_FORMS = {
  "html file of the archive, left out": 1,
  "png file of the archive, left out": 1,
  "webp file of the archive, left out": 1,
  "user.json of the archive, without conversations, left out": 1,
  "message_feedback.json of the archive, without conversations, left out": 1,
  "shared_conversations.json of the archive, without conversations, left out": 1,
};

function countsOf(notes: readonly { readonly reason: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  // The length of a message does not depend on its form.
  for (const { reason } of notes) {
    const form = reason.replace(/^is \d+ bytes long and /, "");
    counts[form] = (counts[form] ?? 0) + 1;
  }
  return counts;
}

/** Compared by parts, because a difference of megabytes would be unreadable. */
function shortened(content: unknown): unknown {
  return typeof content === "string" && content.length > 10_000
    ? `${content.length}: ${hashJson(content, 20)}`
    : content;
}

/** Checks that everything that was said has arrived in its place, and that everything else is reported by its form, as often as it occurs. */
function expectWhole(made: GeneratedExport, { report }: Run): void {
  for (const { id, title, createdAt, messages, head } of made.expected) {
    const log = service.logs.get(id) ?? expect.fail(`${id} is not there`);
    const ids = ["", ...log.messages.map((message) => message.id)];
    const arrived = log.messages.map((message) => ({
      id: message.id,
      role: message.role,
      content: shortened(message.content),
      after: message.follows === 0 ? null : ids[message.follows],
      occurredAt: message.occurredAt,
      pinned: message.pinned === true,
    }));
    const byId = (one: { id?: string | undefined }, other: { id?: string | undefined }): number =>
      (one.id ?? "") < (other.id ?? "") ? -1 : 1;
    expect(arrived.toSorted(byId), id).toEqual(
      messages.map((message) => ({ ...message, content: shortened(message.content) })).toSorted(byId),
    );
    expect({ id, head: log.active().at(-1)?.id }).toEqual({ id, head });
    expect(log.metadata["title"]).toBe(title);
    if (createdAt !== undefined) expect(log.createdAt).toBe(createdAt);
  }
  expect(service.logs.size).toBe(made.expected.length);
  expect(report.skipped).toEqual(made.skipped);
  const noted = Object.fromEntries(report.noted.map(({ form, count }) => [form, count]));
  expect(noted).toEqual({ ...made.noted, ...ARCHIVE_FORMS });
  // The first 200 of each kind are listed; all are counted.
  expect(report.warningCount).toBe(Object.values(made.warnings).reduce((sum, count) => sum + count, 0));
  expect(report.badCount).toBe(Object.values(made.bad).reduce((sum, count) => sum + count, 0));
  for (const form of Object.keys(countsOf(report.bad))) expect(Object.keys(made.bad)).toContain(form);
  for (const form of Object.keys(countsOf(report.warnings))) expect(Object.keys(made.warnings)).toContain(form);
  expect(report.failures).toEqual([]);
}

describe("500 conversations of ChatGPT with every quirk of its exports", () => {
  it("lose nothing silently", async () => {
    const made = generateExport(1, 500, { instructions: "leave" });
    const file = write("export.zip", zipOfExport(made));
    const first = await run([file]);
    expect(first.exitCode).toBe(EXIT.badLines);
    expectWhole(made, first);
    const said = made.expected.reduce((sum, { messages }) => sum + messages.length, 0);
    expect(first.report).toMatchObject({ conversations: 500, messages: { new: said, alreadyThere: 0 } });
    expect(first.report.look).toContain(service.url);
    expect(first.progress).toMatch(/\d+ of 50[02] conversations/);
  });

  it("are not doubled by a second run, which does not change the branches", async () => {
    const made = generateExport(3, 60, { instructions: "leave", isLarge: false });
    const file = write("twice.zip", zipOfExport(made));
    const first = await run([file]);
    const { switches } = service;
    const second = await run([file]);
    expectWhole(made, second);
    expect(second.report.messages).toMatchObject({ new: 0, alreadyThere: first.report.messages.new });
    // The end of the log is activated for the import, and the active branch again afterwards.
    expect(service.switches).toBeGreaterThan(switches);
  });

  it("include settings for all chats on request, as pinned messages of the user", async () => {
    const made = generateExport(2, 60, { instructions: "pinned", isLarge: false });
    const result = await run([write("pinned.zip", zipOfExport(made))], ["--instructions", "pinned"]);
    expectWhole(made, result);
    expect(made.expected.some(({ messages }) => messages.some(({ pinned }) => pinned))).toBe(true);
    expect(result.report.skipped).not.toHaveProperty("custom instructions");
  });
});

describe("a second run of an import", () => {
  const node = (id: string, parent: string | null, role: string, text: string, at: number): [string, unknown] => [
    id,
    {
      id,
      parent,
      message: { id, author: { role }, create_time: at, content: { content_type: "text", parts: [text] } },
    },
  ];
  const chat = (nodes: [string, unknown][], current: string): string =>
    write(
      "again.json",
      JSON.stringify([{ conversation_id: "c", title: "T", current_node: current, mapping: Object.fromEntries(nodes) }]),
    );
  const first = [
    node("q", null, "user", "Where to?", 1),
    node("rome", "q", "assistant", "Rome.", 2),
    node("porto", "q", "assistant", "Porto.", 3),
  ];
  const active = (): unknown[] =>
    service.logs
      .get("c")
      ?.active()
      .map(({ content }) => content) ?? [];

  it("adds what a newer export adds to any branch", async () => {
    await run([chat(first, "rome")]);
    expect(active()).toEqual(["Where to?", "Rome."]);
    const later = [...first, node("far", "porto", "user", "How far?", 4), node("near", "rome", "user", "How near?", 5)];
    const { report } = await run([chat(later, "far")]);
    expect(report).toMatchObject({ failures: [], messages: { new: 2, alreadyThere: 3 } });
    expect(active()).toEqual(["Where to?", "Porto.", "How far?"]);
    expect(service.logs.get("c")?.messages.map(({ follows }) => follows)).toEqual([0, 1, 1, 3, 2]);
  });

  it("leaves the branch that somebody has activated since, if nothing is new", async () => {
    const file = chat(first, "porto");
    await run([file]);
    const log = service.logs.get("c") ?? expect.fail("it is not there");
    log.headSeq = 2;
    await run([file]);
    expect(active()).toEqual(["Where to?", "Rome."]);
  });

  it("reports a message that is there with other content, and puts its followers in their place", async () => {
    await run([chat(first, "porto")]);
    const changed = [
      node("q", null, "user", "Where to?", 1),
      node("rome", "q", "assistant", "Milan.", 2),
      node("porto", "q", "assistant", "Porto.", 3),
      node("near", "rome", "user", "How near?", 4),
    ];
    const { exitCode, report } = await run([chat(changed, "near")]);
    expect(exitCode).toBe(EXIT.failed);
    expect(report.failures).toEqual([expect.objectContaining({ reason: expect.stringContaining("message_conflict") })]);
    expect(active()).toEqual(["Where to?", "How near?"]);
  });
});

describe("an archive", () => {
  it("without conversations, or damaged, is reported, and the next file is read", async () => {
    const empty = write("empty.zip", zipOf([{ name: "user.json", content: "{}" }]));
    const cut = write("cut.zip", zipOf([{ name: "conversations.json", content: "[]" }]).subarray(0, 60));
    const damaged = write("damaged.zip", zipOf([{ name: "conversations.json", content: "[]", told: { crc: 1 } }]));
    const good = write("good.jsonl", '{"session":"g","role":"user","content":"x"}\n');
    const { exitCode, report } = await run([empty, cut, damaged, good]);
    expect(exitCode).toBe(EXIT.badLines);
    expect(report.bad.map(({ place, reason }) => `${path.basename(place)}: ${reason}`)).toEqual([
      "empty.zip: has no file with conversations in it",
      expect.stringMatching(/^cut\.zip: cannot be read as a \.zip archive/),
      expect.stringMatching(/^conversations\.json: is damaged: its checksum is wrong/),
    ]);
    expect(service.logs.get("g")?.messages).toHaveLength(1);
  });
});
