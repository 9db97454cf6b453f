import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { Client } from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import type { Report } from "../../scripts/import/report.ts";
import type { Context } from "../../src/api/context.ts";
import type { Message } from "../../src/api/message.ts";
import type { ListedSession } from "../../src/api/session.ts";
import { generateExport } from "../support/chatgpt-export.ts";
import type { ProvidedService } from "../support/provided.ts";
import { call, eventually, makeStateDirectory, sharedService, startOwnService } from "../support/service.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";
import { zipOf } from "../support/zip-file.ts";

type Reached = Pick<ProvidedService, "url" | "apiKey">;

interface Ended {
  exitCode: number | null;
  stderr: string;
  report: Report;
}

interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
}

function startImport(service: Reached, args: string[]): Running {
  const child = spawn(process.execPath, [path.join(projectRoot, "scripts", "import.ts"), "--json", ...args], {
    env: { ...process.env, THREADKEEP_URL: service.url, THREADKEEP_API_KEY: service.apiKey },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (piece) => (stdout += piece));
  child.stderr.on("data", (piece) => (stderr += piece));
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (exitCode) => resolve({ exitCode, stderr, report: JSON.parse(stdout || "null") }));
  });
  return { child, ended };
}

function temporaryDirectory(): string {
  const directory = makeTemporaryDirectory();
  onTestFinished(() => removeDirectory(directory));
  return directory;
}

function stateDirectory(): string {
  const directory = makeStateDirectory();
  onTestFinished(() => removeDirectory(directory));
  return directory;
}

function write(directory: string, name: string, content: unknown): string {
  const file = path.join(directory, name);
  const text =
    Array.isArray(content) && name.endsWith(".jsonl") ? content.map(line).join("\n") : JSON.stringify(content);
  writeFileSync(file, text);
  return file;
}

function line(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

async function readLog(service: Reached, session: string, headers: Record<string, string> = {}): Promise<Message[]> {
  const log: Message[] = [];
  for (;;) {
    const { status, body } = await call<{ data: Message[]; hasMore: boolean }>(
      service,
      "GET",
      `/v1/sessions/${session}/messages?limit=100&afterSeq=${log.at(-1)?.seq ?? 0}`,
      { headers },
    );
    if (status !== 200) return log;
    log.push(...body.data);
    if (!body.hasMore) return log;
  }
}

async function archivedSummaries(
  databaseUrl: string,
  session: string,
): Promise<{ version: number; through: number }[]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const found = await client.query<{ version: number; through: number }>(
      `select s.version, s.through_seq as through from summaries s join sessions using (epoch)
       where sessions.session = $1 order by s.version`,
      [session],
    );
    return found.rows;
  } finally {
    await client.end();
  }
}

/** Long enough that a summary is due; every turn is different. */
function chat(turns: number, words = "and then we talked about the garden, the weather and what to cook on"): string[] {
  return Array.from({ length: turns }, (_, index) => `Turn ${index}: ${words} day ${index * 7}.`);
}

let runs = 0;
/** Tests share a service, so each imports under its own names. */
function prefix(): string {
  runs += 1;
  return `t${process.pid}-${Date.now()}-${runs}.`;
}

