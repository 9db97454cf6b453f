import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type LoopbackServer, sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { importProgram } from "../../scripts/import/options.ts";
import { type makeReport, timing } from "../../scripts/import/report.ts";
import { IMPORT_EXIT as EXIT, runImport } from "../../scripts/import/run-import.ts";
import { Tally } from "../../scripts/import/tally.ts";
import { appendRequestSchema } from "../../src/api/append.ts";
import { MAX_BODY_BYTES } from "../../src/api/limits.ts";
import type { NewMessage } from "../../src/api/message.ts";
import { readCommandLine } from "../support/command-line.ts";

type Refusal = { status: number; headers?: Record<string, string>; body?: object } | "drop" | "drop-after";

/** Follows the contract of append, and fails when told to. */
class FakeService {
  readonly logs = new Map<string, NewMessage[]>();
  readonly created: unknown[] = [];
  readonly batches: { session: string; count: number; bytes: number }[] = [];
  /** The fates of the next requests, one each. */
  refusals: Refusal[] = [];
  requests = 0;
  sendingNow = 0;
  mostSending = 0;
  delayMs = 0;
  #server: LoopbackServer | undefined;

  get url(): string {
    return this.#server?.url ?? "";
  }

  async start(): Promise<void> {
    this.#server = await serveOnLoopback(async (request, response, bytes) => {
      this.requests += 1;
      this.sendingNow += 1;
      this.mostSending = Math.max(this.mostSending, this.sendingNow);
      const refusal = this.refusals.shift();
      if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
      this.sendingNow -= 1;
      if (refusal === "drop") return request.socket.destroy();
      if (refusal !== undefined && refusal !== "drop-after") {
        return sendJson(response, refusal.status, refusal.body ?? {}, refusal.headers);
      }
      const answer = this.#answer(request.url ?? "", JSON.parse(bytes.toString("utf8") || "null"), bytes.length);
      if (refusal === "drop-after") return request.socket.destroy();
      return sendJson(response, answer.status, answer.body);
    });
  }

  async stop(): Promise<void> {
    await this.#server?.close();
  }

  #answer(resource: string, body: unknown, bytes: number): { status: number; body: object } {
    if (resource === "/v1/sessions") {
      this.created.push(body);
      return { status: 201, body: {} };
    }
    const session = /^\/v1\/sessions\/([^/]+)\/messages$/.exec(decodeURIComponent(resource))?.[1] ?? "";
    const parsed = appendRequestSchema.safeParse(body);
    if (!parsed.success || parsed.data.format !== undefined) return problem(422, "validation_failed");
    this.batches.push({ session, count: parsed.data.messages.length, bytes });
    const log = this.logs.get(session) ?? [];
    const conflict = parsed.data.messages.some((message) =>
      log.some((stored) => stored.id === message.id && stored.content !== message.content),
    );
    if (conflict) return problem(409, "message_conflict");
    this.logs.set(session, log);
    const messages = parsed.data.messages.map((message) => {
      const at = log.findIndex((stored) => stored.id === message.id);
      if (at >= 0) return { id: message.id, seq: at + 1, created: false };
      log.push(message);
      return { id: message.id, seq: log.length, created: true };
    });
    return { status: 200, body: { messages, headSeq: log.length } };
  }
}

function problem(status: number, code: string): { status: number; body: object } {
  return {
    status,
    body: { type: "about:blank", title: code, status, code, detail: `because of ${code}`, requestId: "r1" },
  };
}

let folder = "";
let service: FakeService;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "threadkeep-import-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  service = new FakeService();
  await service.start();
});
afterEach(() => service.stop());

let files = 0;
function write(lines: readonly unknown[]): string {
  files += 1;
  const file = path.join(folder, `chat-${files}.jsonl`);
  writeFileSync(file, lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"));
  return file;
}

const user = (session: string, content: string, rest: object = {}): object => ({
  session,
  role: "user",
  content,
  ...rest,
});

interface Run {
  exitCode: number;
  stdout: string;
  stderr: string;
  report: ReturnType<typeof makeReport>;
}

async function run(args: string[], interrupt: AbortSignal = new AbortController().signal): Promise<Run> {
  const parsed = await readCommandLine(importProgram, [...args, "--json", "--url", service.url, "--key", "k"]);
  if (!("options" in parsed)) throw new Error("the test's options are wrong");
  let stdout = "";
  let stderr = "";
  const exitCode = await runImport(parsed.options, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    env: {},
    stateDirectory: folder,
    interrupt,
  });
  return { exitCode, stdout, stderr, report: JSON.parse(stdout) };
}

