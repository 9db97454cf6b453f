import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type LoopbackServer, sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { importProgram } from "../../scripts/import/options.ts";
import type { Report } from "../../scripts/import/report.ts";
import { IMPORT_EXIT as EXIT, runImport } from "../../scripts/import/run-import.ts";
import { appendRequestSchema } from "../../src/api/append.ts";
import { importRequestSchema } from "../../src/api/transfer.ts";
import { readCommandLine } from "../support/command-line.ts";

/** Accepts imports in parts, keeps them over an interrupted run, and fails when told to. */
class FakeService {
  /** Lines after the first, by session and import. */
  readonly open = new Map<string, string[]>();
  readonly complete = new Map<string, number>();
  refusals: (number | "drop")[] = [];
  appends = 0;
  /** Called with each part that was stored. */
  onPart: () => void = () => undefined;
  #server: LoopbackServer | undefined;

  get url(): string {
    return this.#server?.url ?? "";
  }

  async start(): Promise<void> {
    this.#server = await serveOnLoopback(async (request, response, bytes) => {
      const refusal = this.refusals.shift();
      if (refusal === "drop") return request.socket.destroy();
      const answer =
        refusal === undefined
          ? this.#answer(new URL(request.url ?? "", this.url), bytes.toString("utf8"))
          : { status: refusal, body: problem(refusal) };
      return sendJson(response, answer.status, answer.body);
    });
  }

  async stop(): Promise<void> {
    await this.#server?.close();
  }

  #answer({ pathname, searchParams }: URL, text: string): { status: number; body: object } {
    if (!pathname.includes("/imports")) return this.#append(text);
    const [, session = "", importId = "", action = ""] =
      /^\/v1\/sessions\/([^/]+)\/imports(?:\/([^/]+))?(?:\/(.+))?$/.exec(pathname) ?? [];
    const id = importId === "" ? importRequestSchema.parse(JSON.parse(text)).id : importId;
    const name = `${session}/${id}`;
    const messages = this.complete.get(name);
    const lines = this.open.get(name) ?? [];
    if (action === "complete") {
      const counted = messages ?? lines.filter((line) => line.includes('"message"')).length;
      this.complete.set(name, counted);
      return { status: 200, body: { id: session, messages: counted, summaries: 0, items: 0, droppedItems: 0 } };
    }
    if (action === "lines") {
      const afterLine = Number(searchParams.get("afterLine"));
      const come = text.trimEnd().split("\n");
      lines.push(...come.slice(1 + lines.length - afterLine));
      this.onPart();
    }
    this.open.set(name, lines);
    const throughLine = messages === undefined ? 1 + lines.length : null;
    return { status: 200, body: { id, sessionId: session, state: "open", throughLine } };
  }

  #append(text: string): { status: number; body: object } {
    const parsed = appendRequestSchema.safeParse(JSON.parse(text));
    if (!parsed.success) return { status: 201, body: {} };
    this.appends += 1;
    const messages = parsed.data.messages.map(({ id = "" }, at) => ({ id, seq: at + 1, created: true }));
    return { status: 200, body: { messages, headSeq: messages.length } };
  }
}

function problem(status: number): object {
  const code = status === 422 ? "validation_failed" : "unavailable";
  return { type: "about:blank", title: code, status, code, detail: `because of ${code}`, requestId: "r1" };
}

const AT = "2026-11-22T12:00:00.000Z";
const HEAD = { type: "session", format: "threadkeep-session", formatVersion: 1, id: "chat", createdAt: AT };
const head = { ...HEAD, metadata: {}, settings: {} };
const message = (seq: number, content = `message ${seq}`): object => ({
  type: "message",
  seq,
  id: `m${seq}`,
  role: "user",
  content,
  createdAt: AT,
});
const end = (messages: number): object => ({ type: "end", messages, summaries: 0, items: 0, complete: true });

/** An export that is sent in three parts. */
const LARGE = [head, ...Array.from({ length: 50 }, (_, at) => message(at + 1, "é".repeat(200_000))), end(50)];

let folder = "";
let service: FakeService;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "threadkeep-exported-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  service = new FakeService();
  await service.start();
});
afterEach(() => service.stop());

let files = 0;
function write(lines: readonly object[]): string {
  files += 1;
  const file = path.join(folder, `chat-${files}.jsonl`);
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return file;
}

async function run(
  args: string[],
  interrupt: AbortSignal = new AbortController().signal,
): Promise<{ exitCode: number; report: Report }> {
  const parsed = await readCommandLine(importProgram, [...args, "--json", "--url", service.url, "--key", "k"]);
  if (!("options" in parsed)) throw new Error("the test's options are wrong");
  let stdout = "";
  const exitCode = await runImport(parsed.options, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: () => undefined },
    env: {},
    stateDirectory: folder,
    interrupt,
  });
  return { exitCode, report: JSON.parse(stdout) };
}