describe("npm run import", () => {
  it("loads every format, ends each session with an archived summary, and doubles nothing when it runs again", async () => {
    const service = sharedService();
    const directory = temporaryDirectory();
    const texts = chat(160);
    const files = [
      write(
        directory,
        "ours.jsonl",
        texts.map((content, index) => ({ session: "ours", role: index % 2 === 0 ? "user" : "assistant", content })),
      ),
      write(directory, "openai.jsonl", [
        {
          id: "openai",
          messages: texts.map((content, index) => ({ role: index % 2 === 0 ? "user" : "assistant", content })),
        },
      ]),
      write(directory, "meetings.jsonl", [
        { meeting_transcripts: texts.map((content, index) => ({ speaker: `Speaker ${index % 3}`, content })) },
      ]),
      write(directory, "locomo.json", [
        {
          sample_id: "locomo",
          conversation: {
            session_1_date_time: "1:56 pm on 8 May, 2023",
            session_1: texts.map((text, index) => ({
              speaker: index % 2 ? "Ann" : "Ben",
              dia_id: `D1:${index}`,
              text,
            })),
          },
        },
      ]),
      write(directory, "conversations.json", [
        {
          conversation_id: "chatgpt",
          title: "A long chat",
          current_node: `n${texts.length - 1}`,
          mapping: Object.fromEntries(
            texts.map((text, index) => [
              `n${index}`,
              {
                id: `n${index}`,
                parent: index === 0 ? null : `n${index - 1}`,
                children: [],
                message: { author: { role: "user" }, create_time: 1_700_000_000 + index, content: { parts: [text] } },
              },
            ]),
          ),
        },
      ]),
    ];
    const name = prefix();
    const args = ["--finish", "--keep-recent-tokens", "500", "--prefix", name, ...files];
    const first = await startImport(service, args).ended;
    expect({ exitCode: first.exitCode, failures: first.report.failures }).toEqual({ exitCode: 0, failures: [] });
    expect(first.report).toMatchObject({
      conversations: 5,
      messages: { new: 800, alreadyThere: 0 },
      contexts: { checked: 5, withinBudgetAndWhole: 5 },
      summaries: { count: 5 },
      archiving: { count: 5 },
    });

    const second = await startImport(service, args).ended;
    expect({ exitCode: second.exitCode, failures: second.report.failures }).toEqual({ exitCode: 0, failures: [] });
    expect(second.report).toMatchObject({ messages: { new: 0, alreadyThere: 800 }, summaries: null });

    for (const session of ["ours", "openai", "locomo", "chatgpt"].map((each) => name + each)) {
      const log = await readLog(service, session);
      expect(log.map((message) => message.content)).toEqual(texts);
      const archived = await archivedSummaries(service.databaseUrl, session);
      expect(archived.at(-1)?.through).toBeGreaterThan(100);
      const { body } = await call<Context>(service, "GET", `/v1/sessions/${session}/context?maxTokens=4000`);
      expect(body.omitted).toEqual([]);
      expect(body.summary?.throughSeq).toBe(archived.at(-1)?.through);
    }
  });

  it("imports ChatGPT's .zip with its branches and dates, and a second run changes nothing", async () => {
    const service = sharedService();
    const made = generateExport(9, 26, { instructions: "pinned", isLarge: false });
    const file = path.join(temporaryDirectory(), "export.zip");
    writeFileSync(file, zipOf([{ name: "conversations.json", content: JSON.stringify(made.conversations) }]));
    const name = prefix();
    const user = `history-${name}`;
    const asUser = { "threadkeep-user": user };
    const args = ["--instructions", "pinned", "--prefix", name, "--user", user, file];
    const said = made.expected.reduce((sum, { messages }) => sum + messages.length, 0);
    for (const messages of [
      { new: said, alreadyThere: 0 },
      { new: 0, alreadyThere: said },
    ]) {
      const { exitCode, report } = await startImport(service, args).ended;
      expect({ exitCode, failures: report.failures }).toEqual({ exitCode: 2, failures: [] });
      expect(report).toMatchObject({ conversations: 26, messages });
      expect(report.look).toContain(service.url);
      for (const { id, messages: expected, head } of made.expected) {
        const all = await readLog(service, name + id, asUser);
        expect(all.map((message) => [message.id, message.content, message.pinned === true]).toSorted()).toEqual(
          expected.map((message) => [message.id, message.content, message.pinned]).toSorted(),
        );
        const active = all.filter((message) => message.offBranch !== true);
        expect(active.at(-1)?.id).toBe(head);
        // Each message follows the same message as in the export, so a page can show the alternatives.
        const seqs = new Map(all.map((message) => [message.id, message.seq]));
        for (const message of all) {
          const after = expected.find((each) => each.id === message.id)?.after ?? null;
          expect(message.afterSeq ?? message.seq - 1).toBe(after === null ? 0 : seqs.get(after));
          const beside = expected.filter((each) => each.after === after);
          expect(message.siblings?.length ?? 1).toBe(beside.length);
        }
      }
    }
    const listed = await call<{ data: ListedSession[] }>(service, "GET", "/v1/sessions?limit=100", {
      headers: asUser,
    });
    const dated = made.expected.filter(({ createdAt }) => createdAt !== undefined);
    expect(
      listed.body.data.flatMap(({ id, createdAt, metadata }) =>
        dated.some((each) => name + each.id === id) ? [[id, createdAt, metadata["title"]]] : [],
      ),
    ).toEqual(dated.toReversed().map(({ id, createdAt, title }) => [name + id, createdAt, title]));
  });

  it("reports bad lines, loads the others, and ends with an exit code that says so", async () => {
    const service = sharedService();
    const name = prefix();
    const file = write(temporaryDirectory(), "bad.jsonl", [
      { session: "a", id: "1", role: "user", content: "one" },
      "{broken",
      { session: "a", id: "2", role: "user", content: "NUL \u0000" },
      { session: "a", id: "3", role: "robot", content: "three" },
      { session: "a", id: "4", role: "user", content: "x".repeat(4_200_000) },
      { session: "a", id: "5", role: "user", content: "five" },
    ]);
    const { exitCode, stderr } = await startImport(service, ["--prefix", name, file]).ended;
    expect(exitCode).toBe(2);
    for (const number of [2, 3, 4, 5]) expect(stderr).toContain(`left out: ${file}:${number}: `);
    expect((await readLog(service, `${name}a`)).map((message) => message.id)).toEqual(["1", "5"]);
  });

  it("finds the message whose id has other content, and loads the rest of its batch", async () => {
    const service = sharedService();
    const name = prefix();
    await call(service, "POST", `/v1/sessions/${name}a/messages`, {
      body: { messages: [{ id: "7", role: "user", content: "other" }] },
    });
    const lines = Array.from({ length: 20 }, (_, index) => ({
      session: "a",
      id: `${index}`,
      role: "user",
      content: `turn ${index}`,
    }));
    const { exitCode, report } = await startImport(service, [
      "--prefix",
      name,
      write(temporaryDirectory(), "c.jsonl", lines),
    ]).ended;
    expect(exitCode).toBe(1);
    expect(report.failures).toEqual([
      { place: expect.stringMatching(/c\.jsonl:8, message 7$/), reason: expect.stringContaining("message_conflict") },
    ]);
    expect(await readLog(service, `${name}a`)).toHaveLength(20);
  });

  it("stops at once with the reason when the key is wrong", async () => {
    const service = { ...sharedService(), apiKey: "wrong" };
    const file = write(temporaryDirectory(), "a.jsonl", [{ role: "user", content: "x" }]);
    const { exitCode, report } = await startImport(service, [file]).ended;
    expect(exitCode).toBe(1);
    expect(report.stopped).toContain("unauthenticated");
  });
});

