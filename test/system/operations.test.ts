import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { WRANGLER_ENVIRONMENT } from "../../scripts/dev/worker-bundle.ts";
import { opsProgram } from "../../scripts/ops/options.ts";
import { runOps } from "../../scripts/ops/run-ops.ts";
import { OPERATION_NAMES, type OperationName, type OperationRun } from "../../src/api/operation-run.ts";
import { readCommandLine } from "../support/command-line.ts";
import { call, eventually, sharedService } from "../support/service.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

const service = sharedService();
const WRANGLER = path.join(projectRoot, "node_modules/wrangler/wrangler-dist/cli.js");
/** One run that reads and one that erases: the request is the same text for each, and each start takes seconds of processor time. */
const BY_WRANGLER: readonly string[] = ["summarize", "erase-user"] satisfies OperationName[];

async function trigger(id: string, payload: object): Promise<void> {
  const directory = makeTemporaryDirectory();
  onTestFinished(() => removeDirectory(directory));
  const { port } = new URL(service.url);
  const line = ["workflows", "trigger", "threadkeep-operations", JSON.stringify(payload)];
  await promisify(execFile)(
    process.execPath,
    ["--no-warnings", WRANGLER, ...line, "--local", "--port", port, "--id", id],
    { cwd: projectRoot, env: { ...process.env, ...WRANGLER_ENVIRONMENT, XDG_CONFIG_HOME: directory } },
  );
}

async function ended(id: string): Promise<OperationRun> {
  return eventually(
    `the run ${id} ends`,
    async () => {
      const answer = await call<OperationRun>(service, "GET", `/v1/admin/operations/${id}`, { key: service.adminKey });
      return answer.status === 200 && answer.body.finishedAt !== null ? answer.body : undefined;
    },
    60_000,
  );
}

/** A user with one chat, unknown to all other tests. */
async function freshUser(): Promise<string> {
  const user = `ops-${crypto.randomUUID()}`;
  const messages = [{ role: "user", content: "Please remember the blue door." }];
  const headers = { "threadkeep-user": user };
  expect(await call(service, "POST", "/v1/sessions/a/messages", { body: { messages }, headers })).toMatchObject({
    status: 201,
  });
  return user;
}

const { tenant = "" } = { tenant: service.apiKey.split("_")[1] };

/** Runs `npm run ops -- LINE` with the admin key and without a terminal, so that nobody can answer a question. */
async function ops(line: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const parsed = await readCommandLine(opsProgram, line.split(" "));
  if (!("options" in parsed)) throw new Error(`not a command: ${line}`);
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const code = await runOps(parsed.options, {
    stdout: { write: (text) => stdout.push(text) },
    stderr: { write: (text) => stderr.push(text) },
    env: { THREADKEEP_URL: service.url, THREADKEEP_ADMIN_KEY: service.adminKey },
    stateDirectory: "none",
    ask: null,
  });
  return { code, stdout: stdout.join(""), stderr: stderr.join("") };
}

async function begin(id: string, payload: object): Promise<void> {
  const body = { id, ...payload };
  const begun = await call(service, "POST", "/v1/admin/operations", { key: service.adminKey, body });
  expect(begun.status, begun.text).toBe(202);
}

describe("the service that npm start runs", () => {
  it("runs each operation, started with wrangler workflows trigger or over HTTP", async () => {
    const user = await freshUser();
    const begun = OPERATION_NAMES.map((op) => ({ op, id: `begun-${op}-${crypto.randomUUID()}` }));
    const work = begun.map(({ op, id }) => {
      // A user with a new chat can only be erased once nothing can be on its way to it, so this user has no chat.
      const payload = { op, tenant, user: op === "erase-user" ? `nobody-${crypto.randomUUID()}` : user };
      return BY_WRANGLER.includes(op) ? trigger(id, payload) : begin(id, payload);
    });
    await Promise.all(work);
    for (const { op, id } of begun) {
      expect(await ended(id), op).toMatchObject({ op, status: "complete", progress: { failed: 0 }, error: null });
    }
  }, 180_000);
});

describe("npm run ops", () => {
  it("starts a run, follows it to its end, and shows and lists it", async () => {
    const user = await freshUser();
    const id = `cli-${crypto.randomUUID()}`;
    const run = await ops(`export-user --tenant ${tenant} --user ${user} --id ${id} --wait`);
    expect(run).toMatchObject({ code: 0 });
    expect(run.stdout).toContain("complete, 1 done, 0 failed");
    expect(run.stdout).toContain("GET /v1/users/{userId}");
    const shown = await ops(`show ${id} --json`);
    expect(JSON.parse(shown.stdout)).toMatchObject({ id, op: "export-user", report: { counts: { whole: 1 } } });
    expect((await ops("list")).stdout).toContain(id);
    expect(await ops(`cancel ${id}`)).toMatchObject({ code: 0, stdout: expect.stringContaining("complete") });
  });

  it("says what an erasure would affect, and does nothing if nobody can confirm", async () => {
    const user = await freshUser();
    const asked = await ops(`erase-user --tenant ${tenant} --user ${user}`);
    expect(asked).toMatchObject({ code: 64, stdout: "" });
    expect(asked.stderr).toContain("listed: 1");
    expect(asked.stderr).toContain("--yes");
    const headers = { "threadkeep-user": user };
    expect(await call(service, "GET", "/v1/sessions/a", { headers })).toMatchObject({ status: 200 });
  });

  it("says what is wrong and where, and ends with 1", async () => {
    expect(await ops("rebuild --dry-run")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("/tenant is required"),
    });
    expect(await ops("show nowhere")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("operation_not_found"),
    });
  });
});
