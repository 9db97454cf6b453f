import { mkdtempSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { keysProgram } from "../../scripts/keys/options.ts";
import { runKeys } from "../../scripts/keys/run-keys.ts";
import { readCommandLine } from "../support/command-line.ts";
import { call, eventually, makeStateDirectory, sharedService, startOwnService } from "../support/service.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

const service = sharedService();

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `npm run keys -- LINE` with the admin key. */
function keys(line: string, given: Record<string, string> = {}): Promise<Run> {
  return keysWith(line, { THREADKEEP_URL: service.url, THREADKEEP_ADMIN_KEY: service.adminKey, ...given }, "none");
}

async function keysWith(line: string, env: Record<string, string>, stateDirectory: string): Promise<Run> {
  const parsed = await readCommandLine(keysProgram, line.split(" "));
  if (!("options" in parsed)) throw new Error(`not a command: ${line}`);
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const code = await runKeys(parsed.options, {
    stdout: { write: (text) => stdout.push(text) },
    stderr: { write: (text) => stderr.push(text) },
    env,
    stateDirectory,
  });
  return { code, stdout: stdout.join(""), stderr: stderr.join("") };
}

const freshTenant = (): string => `sys-${crypto.randomUUID()}`;
const list = (key: string): Promise<{ status: number }> => call(service, "GET", "/v1/sessions", { key });

async function stateDirectoryWith(content: object): Promise<string> {
  const parent = makeTemporaryDirectory();
  onTestFinished(() => removeDirectory(parent));
  const directory = mkdtempSync(path.join(parent, "state-"));
  writeFileSync(path.join(directory, "dev.json"), JSON.stringify(content));
  return directory;
}

describe("npm run keys", () => {
  it("creates a tenant and a working key, rotates it while both keys are valid, and revokes it", async () => {
    const tenant = freshTenant();
    expect(await keys(`tenant ${tenant} --jurisdiction eu`)).toMatchObject({ code: 0 });
    const made = await keys(`create --tenant ${tenant} --name back-end`);
    expect(made).toMatchObject({ code: 0 });
    const key = made.stdout.trim();
    expect(key).toMatch(new RegExp(`^tk_${tenant}_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$`));
    expect(made.stderr).not.toContain(key);
    expect(await list(key)).toMatchObject({ status: 200 });

    const id = key.split("_")[2] ?? "";
    const rotated = await keys(`rotate ${id} --tenant ${tenant} --json`);
    const next: { id: string; key: string } = JSON.parse(rotated.stdout);
    expect([await list(key), await list(next.key)]).toMatchObject([{ status: 200 }, { status: 200 }]);
    expect(await keys(`rotate ${id} --tenant ${tenant}`)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(new RegExp(`^key_rotated: .*${next.id}`)),
    });

    expect(await keys(`revoke ${id} --tenant ${tenant}`)).toMatchObject({ code: 0 });
    expect([await list(key), await list(next.key)]).toMatchObject([{ status: 401 }, { status: 200 }]);
    const { stdout } = await keys(`list --tenant ${tenant}`);
    expect(stdout).toMatch(new RegExp(`${id} .*revoked.*${next.id}`));
    expect(stdout).not.toContain(next.key.slice(-49));
    expect((await keys("tenants")).stdout).toMatch(new RegExp(`${tenant} +eu `));
  });

  it("says what to do if the tenant is unknown, if the key is not the admin's, or if nobody answers", async () => {
    const unknown = await keys(`create --tenant ${freshTenant()} --name x`);
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining("Create it first") });
    const stranger = await keys("tenants", { THREADKEEP_ADMIN_KEY: service.apiKey });
    expect(stranger).toMatchObject({ code: 1, stderr: expect.stringContaining("Set THREADKEEP_ADMIN_KEY") });
    const nobody = await keys("tenants --url http://127.0.0.1:1");
    expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining("did not answer") });
    const nameless = await keys("list");
    expect(nameless).toMatchObject({ code: 1, stderr: expect.stringContaining("--tenant NAME") });
    const elsewhere = await keys(`tenants --url ${service.url}/docs?`);
    expect(elsewhere).toMatchObject({ code: 1, stderr: expect.stringContaining("Is --url right?") });
  });

  it("finds the local service's URL and key in its files, and sends that key to no other host", async () => {
    const { url, adminKey } = service;
    const directory = await stateDirectoryWith({ url, adminKey });
    const run = (line: string): Promise<Run> => keysWith(line, {}, directory);
    expect(await run("list")).toMatchObject({ code: 0, stderr: "" });
    expect(await run("tenants --url http://127.0.0.1:1")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("The admin key of http://127.0.0.1:1 is missing"),
    });
    expect(await keysWith("tenants", {}, "none")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("npm start"),
    });
  });
});

describe("a tenant's key", () => {
  it("is accepted up to the archive; a revoked key stays refused after kill -9, in an isolate that never saw it", async () => {
    const stateDir = makeStateDirectory();
    onTestFinished(() => removeDirectory(stateDir));
    const first = await startOwnService({ stateDir });
    const admin = { key: first.adminKey };
    await call(first, "POST", "/v1/admin/tenants", { ...admin, body: { tenant: "acme", jurisdiction: "eu" } });
    const make = async (name: string): Promise<{ id: string; key: string }> =>
      (
        await call<{ id: string; key: string }>(first, "POST", "/v1/admin/tenants/acme/keys", {
          ...admin,
          body: { name },
        })
      ).body;
    const [kept, revoked] = [await make("kept"), await make("revoked")];

    const messages = Array.from({ length: 8 }, (_, at) => ({ id: `m-${at}`, role: "user", content: `Page ${at}.` }));
    const appended = await call(first, "POST", "/v1/sessions/s/messages", { key: kept.key, body: { messages } });
    expect(appended).toMatchObject({ status: 201 });
    expect(await call(first, "GET", "/v1/sessions/s", revoked)).toMatchObject({ status: 200 });
    await call(first, "POST", "/v1/sessions/s/summarize", { key: kept.key, body: { keepRecentTokens: 0 } });
    await eventually("the summary is archived", async () => {
      const { body } = await call<{ archived: boolean; summary: object | null }>(first, "GET", "/v1/sessions/s", kept);
      return (body.archived && body.summary !== null) || undefined;
    });
    expect(await call(first, "DELETE", `/v1/admin/tenants/acme/keys/${revoked.id}`, admin)).toMatchObject({
      status: 200,
    });
    await first.kill9();

    const second = await startOwnService({ stateDir });
    expect(await call(second, "GET", "/v1/sessions/s", revoked)).toMatchObject({ status: 401 });
    expect(await call(second, "GET", "/v1/sessions/s", kept)).toMatchObject({ status: 200, body: { headSeq: 8 } });
    expect(await call(second, "GET", "/v1/admin/tenants", admin)).toMatchObject({
      body: { data: [{ tenant: "acme", jurisdiction: "eu" }] },
    });
  });
});
