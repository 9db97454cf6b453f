import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { codeBlocks } from "../../tools/check/documents.ts";
import { call, sharedService } from "../support/service.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

const service = sharedService();
const admin = { key: service.adminKey };
const [realCurl = ""] = spawnSync("sh", ["-c", "command -v curl"], { encoding: "utf8" }).stdout.trim().split("\n");
const hasBash = spawnSync("bash", ["-c", "true"]).status === 0;

/** The blocks in bash of a document, in its order: those in sh are for an operator, or for another machine. */
function pastedBlocks(file: string): string[] {
  const blocks = codeBlocks(file, readFileSync(path.join(projectRoot, file), "utf8"));
  return blocks.filter(({ language }) => language === "bash").map(({ code }) => code);
}

/** A folder such as the one in which somebody runs `npm start`, with a tenant of its own behind it. */
async function makeFolder(): Promise<string> {
  const tenant = `documents-${crypto.randomUUID()}`;
  await call(service, "POST", "/v1/admin/tenants", { ...admin, body: { tenant } });
  const made = await call<{ key: string }>(service, "POST", `/v1/admin/tenants/${tenant}/keys`, {
    ...admin,
    body: { name: "reader" },
  });
  const folder = makeTemporaryDirectory();
  onTestFinished(() => removeDirectory(folder));
  mkdirSync(path.join(folder, ".threadkeep"));
  writeFileSync(path.join(folder, ".threadkeep/dev.json"), JSON.stringify({ url: service.url, apiKey: made.body.key }));
  symlinkSync(path.join(projectRoot, "node_modules"), path.join(folder, "node_modules"), "junction");
  // The reader's own curl, which also notes what each request was answered.
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

it.skipIf(realCurl === "" || !hasBash)(
  "the tour of the README and the guide work as pasted, in bash with curl",
  async () => {
    const folder = await makeFolder();
    const tour = pastedBlocks("README.md");
    const { output, code, answers } = await paste([...tour, ...pastedBlocks("docs/guide.md")], folder);
    expect(code, output).toBe(0);
    const refused = answers.filter((answer) => !/^20[012] |^curl: \(28\)/.test(answer));
    // A stranger asks for a session once; the stream of events is cut off by the reader's own time limit.
    expect(refused, output).toEqual([expect.stringMatching(/^404 .*\/v1\/sessions\/lisbon$/)]);
    expect(answers.length).toBeGreaterThan(20);

    const [, shown = ""] =
      /^```text\n(<conversation_summary>[^]*?)^```$/m.exec(readFileSync(path.join(projectRoot, "README.md"), "utf8")) ??
      [];
    expect(output).toContain(shown.trim());
    expect(output).toContain("appended");
  },
);
