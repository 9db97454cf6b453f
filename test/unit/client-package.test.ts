import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { rolldown } from "rolldown";
import { describe, expect, it, onTestFinished } from "vitest";
import { codeBlocks, moduleOf } from "../../scripts/check/documents.ts";
import { ONE_CHECKER } from "../../scripts/check/steps.ts";
import { sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { cleanEnvironment } from "../support/start-command.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

const MAX_GZIP_BYTES = 8 * 1024;
const run = promisify(execFile);

/** A program as somebody would write it who has nothing but the package. */
const PROGRAM = `
import { createClient, ThreadkeepError, type Contexts } from "threadkeep-client";

const threadkeep = createClient({ url: process.argv[2] ?? "", key: "k" });
const { context, headSeq } = await threadkeep.session("s").append("hello", { context: { format: "openai-chat" } });
const chat: Contexts["openai-chat"] = context;
const roles: string[] = chat.messages.map(({ role }) => role);
const failure: unknown = await threadkeep.session("gone").state().catch((error: unknown) => error);
const code: string = failure instanceof ThreadkeepError ? failure.code : "none";
console.log(JSON.stringify({ headSeq, roles, code }));
`;

/** What must not compile: a misspelt option, a format that does not exist, a context that was not asked for. */
const FAULTY_PROGRAM = `
import { createClient } from "threadkeep-client";
const session = createClient({ url: "http://127.0.0.1" }).session("s");
await session.append("hello", { expectedHead: 1 });
await session.context({ format: "openai" });
(await session.append("hello")).context;
`;

const TSC_OPTIONS =
  "--strict --exactOptionalPropertyTypes --skipLibCheck false --module nodenext --target es2022 --lib es2022,dom,dom.iterable --rootDir source --outDir out --checkers 1 source/program.ts source/globals.d.ts".split(
    " ",
  );

async function startService(): Promise<string> {
  const { url, close } = await serveOnLoopback((request, response) => {
    const isGone = request.url?.includes("gone") === true;
    const answer = isGone
      ? { code: "session_not_found", detail: "d", requestId: "r" }
      : { messages: [], headSeq: 1, context: { messages: [{ role: "user", content: "hello" }], meta: {} } };
    sendJson(response, isGone ? 404 : 201, answer);
  });
  onTestFinished(close);
  return url;
}

/** What publint and arethetypeswrong hold against a package: its entry points, its types, and what each way to load it would get. */
async function faultsOfPackage(tarball: Buffer): Promise<string[]> {
  const bytes = Uint8Array.from(tarball);
  const { messages } = await publint({ pack: { tarball: bytes.buffer }, strict: true });
  const checked = await checkPackage(createPackageFromTarballData(bytes));
  if (!("problems" in checked)) return ["has no types"];
  return [
    ...messages.map(({ code, path: place }) => `${code} at ${place.join(".")}`),
    ...checked.problems.flatMap((problem) => {
      // Node before 22.12 cannot require ES modules, and TypeScript's old resolution knows no `exports`: the package is for neither.
      const isOld =
        problem.kind === "CJSResolvesToESM" || ("resolutionKind" in problem && problem.resolutionKind === "node10");
      return isOld ? [] : [`${problem.kind} ${"entrypoint" in problem ? problem.entrypoint : ""}`];
    }),
  ];
}

/** What does not compile of the README, typed into a project that has the package and the frameworks that its adapters are for. */
function compileReadme(project: string): string[] {
  const blocks = codeBlocks("client/README.md", readFileSync(path.join(projectRoot, "client/README.md"), "utf8"));
  const typescript = blocks.filter(({ language }) => language === "ts");
  expect(typescript.length).toBeGreaterThan(8);
  const packages = path.join(project, "node_modules");
  for (const name of readdirSync(path.join(projectRoot, "node_modules"))) {
    if (existsSync(path.join(packages, name)) || name.startsWith("threadkeep")) continue;
    symlinkSync(path.join(projectRoot, "node_modules", name), path.join(packages, name), "junction");
  }
  const readme = path.join(project, "readme");
  mkdirSync(readme);
  for (const [at, block] of typescript.entries()) {
    writeFileSync(path.join(readme, `block-${at}.ts`), moduleOf(block, `block${at}`));
  }
  const compilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: "es2024",
    module: "nodenext",
    lib: ["es2024", "dom", "dom.iterable", "dom.asynciterable"],
    types: ["node"],
  };
  writeFileSync(path.join(readme, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  const tsc = path.join(projectRoot, "node_modules/typescript/bin/tsc");
  const { stdout } = spawnSync(process.execPath, [tsc, "-p", readme, ...ONE_CHECKER], {
    cwd: readme,
    encoding: "utf8",
  });
  return stdout.trim() === "" ? [] : stdout.trim().split("\n");
}

describe("the package", () => {
  it("is packed, installed in an empty project, compiled against by tsc and run by Node, without anything else", async () => {
    const project = makeTemporaryDirectory();
    onTestFinished(() => removeDirectory(project));
    const env = cleanEnvironment();
    await run("npm", ["run", "package", "--", "--pack-destination", project], {
      cwd: path.join(projectRoot, "client"),
      env,
    });
    const tarball = readFileSync(path.join(project, "threadkeep-client-0.1.0.tgz"));
    expect(await faultsOfPackage(tarball)).toEqual([]);
    writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
    await run("npm", ["install", "--offline", "--no-audit", "./threadkeep-client-0.1.0.tgz"], { cwd: project, env });

    mkdirSync(path.join(project, "source"));
    writeFileSync(path.join(project, "source/program.ts"), PROGRAM);
    writeFileSync(path.join(project, "source/globals.d.ts"), "declare const process: { argv: string[] };");
    const tsc = (): Promise<{ stdout: string }> =>
      run(process.execPath, [path.join(projectRoot, "node_modules/typescript/bin/tsc"), ...TSC_OPTIONS], {
        cwd: project,
      });
    await tsc();
    const { stdout } = await run(process.execPath, ["out/program.js", await startService()], { cwd: project });
    expect(JSON.parse(stdout)).toEqual({ headSeq: 1, roles: ["user"], code: "session_not_found" });

    expect(compileReadme(project)).toEqual([]);

    writeFileSync(path.join(project, "source/program.ts"), FAULTY_PROGRAM);
    const complaints = await tsc().catch((error: { stdout: string }) => error);
    expect(complaints.stdout.match(/program\.ts\(\d+/g)).toEqual(["program.ts(4", "program.ts(5", "program.ts(6"]);
  }, 60_000);

  it(`takes less than ${MAX_GZIP_BYTES} bytes in a page, minified and compressed`, async ({ annotate }) => {
    const bundle = await rolldown({ input: path.join(projectRoot, "client/src/index.ts"), platform: "browser" });
    const { output } = await bundle.generate({ format: "esm", minify: true });
    expect(output).toHaveLength(1);
    expect(output[0].imports).toEqual([]);
    const bytes = gzipSync(output[0].code).byteLength;
    await annotate(`threadkeep-client: ${bytes} bytes gzip`);
    expect(bytes).toBeLessThan(MAX_GZIP_BYTES);
  });
});
