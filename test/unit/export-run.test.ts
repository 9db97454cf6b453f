// `npm run export`: pages of a user, what breaks off, and the files that it leaves alone.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type LoopbackServer, sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { exportProgram } from "../../scripts/export/options.ts";
import { EXPORT_EXIT as EXIT, runExport } from "../../scripts/export/run-export.ts";
import { readCommandLine } from "../support/command-line.ts";

const AT = "2026-01-01T00:00:00.000Z";
const user = { type: "user", format: "threadkeep-user", formatVersion: 1, userId: "mira", exportedAt: AT };
const next = { type: "user-next", cursor: "page-2" };
const userEnd = { type: "user-end", sessions: 2, unavailable: 0, failures: 0 };

/** The lines of a session with one message. */
function session(id: string, isComplete = true): object[] {
  return [
    { type: "session", format: "threadkeep-session", formatVersion: 1, id, createdAt: AT, metadata: {}, settings: {} },
    { type: "message", seq: 1, id: "m1", role: "user", content: `Grüße aus ${id}`, createdAt: AT },
    { type: "end", messages: 1, summaries: 0, items: 0, complete: isComplete },
  ];
}

function text(lines: readonly object[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

const PAGES: Readonly<Record<string, string>> = {
  "/v1/users/mira": text([user, ...session("lisbon"), next]),
  "/v1/users/mira?cursor=page-2": text([...session("porto"), userEnd]),
  "/v1/sessions/lisbon/export": text(session("lisbon")),
  "/v1/sessions/edited/export": text(session("edited", false)),
};
const WHOLE = text([user, ...session("lisbon"), next, ...session("porto"), userEnd]);

/** How many of the first characters of each answer arrive before the connection breaks; without an entry, all. */
let cuts: number[] = [];
let asked: string[] = [];
let folder = "";
let service: LoopbackServer;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "threadkeep-export-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  [cuts, asked] = [[], []];
  service = await serveOnLoopback((request, response) => {
    asked.push(request.url ?? "");
    const page = PAGES[request.url ?? ""];
    if (page === undefined) {
      return sendJson(response, 404, {
        type: "about:blank",
        title: "t",
        status: 404,
        code: "session_not_found",
        detail: "None.",
      });
    }
    const cut = cuts.shift();
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    if (cut === undefined) return response.end(page);
    response.write(page.slice(0, cut), () => response.destroy());
  });
});
afterEach(() => service.close());

let files = 0;
function file(content?: string): string {
  files += 1;
  const name = path.join(folder, `out-${files}.jsonl`);
  if (content !== undefined) writeFileSync(name, content);
  return name;
}

async function run(args: string[], interrupt = new AbortController().signal): Promise<{ code: number; said: string }> {
  const parsed = await readCommandLine(exportProgram, [...args, "--url", service.url, "--key", "k"]);
  if (!("options" in parsed)) throw new Error(`the test's options are wrong: ${JSON.stringify(parsed)}`);
  let said = "";
  const stderr = { write: (more: string) => (said += more) };
  const code = await runExport(parsed.options, { stderr, env: {}, stateDirectory: folder, interrupt });
  return { code, said };
}

describe("the export of a user", () => {
  it("writes all pages to one file, and says what is in it", async () => {
    const out = file();
    const { code, said } = await run([out, "--user", "mira"]);
    expect(code).toBe(EXIT.ok);
    expect(readFileSync(out, "utf8")).toBe(WHOLE);
    expect(said).toContain("2 sessions · 2 messages");
  });

  it("is the same if a page breaks off, wherever that is", async () => {
    for (const cut of [1, 60, 300, 500]) {
      const out = file();
      cuts = [cut, cut, PAGES["/v1/users/mira"]?.length ?? 0, cut];
      const { code, said } = await run([out, "--user", "mira"]);
      expect({ cut, code, text: readFileSync(out, "utf8") }).toEqual({ cut, code: EXIT.ok, text: WHOLE });
      expect(said).toContain("2 sessions · 2 messages");
    }
  });

  it("continues an unfinished file after its last whole page, and says when the service is away", async () => {
    for (const kept of [0, 5, 90, 400, WHOLE.indexOf("\n", WHOLE.indexOf("user-next")) + 1, WHOLE.length - 4]) {
      const out = file(WHOLE.slice(0, kept));
      cuts = [0, 0, 0, 0, 0, 0, 0, 0];
      const away = await run([out, "--user", "mira", "--patience", "0"]);
      expect(away.code, away.said).toBe(EXIT.outOfReach);
      expect(away.said).toContain("Run the same command again to go on");
      cuts = [];
      expect((await run([out, "--user", "mira"])).code).toBe(EXIT.ok);
      expect(readFileSync(out, "utf8")).toBe(WHOLE);
    }
    expect(asked.at(-1)).toBe("/v1/users/mira?cursor=page-2");
  });

  it("leaves other files alone, and complete ones, unless they may be replaced", async () => {
    const others = ["my diary\n", "my diary", text(session("lisbon")), text([{ ...user, userId: "ada" }]), '{"a":1}\n'];
    for (const other of others) {
      const out = file(other);
      await expect(run([out, "--user", "mira"])).rejects.toThrow("is something else than an unfinished export");
      expect(readFileSync(out, "utf8")).toBe(other);
    }
    const out = file(WHOLE);
    await expect(run([out, "--user", "mira"])).rejects.toThrow("has this export already");
    expect(asked).toEqual([]);
    expect((await run([out, "--user", "mira", "--overwrite"])).code).toBe(EXIT.ok);
    expect(readFileSync(out, "utf8")).toBe(WHOLE);
  });

  it("stops when the person interrupts, with what has arrived in the file", async () => {
    const out = file();
    await expect(run([out, "--user", "mira"], AbortSignal.abort())).rejects.toThrow("aborted");
    expect((await run([out, "--user", "mira"])).code).toBe(EXIT.ok);
  });
});

describe("the export of a session", () => {
  it("writes what the import takes", async () => {
    const out = file();
    cuts = [100];
    const { code, said } = await run([out, "--session", "lisbon", "--user", "mira"]);
    expect({ code, text: readFileSync(out, "utf8") }).toEqual({ code: EXIT.ok, text: text(session("lisbon")) });
    expect(said).toContain("1 session · 1 message\n");
  });

  it("says that the session was edited meanwhile", async () => {
    const { code, said } = await run([file(), "--session", "edited"]);
    expect(code).toBe(EXIT.failed);
    expect(said).toContain("was edited while it was read. Export it again with --overwrite.");
  });

  it("tells what the service refuses, and writes no file", async () => {
    const out = file();
    const { code, said } = await run([out, "--session", "unknown"]);
    expect(code).toBe(EXIT.failed);
    expect(said).toContain("Stopped: session_not_found: None.");
    expect(() => readFileSync(out)).toThrow("ENOENT");
  });
});

it("needs a user or a session", async () => {
  expect(await readCommandLine(exportProgram, ["out.jsonl"])).toEqual({
    fault: "Name what to export: --user or --session",
  });
});