describe("kill -9 in the middle of an import", { timeout: 240_000 }, () => {
  const SESSIONS = 4;
  const TURNS = 500;
  /** @param name prefix of the chats' names */
  const lines = (name: string): object[] =>
    chat(TURNS).flatMap((content) =>
      // There are no ids, and every third text repeats: equal turns differ only by their count.
      Array.from({ length: SESSIONS }, (_, session) => ({
        session: `${name}${session}`,
        role: "user",
        content: content.replace(/^Turn (\d*)[369]:/, "Turn:"),
      })),
    );

  async function expectWhole(service: Reached, name: string, expected: readonly object[]): Promise<void> {
    for (let session = 0; session < SESSIONS; session += 1) {
      const log = await readLog(service, `${name}${session}`);
      expect(log.map((message) => message.content)).toEqual(
        expected.flatMap((each) =>
          "session" in each && each.session === `${name}${session}` && "content" in each ? [each.content] : [],
        ),
      );
      expect(log.map((message) => message.seq)).toEqual(log.map((_, index) => index + 1));
    }
  }

  async function loadedSome(service: Reached, name: string): Promise<void> {
    await eventually("the first messages of the import are in", async () => {
      const { status, body } = await call<{ headSeq: number }>(service, "GET", `/v1/sessions/${name}0`);
      return status === 200 && body.headSeq >= 100 ? true : undefined;
    });
  }

  it("of the service: the import continues by itself, and no acknowledged message is lost or doubled; of both: the same command continues where it stopped", async () => {
    const directory = stateDirectory();
    const first = lines("a");
    const service = await startOwnService({ stateDir: directory });
    const running = startImport(service, ["--concurrency", "3", write(directory, "first.jsonl", first)]);
    await loadedSome(service, "a");
    await service.kill9();
    const again = await startOwnService({ stateDir: directory, port: service.port });
    const { exitCode, report } = await running.ended;
    expect({ exitCode, failures: report.failures }).toEqual({ exitCode: 0, failures: [] });
    expect(report.messages.acknowledged).toBe(first.length);
    expect(report.retries).toBeGreaterThan(0);

    const second = lines("b");
    const args = ["--concurrency", "3", write(directory, "second.jsonl", second)];
    const broken = startImport(again, args);
    await loadedSome(again, "b");
    broken.child.kill("SIGKILL");
    await again.kill9();
    await broken.ended;
    const last = await startOwnService({ stateDir: directory, port: service.port });
    const { exitCode: code, report: told } = await startImport(last, args).ended;
    expect({ exitCode: code, failures: told.failures }).toEqual({ exitCode: 0, failures: [] });
    expect(told.messages.alreadyThere).toBeGreaterThanOrEqual(100);
    expect(told.messages.new).toBeLessThan(second.length);
    await expectWhole(last, "a", first);
    await expectWhole(last, "b", second);
  });
});
