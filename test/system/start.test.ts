import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { identifyProcess, isRunning, type ProcessIdentity, waitUntilGone } from "../../scripts/dev/processes.ts";
import { call, makeStateDirectory, sharedService } from "../support/service.ts";
import { type DevJson, runStart, type StartCommand } from "../support/start-command.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

interface MessagePage {
  data: { id: string; seq: number; content: string }[];
}

function makeState(): string {
  return removedLater(makeTemporaryDirectory());
}

/** The data of a stopped service, for tests of what comes after a first start. */
function makeUsedState(): string {
  return removedLater(makeStateDirectory());
}

function removedLater(stateDir: string): string {
  onTestFinished(() => removeDirectory(stateDir));
  return stateDir;
}

async function remember(service: DevJson, content: string): Promise<void> {
  const body = { messages: [{ role: "user", content }] };
  const answer = await call(service, "POST", "/v1/sessions/restart/messages", { body });
  expect(answer.status, answer.text).toBe(201);
}

async function recall(service: DevJson): Promise<string[]> {
  const answer = await call<MessagePage>(service, "GET", "/v1/sessions/restart/messages");
  expect(answer.status, answer.text).toBe(200);
  return answer.body.data.map((message) => message.content);
}

async function expectAllGone(processes: ProcessIdentity[]): Promise<void> {
  expect(processes.length).toBeGreaterThan(0);
  for (const identity of processes) expect(await waitUntilGone(identity, 15_000), `process ${identity.pid}`).toBe(true);
}

function identify(pid: number | undefined): ProcessIdentity {
  const identity = pid === undefined ? null : identifyProcess(pid);
  if (identity === null) throw new Error(`No process ${pid} runs`);
  return identity;
}

async function interrupt(start: StartCommand, signal: NodeJS.Signals): Promise<void> {
  const processes = start.processes();
  start.child.kill(signal);
  expect(await start.exited, start.output()).toBe(0);
  await expectAllGone(processes);
}

it("finds the data of the first start at the second, keeps its files private to their owner, and leaves no process behind", async () => {
  const stateDir = makeState();
  const first = runStart(stateDir);
  const service = await first.ready();
  expect(Object.keys(service).toSorted()).toEqual(["adminKey", "apiKey", "databaseUrl", "pids", "url"]);
  for (const name of ["dev.json", "keys.json"])
    expect(statSync(path.join(stateDir, name)).mode & 0o777, name).toBe(0o600);
  for (const role of ["start", "worker", "runtime", "postgres"]) expect(identify(service.pids[role])).toBeDefined();
  await remember(service, "before the restart");

  const rival = runStart(stateDir);
  expect(await rival.exited).toBe(1);
  expect(rival.output()).toContain("is running on");
  expect(rival.output()).toContain("--state");

  await interrupt(first, "SIGTERM");
  expect(existsSync(path.join(stateDir, "dev.json"))).toBe(false);
  const madeAt = statSync(path.join(stateDir, "bundle", "options.json")).mtimeMs;

  const second = runStart(stateDir);
  const again = await second.ready();
  expect(again.apiKey).toBe(service.apiKey);
  expect(await recall(again)).toEqual(["before the restart"]);
  expect(statSync(path.join(stateDir, "bundle", "options.json")).mtimeMs, "a bundle of the same sources is kept").toBe(
    madeAt,
  );
  await interrupt(second, "SIGINT");
}, 240_000);

it("removes only the processes that a kill -9 left running, and loses nothing", async () => {
  const stateDir = makeUsedState();
  const first = runStart(stateDir);
  const service = await first.ready();
  await remember(service, "before the crash");
  const { start, worker, runtime, postgres } = service.pids;
  const survivors = [identify(runtime), identify(postgres)];
  // Both are killed at once: if only one were killed, the other would notice and end the rest in order.
  for (const pid of [start, worker]) process.kill(identify(pid).pid, "SIGKILL");
  await first.exited;
  expect(survivors.every(isRunning)).toBe(true);

  const second = runStart(stateDir);
  const again = await second.ready();
  await expectAllGone(survivors);
  expect(await recall(again)).toEqual(["before the crash"]);
  await interrupt(second, "SIGTERM");
}, 240_000);

it("leaves no process behind when only npm start itself is killed with -9", async () => {
  const start = runStart(makeUsedState());
  await start.ready();
  const processes = start.processes();
  start.child.kill("SIGKILL");
  await expectAllGone(processes);
}, 60_000);

it("can be stopped while it starts, and leaves no process behind", async () => {
  const stateDir = makeState();
  const start = runStart(stateDir);
  while (!existsSync(path.join(stateDir, "processes.json"))) await new Promise((resolve) => setTimeout(resolve, 20));
  const processes = start.processes();
  start.child.kill("SIGTERM");
  await start.exited;
  await expectAllGone(processes);
  expect(start.processes()).toEqual([]);
  expect(existsSync(path.join(stateDir, "lock.json"))).toBe(false);
}, 60_000);

it("says which port is in use and how to choose another", async () => {
  const server = createServer();
  onTestFinished(() => void server.close());
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  const byOption = runStart(makeState(), ["--port", String(port)]);
  expect(await byOption.exited).toBe(1);
  expect(byOption.output()).toContain(`Port ${port} is taken`);
  expect(byOption.output()).toMatch(/--port \d+/);
});

it("refuses data of another version, and says how to set it aside", async () => {
  const stateDir = makeState();
  mkdirSync(path.join(stateDir, "state"));
  const start = runStart(stateDir);
  expect(await start.exited).toBe(1);
  expect(start.output()).toContain("holds data of another version of Threadkeep");
  expect(start.output()).toMatch(/mv \S+ \S+-old/);
  expect(readdirSync(stateDir)).toEqual(["state"]);
});

it("uses the server in DATABASE_URL and starts none", async () => {
  const stateDir = makeUsedState();
  removeDirectory(path.join(stateDir, "postgres"));
  const { databaseUrl } = sharedService();
  const start = runStart(stateDir, [], { env: { DATABASE_URL: databaseUrl } });
  const service = await start.ready();
  expect(service.databaseUrl).toBe(databaseUrl);
  expect(service.pids["postgres"]).toBeUndefined();
  expect(existsSync(path.join(stateDir, "postgres"))).toBe(false);
  await remember(service, "in another database");
  await interrupt(start, "SIGTERM");
}, 60_000);

it("explains itself with --help, and names an unknown option in one line", async () => {
  const help = runStart(makeState(), ["--help"]);
  const mistake = runStart(makeState(), ["--prot", "9000"]);
  expect(await help.exited).toBe(0);
  expect(await mistake.exited).toBe(64);
  expect(mistake.output().trim()).toBe("Unknown option '--prot' (Did you mean --port?). For help: npm start -- --help");
  expect(help.output()).toContain("--state <dir>");
});