describe("an import", () => {
  it("keeps the order of each session, in batches of at most 100", async () => {
    const lines = Array.from({ length: 730 }, (_, index) => user(index % 3 === 0 ? "a" : "b", `turn ${index}`));
    const { exitCode, report } = await run([write(lines)]);
    expect(exitCode).toBe(EXIT.ok);
    expect(report).toMatchObject({ conversations: 2, messages: { new: 730, alreadyThere: 0 }, failureCount: 0 });
    for (const [session, log] of service.logs) {
      expect(log.map((message) => message.content)).toEqual(
        lines.flatMap((_, index) => ((index % 3 === 0) === (session === "a") ? [`turn ${index}`] : [])),
      );
    }
    expect(Math.max(...service.batches.map((batch) => batch.count))).toBeLessThanOrEqual(100);
  });

  it("run twice doubles nothing, even if texts repeat and have no ids", async () => {
    const file = write([user("a", "ok"), user("a", "ok"), user("a", "no"), user("a", "ok")]);
    await run([file]);
    const second = await run([file]);
    expect(second.report.messages).toMatchObject({ new: 0, alreadyThere: 4 });
    expect(service.logs.get("a")).toHaveLength(4);
  });

  it("with messages of 250 KB stays under the size of a body", async () => {
    const lines = Array.from({ length: 12 }, (_, index) => user("a", `${index}${"é".repeat(120_000)}`));
    const { exitCode } = await run([write(lines)]);
    expect(exitCode).toBe(EXIT.ok);
    expect(service.logs.get("a")).toHaveLength(12);
    expect(Math.max(...service.batches.map((batch) => batch.bytes))).toBeLessThanOrEqual(MAX_BODY_BYTES);
  });

  it("of more short sessions than fit in memory sends as many in parallel as allowed, and all of them", async () => {
    service.delayMs = 5;
    const lines = Array.from({ length: 1_200 }, (_, index) => user(`s-${index % 600}`, `turn ${index}`));
    const { report } = await run([write(lines), "--concurrency", "2"]);
    expect(report).toMatchObject({ conversations: 600, messages: { new: 1_200 } });
    expect(service.mostSending).toBe(2);
    expect([...service.logs.values()].every((log) => log.length === 2)).toBe(true);
  });

  it("continues after 429, 503, a broken connection and a lost answer", async () => {
    service.refusals = [{ status: 429, headers: { "retry-after": "0" } }, { status: 503 }, "drop", "drop-after"];
    const { exitCode, report } = await run([write([user("a", "1"), user("a", "2")])]);
    expect(exitCode).toBe(EXIT.ok);
    expect(report).toMatchObject({ retries: 4, messages: { acknowledged: 2, new: 0, alreadyThere: 2 } });
    expect(service.logs.get("a")).toHaveLength(2);
  });

  it("waits as long as Retry-After asks", async () => {
    service.refusals = [{ status: 429, headers: { "retry-after": "1" } }];
    const startedAt = performance.now();
    const { exitCode } = await run([write([user("a", "1")]), "--patience", "0"]);
    expect(exitCode).toBe(EXIT.ok);
    expect(performance.now() - startedAt).toBeGreaterThan(990);
  });

  it("stops with a clear message if the service stays unavailable, and continues from there later", async () => {
    const file = write([user("a", "1"), user("b", "2")]);
    await service.stop();
    const { exitCode, report } = await run([file, "--patience", "1"]);
    expect(exitCode).toBe(EXIT.outOfReach);
    expect(report.stopped).toContain("nothing listens there");
    expect(report.stopped).toContain("Run the same command again");
  });

  it("stops when the person interrupts it", async () => {
    service.delayMs = 60_000;
    const interrupt = new AbortController();
    setTimeout(() => interrupt.abort(), 100);
    const { exitCode, report } = await run([write([user("a", "1")])], interrupt.signal);
    expect(exitCode).toBe(EXIT.interrupted);
    expect(report.stopped).toContain("Interrupted");
  });

  it("stops at once if the key is refused, and shows the service's message", async () => {
    service.refusals = Array.from({ length: 10 }, () => problem(401, "unauthenticated"));
    const { exitCode, report } = await run([write([user("a", "1"), user("b", "2"), user("c", "3")])]);
    expect(exitCode).toBe(EXIT.failed);
    expect(report.stopped).toContain("because of unauthenticated");
  });

  it("stops at once if something other than Threadkeep answers", async () => {
    service.refusals = Array.from({ length: 10 }, () => ({ status: 404 }));
    const lines = Array.from({ length: 300 }, (_, index) => user("a", `turn ${index}`));
    const { exitCode, report } = await run([write(lines)]);
    expect(exitCode).toBe(EXIT.failed);
    expect(report.stopped).toContain("HTTP 404");
    expect(service.requests).toBeLessThan(5);
  });

  it("refuses an invalid URL, key or user before anything is sent", async () => {
    const file = write([user("a", "1")]);
    for (const [args, reason] of [
      [["--url", "localhost:8787"], "not an http or https URL"],
      [["--key", "schlüssel"], "characters that no key has"],
      [["--user", ".."], "--user must be"],
    ] as const) {
      const parsed = await readCommandLine(importProgram, ["--url", service.url, "--key", "k", ...args, file]);
      if (!("options" in parsed)) throw new Error("the test's options are wrong");
      let said = "";
      const exitCode = await runImport(parsed.options, {
        stdout: { write: (text) => (said += text) },
        stderr: { write: () => true },
        env: {},
        stateDirectory: folder,
        interrupt: new AbortController().signal,
      });
      expect({ exitCode, said }).toEqual({ exitCode: EXIT.usage, said: expect.stringContaining(reason) });
    }
    expect(service.requests).toBe(0);
  });

  it("finds the one message of a batch that is refused, and sends the others in their order", async () => {
    const first = write([user("a", "old", { id: "x" })]);
    await run([first]);
    const lines = Array.from({ length: 20 }, (_, index) =>
      user("a", `turn ${index}`, { id: index === 13 ? "x" : `m-${index}` }),
    );
    const { exitCode, report, stderr } = await run([write(lines)]);
    expect(exitCode).toBe(EXIT.failed);
    expect(report.failures).toHaveLength(1);
    expect(stderr).toMatch(/FAILED: .*:14, message x: message_conflict: because of message_conflict/);
    expect(service.logs.get("a")?.map((message) => message.content)).toEqual([
      "old",
      ...Array.from({ length: 20 }, (_, index) => `turn ${index}`).filter((_, index) => index !== 13),
    ]);
  });

  it("leaves out the rest of a full session and loads the others", async () => {
    service.refusals = [problem(422, "session_full")];
    const lines = [...Array.from({ length: 250 }, (_, index) => user("a", `turn ${index}`)), user("b", "x")];
    const { exitCode, report } = await run([write(lines), "--concurrency", "1"]);
    expect(exitCode).toBe(EXIT.failed);
    expect(report.failures).toEqual([{ place: "session a", reason: "session_full: because of session_full" }]);
    expect(service.logs.get("b")).toHaveLength(1);
    expect(service.logs.has("a")).toBe(false);
  });

  it("reports bad lines by file, line and reason, loads the rest, and says so in its exit code", async () => {
    const file = write([
      user("a", "1"),
      "{broken",
      user("a", "x\u0000"),
      user("a", "2", { role: "robot" }),
      user("a", "3"),
    ]);
    const { exitCode, report, stderr } = await run([file]);
    expect(exitCode).toBe(EXIT.badLines);
    expect(report.badCount).toBe(3);
    expect(stderr).toContain(`left out: ${file}:2: is not valid JSON`);
    expect(stderr).toContain(`left out: ${file}:3: content: must not contain NUL characters`);
    expect(stderr).toContain(`left out: ${file}:4: role: `);
    expect(service.logs.get("a")).toHaveLength(2);
    expect((await run([file, "--allow-bad"])).exitCode).toBe(EXIT.ok);
  });

  it("of a file of garbage does not flood the terminal", async () => {
    const { report, stderr } = await run([
      write(["{}", ...Array.from({ length: 5_000 }, () => "garbage")]),
      "--format",
      "openai",
    ]);
    expect(report.badCount).toBe(5_001);
    expect(stderr.split("\n").length).toBeLessThan(210);
  });

  it("repairs texts on request", async () => {
    const { exitCode, report } = await run([write([user("a", "x\u0000y")]), "--repair"]);
    expect(exitCode).toBe(EXIT.ok);
    expect(report.messages.repaired).toBe(1);
    expect(service.logs.get("a")?.[0]?.content).toBe("xy");
  });

  it("creates a session with its metadata before its messages, and warns of invalid settings", async () => {
    const { exitCode, stderr } = await run([
      write([
        { type: "session", id: "a", metadata: { title: "A" }, settings: { maxTokens: 1 } },
        { role: "user", content: "x" },
      ]),
      "--prefix",
      "trial:",
    ]);
    expect(exitCode).toBe(EXIT.ok);
    expect(service.created).toEqual([{ id: "trial:a", metadata: { title: "A" } }]);
    expect(stderr).toContain("the session's settings are left out");
    expect(service.logs.get("trial:a")).toHaveLength(1);
  });

  it("without sending anything reads and checks everything", async () => {
    const { exitCode, report } = await run([write([user("a", "1"), user("b", "2"), "{"]), "--dry-run"]);
    expect(exitCode).toBe(EXIT.badLines);
    expect(report).toMatchObject({ conversations: 2, messages: { read: 2, acknowledged: 0 }, dryRun: true });
    expect(service.requests).toBe(0);
  });

  it("says which file cannot be read, and that no service runs here", async () => {
    const missing = await run([path.join(folder, "missing.jsonl")]);
    expect(missing.exitCode).toBe(EXIT.usage);
    expect(missing.report.stopped).toContain("missing.jsonl cannot be read");
    expect((await run([folder])).report.stopped).toContain("is not a file");
    const parsed = await readCommandLine(importProgram, [write([user("a", "1")])]);
    if (!("options" in parsed)) throw new Error("the test's options are wrong");
    let said = "";
    const exitCode = await runImport(parsed.options, {
      stdout: { write: (text) => (said += text) },
      stderr: { write: () => true },
      env: {},
      stateDirectory: folder,
      interrupt: new AbortController().signal,
    });
    expect(exitCode).toBe(EXIT.usage);
    expect(said).toContain("npm start");
  });

  it("never sends the local service's key to another host", async () => {
    writeFileSync(path.join(folder, "dev.json"), JSON.stringify({ url: "http://127.0.0.1:1", apiKey: "local" }));
    const parsed = await readCommandLine(importProgram, [write([user("a", "1")]), "--url", service.url]);
    if (!("options" in parsed)) throw new Error("the test's options are wrong");
    const exitCode = await runImport(parsed.options, {
      stdout: { write: () => true },
      stderr: { write: () => true },
      env: {},
      stateDirectory: folder,
      interrupt: new AbortController().signal,
    });
    rmSync(path.join(folder, "dev.json"));
    expect(exitCode).toBe(EXIT.usage);
    expect(service.requests).toBe(0);
  });
});

