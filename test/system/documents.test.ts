import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { expect, it, onTestFinished } from "vitest";
import { createClient } from "../../client/src/index.ts";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { codeBlocks } from "../../tools/check/documents.ts";
import { call, sharedService } from "../support/service.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

const service = sharedService();
const admin = { key: service.adminKey };
const [realCurl = ""] = spawnSync("sh", ["-c", "command -v curl"], { encoding: "utf8" }).stdout.trim().split("\n");
const hasBash = spawnSync("bash", ["-c", "true"]).status === 0;

/** A document's blocks of bash, in order. Blocks of sh are for an operator, or for another machine. */
function pastedBlocks(file: string): string[] {
  const blocks = codeBlocks(file, readFileSync(path.join(projectRoot, file), "utf8"));
  return blocks.filter(({ language }) => language === "bash").map(({ code }) => code);
}

/** A tenant of the reader, and its key. */
async function makeTenant(): Promise<{ tenant: string; key: string }> {
  const tenant = `documents-${crypto.randomUUID()}`;
  await call(service, "POST", "/v1/admin/tenants", { ...admin, body: { tenant } });
  const made = await call<{ key: string }>(service, "POST", `/v1/admin/tenants/${tenant}/keys`, {
    ...admin,
    body: { name: "reader" },
  });
  return { tenant, key: made.body.key };
}

/** A folder in which somebody could have run `npm start`, for a tenant of its own. */
async function makeFolder(): Promise<string> {
  const { key } = await makeTenant();
  const folder = makeTemporaryDirectory();
  onTestFinished(() => removeDirectory(folder));
  mkdirSync(path.join(folder, ".threadkeep"));
  writeFileSync(path.join(folder, ".threadkeep/dev.json"), JSON.stringify({ url: service.url, apiKey: key }));
  symlinkSync(path.join(projectRoot, "node_modules"), path.join(folder, "node_modules"), "junction");
  // The reader's curl, which also records the status of each answer.
  const curl = path.join(folder, "curl");
  writeFileSync(
    curl,
    `#!/bin/sh\nexec '${realCurl}' -w '%{stderr}%{http_code} %{url_effective}\\n' "$@" 2>> '${folder}/answers'\n`,
  );
  chmodSync(curl, 0o755);
  return folder;
}

async function paste(
  blocks: readonly string[],
  folder: string,
): Promise<{ output: string; code: number | null; answers: string[] }> {
  const PATH = [folder, path.dirname(process.execPath), process.env["PATH"] ?? ""].join(path.delimiter);
  const child = spawn("bash", ["-c", ["set -e", ...blocks].join("\n")], { cwd: folder, env: { ...process.env, PATH } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { output, code, answers: readFileSync(path.join(folder, "answers"), "utf8").trim().split("\n") };
}

/**
 * The first block of TypeScript in a document, run against the service of the tests.
 * @param given what the reader has in addition, including imports
 * @param result the variable with the block's result
 */
async function runBlock<T>(file: string, key: string, given: Record<string, unknown>, result: string): Promise<T> {
  const blocks = codeBlocks(file, readFileSync(path.join(projectRoot, file), "utf8"));
  const { code = "" } = blocks.find(({ language }) => language === "ts") ?? {};
  const body = code.replaceAll(/^import .*$/gm, "").replaceAll("http://127.0.0.1:8787", service.url);
  const names = { process: { env: { THREADKEEP_API_KEY: key } }, ...given };
  const AsyncFunction = async function () {}.constructor as new (
    ...code: string[]
  ) => (...given: unknown[]) => Promise<T>;
  return new AsyncFunction(...Object.keys(names), `${body}\nreturn ${result};`)(...Object.values(names));
}

it("the code of the README, the guide and the page on MCP runs unchanged, against one session", async () => {
  const { key } = await makeTenant();
  const asked: unknown[] = [];
  const create = async ({ messages }: { messages: unknown[] }) => {
    asked.push(messages);
    return { choices: [{ message: { content: "Yes, it is flat." } }] };
  };
  const openai = { chat: { completions: { create } } };
  const readme = { createClient, openai, question: "Is Baixa flat?", model: "m" };
  expect(await runBlock("README.md", key, readme, "session.messages().page()")).toMatchObject({
    data: [{ content: "Is Baixa flat?" }, { role: "assistant", content: "Yes, it is flat." }],
  });
  expect(asked).toEqual([[{ role: "user", content: "Is Baixa flat?" }]]);

  const guide = await runBlock("docs/guide.md", key, { question: "And the Alfama?" }, "context");
  expect(guide).toMatchObject({ messages: [{ role: "user", content: "And the Alfama?" }] });

  const mcp = { Client, StreamableHTTPClientTransport };
  const told = await runBlock<Awaited<ReturnType<Client["callTool"]>>>(
    "docs/mcp.md",
    key,
    mcp,
    "await client.close().then(() => context)",
  );
  expect(JSON.stringify(told.content)).toContain("Yes, it is flat.");
});

it.skipIf(realCurl === "" || !hasBash)("tenant settings are accepted as documents show them", async () => {
  const { tenant } = await makeTenant();
  const folder = await makeFolder();
  const blocks = ["docs/guide.md", "docs/settings-and-limits.md"].flatMap((file) =>
    codeBlocks(file, readFileSync(path.join(projectRoot, file), "utf8")).filter(({ code }) => code.startsWith("curl")),
  );
  const given = `URL='${service.url}'; ADMIN_KEY='${service.adminKey}'`;
  const pasted = blocks.filter(({ code }) => code.includes("/v1/admin/tenants/acme"));
  const { output, code, answers } = await paste(
    [given, ...pasted.map((block) => block.code.replace("acme", tenant))],
    folder,
  );
  expect(code, output).toBe(0);
  expect(answers, output).toEqual([expect.stringMatching(/^200 /), expect.stringMatching(/^200 /)]);
});

it.skipIf(realCurl === "" || !hasBash)(
  "the tour of the README and the guide work as pasted, in bash with curl",
  async () => {
    const folder = await makeFolder();
    const tour = pastedBlocks("README.md");
    const { output, code, answers } = await paste([...tour, ...pastedBlocks("docs/guide.md")], folder);
    expect(code, output).toBe(0);
    const refused = answers.filter((answer) => !/^20[012] |^curl: \(28\)/.test(answer));
    // One request is refused on purpose, as a stranger's; the event stream ends at the reader's own time limit.
    expect(refused, output).toEqual([expect.stringMatching(/^404 .*\/v1\/sessions\/lisbon$/)]);
    expect(answers.length).toBeGreaterThan(20);

    const [, shown = ""] =
      /^```text\n(<conversation_summary>[^]*?)^```$/m.exec(readFileSync(path.join(projectRoot, "README.md"), "utf8")) ??
      [];
    expect(output).toContain(shown.trim());
    expect(output).toContain("appended");
  },
);