describe("an exported session", () => {
  it("is imported in parts and then there as a whole; a second run sends nothing", async () => {
    const file = write(LARGE);
    const first = await run([file]);
    expect(first).toMatchObject({ exitCode: EXIT.ok, report: { conversations: 1, messages: { new: 50 } } });
    const [lines = []] = service.open.values();
    expect(lines.map((line) => JSON.parse(line))).toEqual(LARGE.slice(1));
    expect(service.appends).toBe(0);
    let parts = 0;
    service.onPart = () => (parts += 1);
    expect((await run([file])).report.messages).toMatchObject({ new: 0, alreadyThere: 50 });
    expect([...service.complete.keys()]).toHaveLength(1);
    expect(parts).toBe(0);
  });

  it("continues where it was interrupted, even if the file has another name", async () => {
    const interrupt = new AbortController();
    service.onPart = () => interrupt.abort();
    expect((await run([write(LARGE)], interrupt.signal)).exitCode).toBe(EXIT.interrupted);
    const [inBefore = 0] = [...service.open.values()].map((lines) => lines.length);
    expect(inBefore).toBeGreaterThan(10);
    expect(inBefore).toBeLessThan(40);
    let parts = 0;
    service.onPart = () => (parts += 1);
    expect(await run([write(LARGE)])).toMatchObject({ exitCode: EXIT.ok, report: { messages: { new: 50 } } });
    expect(parts).toBeLessThan(3);
    const [lines = []] = service.open.values();
    expect(lines).toHaveLength(51);
  });

  it("gets its session's id with a prefix, and another file of the same session is another import", async () => {
    await run([write([head, message(1), end(1)]), write([head, message(1, "other"), end(1)]), "--prefix", "copy-"]);
    expect(new Set([...service.complete.keys()].map((name) => name.split("/")[0]))).toEqual(new Set(["copy-chat"]));
    expect(service.complete.size).toBe(2);
  });

  it("waits for an unavailable service, and says so if it stays unavailable", async () => {
    service.refusals = ["drop", 503, 502, "drop"];
    expect((await run([write([head, message(1), end(1)])])).exitCode).toBe(EXIT.ok);
    service.refusals = Array.from({ length: 200 }, () => 502);
    const file = write([head, message(1), message(2), end(2)]);
    expect(await run([file, "--patience", "1"])).toMatchObject({ exitCode: EXIT.outOfReach });
    service.refusals = [];
    expect((await run([file])).exitCode).toBe(EXIT.ok);
  });

  it("that the service refuses fails alone", async () => {
    const file = write([head, message(1), end(1)]);
    service.refusals = [422];
    const other = write([{ ...head, id: "other" }, message(1), message(2), end(2)]);
    const { exitCode, report } = await run([file, other]);
    expect(exitCode).toBe(EXIT.failed);
    expect(report).toMatchObject({ failures: [{ place: file }], messages: { new: 2 } });
  });

  it.each([
    ["whole", [head, message(1), message(2), end(2)], []],
    ["cut off", [head, message(1)], ["end line is missing"]],
    ["with a message that is missing", [head, message(2), end(1)], ["has the seq 2, and 1 is next"]],
    ["whose end counts another number", [head, message(1), end(2)], ["does not count"]],
    ["changed while it was exported", [head, message(1), { ...end(1), complete: false }], ["export it again"]],
    ["with a line of another kind", [head, { type: "note" }, end(0)], [""]],
    ["with more after its end", [head, end(0), message(1)], ["comes after the end", "does not count"]],
  ])("is checked by a dry run, which sends nothing: %s", async (_, lines, faults) => {
    service.refusals = [500];
    const { exitCode, report } = await run([write(lines), "--dry-run"]);
    expect(exitCode).toBe(faults.length === 0 ? EXIT.ok : EXIT.badLines);
    expect(report.bad).toHaveLength(faults.length);
    for (const [at, fault] of faults.entries()) expect(report.bad[at]?.reason).toContain(fault);
    expect(service.refusals).toHaveLength(1);
  });

  it("is imported without its summaries on request", async () => {
    const { report } = await run([write([head, message(1), end(1)]), "--format", "threadkeep"]);
    expect(report).toMatchObject({ conversations: 1, messages: { new: 1 } });
    expect(service.appends).toBe(1);
    expect(service.open.size).toBe(0);
  });
});