describe("the options", () => {
  it("that make no sense are refused with a reason", async () => {
    for (const args of [
      [],
      ["--concurrency", "0", "f"],
      ["--concurrency", "two", "f"],
      ["--patience", "-1", "f"],
      ["--format", "pdf", "f"],
      ["--keep-recent-tokens", "5", "f"],
      ["--nonsense", "f"],
    ]) {
      expect({ args, ...(await readCommandLine(importProgram, args)) }).toHaveProperty("fault");
    }
    expect(await readCommandLine(importProgram, ["--help"])).toHaveProperty("help");
  });
});

describe("the report", () => {
  it("contains times that were measured, by nearest rank", async () => {
    expect(timing([])).toBeNull();
    expect(timing([5])).toEqual({ count: 1, p50Ms: 5, p99Ms: 5, maxMs: 5 });
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(timing(hundred)).toEqual({ count: 100, p50Ms: 50, p99Ms: 99, maxMs: 100 });
    expect(timing([30, 10, 20])).toEqual({ count: 3, p50Ms: 20, p99Ms: 30, maxMs: 30 });
    expect(timing([1.26, 1.04])).toEqual({ count: 2, p50Ms: 1, p99Ms: 1.3, maxMs: 1.3 });
  });

  it("counts notes past the limit without keeping them", async () => {
    const said: string[] = [];
    const tally = new Tally((text) => said.push(text));
    for (let line = 1; line <= 1_000; line += 1) tally.noteBad({ file: "f", line }, "is broken");
    expect(tally.badCount).toBe(1_000);
    expect(tally.bad).toHaveLength(200);
    expect(said.at(-1)).toContain("only counted");
  });
});
