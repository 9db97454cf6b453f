import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import type { Service } from "../../scripts/dev/service.ts";
import type { Failure } from "../../src/api/job.ts";
import { readPromptData } from "../../tools/bench/quote-transcript.ts";
import { promptOf, scriptModel } from "../support/scripted-model.ts";
import { call, eventually, startOwnService } from "../support/service.ts";
import type { Seen } from "../support/stand-in-model.ts";
import { newestSummary } from "../support/summarizer-outage.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

const MODEL = "openai-compatible/stand-in";
const SESSIONS = Array.from({ length: 12 }, (_, index) => `import-${index + 1}`);
const TURNS = 36;
const SETTINGS = { summarizeAfterTokens: 1_000, keepRecentTokens: 300 };

/** JSON Lines as `npm run import` reads them: a few dozen turns for each session, which pass the threshold several times. */
function writeChats(file: string): void {
  const lines = SESSIONS.flatMap((session) => [
    { type: "session", id: session, settings: SETTINGS },
    ...Array.from({ length: TURNS }, (_, index) => ({
      session,
      role: index % 2 === 0 ? "user" : "assistant",
      content: `In ${session}, crate ${7000 + index} of ${index * 3 + 5} kilos leaves for the harbour. ${"It is heavy and blue. ".repeat(8)}`,
    })),
  ]);
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join("\n"));
}

async function runImport(service: Service): Promise<number> {
  const directory = makeTemporaryDirectory();
  onTestFinished(() => removeDirectory(directory));
  const file = path.join(directory, "chats.jsonl");
  writeChats(file);
  const child = spawn(process.execPath, [path.join(projectRoot, "scripts", "import.ts"), file], {
    env: { ...process.env, THREADKEEP_URL: service.url, THREADKEEP_API_KEY: service.apiKey },
    stdio: "ignore",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [exitCode] = await once(child, "exit");
  return Number(exitCode);
}

/** The newest summary of each session, once all are as expected. */
async function allSummarized(service: Service, what: string, isDegraded: boolean) {
  return eventually(
    what,
    async () => {
      const newest = await Promise.all(SESSIONS.map((session) => newestSummary(service, session)));
      return newest.every((summary) => summary?.degraded === isDegraded) ? newest : undefined;
    },
    90_000,
  );
}

async function failures(service: Service): Promise<Failure[]> {
  const { body } = await call<{ data: Failure[] }>(service, "GET", "/v1/admin/jobs?limit=100", {
    key: service.adminKey,
  });
  return body.data;
}

/** What the model was paid for, by session: the seqs of each call that it answered successfully. */
function paidBySession(requests: readonly Seen[]): Map<string, number[]> {
  const paid = new Map<string, number[]>();
  for (const seen of requests.filter(({ does }) => does === "quote")) {
    const { messages } = readPromptData(promptOf(seen).turns.at(-1)?.text ?? "");
    const session = /^In (\S+),/.exec(messages[0]?.text ?? "")?.[1] ?? "";
    paid.set(session, [...(paid.get(session) ?? []), ...messages.map(({ seq }) => seq)]);
  }
  return paid;
}

describe("promise 12: with the model down for the whole of an import", () => {
  it("every session gets a marked extractive summary, and all are replaced without a request once the model is back", async () => {
    const provider = await scriptModel([{ does: "refuse", status: 503 }]);
    const service = await startOwnService({
      env: { THREADKEEP_MODEL: MODEL, THREADKEEP_MODEL_BASE_URL: provider.baseUrl },
    });
    expect(await runImport(service)).toBe(0);

    const fallbacks = await allSummarized(service, "every session has a marked summary", true);
    for (const summary of fallbacks) {
      expect(summary).toMatchObject({ summarizer: "extractive" });
      expect(summary?.items).not.toEqual([]);
    }
    await eventually("operators see every session", async () => {
      const seen = new Set((await failures(service)).map(({ session }) => session));
      return SESSIONS.every((session) => seen.has(session)) ? true : undefined;
    });
    const before = await provider.requests();
    // Once the model is known to be down it is not called: there were not three calls for each session.
    expect(before.length).toBeLessThan(SESSIONS.length * 3);

    await provider.change([{ does: "quote" }]);
    const replaced = await allSummarized(service, "all are replaced", false);
    for (const summary of replaced) expect(summary).toMatchObject({ summarizer: MODEL });
    await eventually("operators see none", async () => ((await failures(service)).length === 0 ? true : undefined));

    const paid = paidBySession(await provider.requests());
    for (const [index, session] of SESSIONS.entries()) {
      const covered = replaced[index]?.throughSeq ?? 0;
      expect(covered).toBeGreaterThan(TURNS / 2);
      expect(paid.get(session)).toEqual(Array.from({ length: covered }, (_, at) => at + 1));
      const state = await call<{ headSeq: number }>(service, "GET", `/v1/sessions/${session}`);
      expect(state.body.headSeq).toBe(TURNS);
    }
  }, 240_000);
});
