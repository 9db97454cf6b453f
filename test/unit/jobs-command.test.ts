import { afterAll, describe, expect, it } from "vitest";
import { sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { jobsProgram } from "../../scripts/jobs/options.ts";
import { runJobs } from "../../scripts/jobs/run-jobs.ts";
import { sample } from "../../scripts/openapi/samples.ts";
import { EXIT } from "../../scripts/program/run-program.ts";
import { readCommandLine } from "../support/command-line.ts";

const read = (line: string) => readCommandLine(jobsProgram, line.split(" ").filter(Boolean));

describe("the command line of the failed jobs", () => {
  it("says what each command does", async () => {
    expect(await read("list --tenant acme --kind archive --json")).toEqual({
      options: { command: { do: "list", filter: { tenant: "acme", kind: "archive" } }, isJson: true, url: undefined },
    });
    expect(await read("retry abc")).toMatchObject({ options: { command: { do: "retry", jobId: "abc" } } });
    expect(await read("retry --all --user ada")).toMatchObject({
      options: { command: { do: "retry-all", filter: { user: "ada" } } },
    });
    expect(await read("drop abc --reason tidy")).toMatchObject({
      options: { command: { do: "drop", jobId: "abc", reason: "tidy" } },
    });
  });

  it.each([
    ["help", ["list", "retry", "drop"]],
    ["-h", ["list", "retry", "drop"]],
    ["drop --help", ["--reason"]],
  ])("explains itself for %s", async (line, named) => {
    const parsed = await read(line);
    for (const one of named) expect("help" in parsed && parsed.help).toContain(one);
  });

  it.each([
    ["", "Name a command"],
    ["delete", "Unknown command 'delete'"],
    ["list extra", '"extra"'],
    ["list --all", "Unknown option '--all'"],
    ["retry", "--all"],
    ["retry a b", '"b"'],
    ["retry a --all", '"a"'],
    ["retry a --kind archive", "retry --all"],
    ["retry a --reason x", "Unknown option '--reason'"],
    ["drop --reason x", "'job-id'"],
    ["drop a", "--reason"],
    ["drop a --reason x --tenant acme", "Unknown option '--tenant'"],
    ["list --key secret", "--key"],
  ])("refuses %j, and says why", async (line, reason) => {
    const parsed = await read(line);
    expect("fault" in parsed ? parsed.fault : "no fault").toContain(reason);
  });
});

const asked: string[] = [];
let answers: { status: number; body: unknown }[] = [];
const service = await serveOnLoopback((request, response, sent) => {
  asked.push(`${request.method} ${request.url} ${sent.toString()}`.trim());
  const { status, body } = answers.shift() ?? { status: 500, body: {} };
  sendJson(response, status, body);
});

afterAll(service.close);

async function run(args: readonly string[], given: typeof answers) {
  const parsed = await readCommandLine(jobsProgram, [...args, "--url", service.url]);
  if (!("options" in parsed)) throw new Error("no command");
  asked.length = 0;
  answers = given;
  const told = { stdout: "", stderr: "" };
  const code = await runJobs(parsed.options, {
    stdout: { write: (text) => (told.stdout += text) },
    stderr: { write: (text) => (told.stderr += text) },
    env: { THREADKEEP_ADMIN_KEY: "tk_admin_0123456789" },
    stateDirectory: "/nowhere",
  });
  return { code, ...told };
}

const ok = (body: unknown) => ({ status: 200, body });

describe("npm run jobs", () => {
  it("lists every page", async () => {
    const { failurePage } = sample;
    const pages = [ok({ ...failurePage, hasMore: true, nextCursor: "more" }), ok(failurePage)];
    const { code, stdout } = await run(["list", "--kind", "archive"], pages);
    expect(code).toBe(EXIT.ok);
    expect(stdout.match(new RegExp(sample.jobRetry.jobId, "g"))).toHaveLength(2);
    expect(stdout).toContain("archive: ECONNREFUSED");
    expect(asked).toEqual([
      "GET /v1/admin/jobs?kind=archive&limit=100",
      "GET /v1/admin/jobs?kind=archive&limit=100&cursor=more",
    ]);
    expect((await run(["list"], [ok({ data: [], hasMore: false, nextCursor: null })])).stdout).toBe("No job fails.\n");
  });

  it("retries page by page, and fails if something is left", async () => {
    const left = [{ jobId: "stuck", reason: "Its object is out of reach just now." }];
    const first = ok({ retried: 100, gone: 0, left: [], hasMore: true, nextCursor: "more" });
    const last = ok({ retried: 1, gone: 2, left, hasMore: false, nextCursor: null });
    const { code, stdout } = await run(["retry", "--all"], [first, last]);
    expect(code).toBe(EXIT.failed);
    expect(stdout).toContain("101 tried again now, 2 no longer pending, 1 left");
    expect(stdout).toContain("stuck: Its object");
    expect(asked).toEqual([
      'POST /v1/admin/jobs/retry {"limit":100}',
      'POST /v1/admin/jobs/retry {"limit":100,"cursor":"more"}',
    ]);
  });

  it("drops one with its reason, and says what to do instead if that is refused", async () => {
    const dropped = await run(["drop", "a/b", "--reason", "gone & over"], [ok({ jobId: "a/b", outcome: "dropped" })]);
    expect(dropped).toMatchObject({ code: EXIT.ok, stdout: "Job a/b is given up.\n" });
    expect(asked).toEqual(["DELETE /v1/admin/jobs/a%2Fb?reason=gone+%26+over"]);
    const body = { type: "/", title: "", status: 409, code: "job_needed", detail: "Retry it.", requestId: "r" };
    const refused = await run(["drop", "abc", "--reason", "tidy"], [{ status: 409, body }]);
    expect(refused).toEqual({ code: EXIT.failed, stdout: "", stderr: "job_needed: Retry it.\n" });
    const strange = await run(["retry", "abc"], [ok({ no: "outcome" })]);
    expect(strange).toMatchObject({ code: EXIT.failed, stderr: expect.stringContaining("not as Threadkeep does") });
  });
});
