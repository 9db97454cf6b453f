import { execFile, spawn } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { validateUIMessages } from "ai";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { threadkeep } from "../../client/src/ai-sdk/memory.ts";
import { createClient, type Session } from "../../client/src/index.ts";
import { sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { type CodeBlock, codeBlocks, moduleOf } from "../../tools/check/documents.ts";
import { ONE_CHECKER } from "../../tools/check/steps.ts";
import { BLOCK_SETUPS } from "../support/readme-setups.ts";
import { scriptModel } from "../support/scripted-model.ts";
import { call, sharedService } from "../support/service.ts";
import type { StandInReply } from "../support/stand-in-model.ts";
import { cleanEnvironment } from "../support/start-command.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

const run = promisify(execFile);
const service = sharedService();
const TARBALL = "threadkeep-client-0.1.0.tgz";
const TSC = path.join(projectRoot, "node_modules/typescript/bin/tsc");

/** A program of a user who has nothing but the package. */
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

/** Code that must not compile: a misspelt option, an unknown format, a context that was not requested. */
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

/** Faults that publint and arethetypeswrong find in a package: in its entry points, its types, and each way of loading it. */
async function faultsOfPackage(tarball: Buffer): Promise<string[]> {
  const bytes = Uint8Array.from(tarball);
  const { messages } = await publint({ pack: { tarball: bytes.buffer }, strict: true });
  const checked = await checkPackage(createPackageFromTarballData(bytes));
  if (!("problems" in checked)) return ["has no types"];
  return [
    ...messages.map(({ code, path: place }) => `${code} at ${place.join(".")}`),
    ...checked.problems.flatMap((problem) => {
      // Not supported: Node before 22.12 cannot require ES modules, and TypeScript's old module resolution does not know `exports`.
      const isOld =
        problem.kind === "CJSResolvesToESM" || ("resolutionKind" in problem && problem.resolutionKind === "node10");
      return isOld ? [] : [`${problem.kind} ${"entrypoint" in problem ? problem.entrypoint : ""}`];
    }),
  ];
}

/** A folder with only the package, as npm installs it. */
async function installPackage(): Promise<string> {
  const project = makeTemporaryDirectory();
  const env = cleanEnvironment();
  // Examples that other tests start build the client in place.
  const source = path.join(project, "client-source");
  for (const name of ["package.json", "README.md", "LICENSE", "tsconfig.json", "src"]) {
    cpSync(path.join(projectRoot, "client", name), path.join(source, "client", name), { recursive: true });
  }
  cpSync(path.join(projectRoot, "tsconfig.json"), path.join(source, "tsconfig.json"));
  symlinkSync(path.join(projectRoot, "node_modules"), path.join(source, "node_modules"), "junction");
  await run("npm", ["run", "package", "--", "--pack-destination", project], { cwd: path.join(source, "client"), env });
  writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  await run("npm", ["install", "--offline", "--no-audit", `./${TARBALL}`], { cwd: project, env });
  return project;
}

/** A folder with that package and with the frameworks for which it has adapters. */
function addFrameworks(project: string): string {
  const folder = path.join(project, "reader");
  const packages = path.join(folder, "node_modules");
  mkdirSync(packages, { recursive: true });
  writeFileSync(path.join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  cpSync(path.join(project, "node_modules/threadkeep-client"), path.join(packages, "threadkeep-client"), {
    recursive: true,
  });
  for (const name of readdirSync(path.join(projectRoot, "node_modules"))) {
    if (name.startsWith("threadkeep") || name.startsWith(".")) continue;
    symlinkSync(path.join(projectRoot, "node_modules", name), path.join(packages, name), "junction");
  }
  return folder;
}

/** The README's blocks of TypeScript in order, and their sections. */
function readmeBlocks(): { heading: string; block: CodeBlock }[] {
  const text = readFileSync(path.join(projectRoot, "client/README.md"), "utf8");
  const lines = text.split("\n");
  return codeBlocks("client/README.md", text)
    .filter(({ language }) => language === "ts")
    .map((block) => {
      const heading = lines.slice(0, block.line).findLast((line) => /^##? /.test(line)) ?? "";
      return { heading: heading.replace(/^#+ /, ""), block };
    });
}

/** Runs each block of the README as a reader would, with what the block is given. */
const MAIN = `
const service = process.env["THREADKEEP_URL"] ?? "";
const fetchFromAnywhere = globalThis.fetch;
// The address in the README, which npm start prints.
globalThis.fetch = (input, init) =>
  fetchFromAnywhere(typeof input === "string" ? input.replace("http://127.0.0.1:8787", service) : input, init);
for (const [given, block] of STEPS) {
  Object.assign(globalThis, await given());
  const result = await block();
  console.log(JSON.stringify(result instanceof Response ? await result.text() : (result ?? null)));
}
`;

/** The folder with all blocks, compiled; fails if one does not compile. */
async function typeInReadme(project: string): Promise<string> {
  const blocks = readmeBlocks();
  expect(BLOCK_SETUPS.map(({ heading }) => heading)).toEqual(blocks.map(({ heading }) => heading));
  const readme = addFrameworks(project);
  const write = (name: string, text: string): void => writeFileSync(path.join(readme, name), text);
  for (const [at, { given, next = "" }] of BLOCK_SETUPS.entries()) {
    const block = blocks[at]?.block ?? expect.fail("there is no such block");
    write(`block-${at}.ts`, moduleOf({ ...block, code: `${block.code}\n${next}` }, "block"));
    write(`given-${at}.ts`, given);
  }
  const imports = BLOCK_SETUPS.map(
    (_, at) =>
      `import { given as given${at} } from "./given-${at}.js";\nimport { block as block${at} } from "./block-${at}.js";`,
  );
  const steps = BLOCK_SETUPS.map((_, at) => `[given${at}, block${at}]`).join(", ");
  write("main.ts", `${imports.join("\n")}\nconst STEPS = [${steps}] as const;\n${MAIN}`);
  write("crash.ts", CRASH);
  const compilerOptions = {
    strict: true,
    skipLibCheck: true,
    target: "es2024",
    module: "nodenext",
    lib: ["es2024", "dom", "dom.iterable", "dom.asynciterable"],
    types: ["node"],
    rootDir: ".",
    outDir: "out",
  };
  write("tsconfig.json", JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  const { stdout } = await run(process.execPath, [TSC, "-p", readme, ...ONE_CHECKER], { cwd: readme }).catch(
    (error) => error,
  );
  expect(stdout).toBe("");
  return path.join(readme, "out");
}

/** A back end that answers one question, and is killed before it has the whole answer. */
const CRASH = `
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { streamText, type UIMessage } from "ai";
import { createClient } from "threadkeep-client";
import { threadkeep } from "threadkeep-client/ai-sdk";

const env = process.env;
const client = createClient({ url: env["THREADKEEP_URL"] ?? "", key: env["THREADKEEP_API_KEY"] ?? "" });
const model = createOpenAICompatible({ name: "scripted", baseURL: env["MODEL_URL"] ?? "" })("m");
const memory = threadkeep({ client, sessionId: "crash" });
const uiMessages: UIMessage[] = JSON.parse(env["MESSAGES"] ?? "[]");
const result = streamText({ model, ...(await memory.prepare(uiMessages)), onFinish: memory.onFinish });
const response = result.toUIMessageStreamResponse({ originalMessages: uiMessages, generateMessageId: memory.messageId });
for await (const chunk of response.body ?? []) process.stdout.write(chunk);
`;

/** A tenant of its own on the shared service, and a README reader's environment variables. */
async function startReader(replies: StandInReply[]) {
  const tenant = `reader-${crypto.randomUUID()}`;
  const admin = { key: service.adminKey };
  await call(service, "POST", "/v1/admin/tenants", { ...admin, body: { tenant } });
  const made = await call<{ key: string }>(service, "POST", `/v1/admin/tenants/${tenant}/keys`, {
    ...admin,
    body: { name: "reader" },
  });
  const { key } = made.body;
  const model = await scriptModel(replies);
  const env = {
    ...cleanEnvironment(),
    THREADKEEP_URL: service.url,
    THREADKEEP_API_KEY: key,
    MODEL_URL: model.baseUrl,
  };
  return { client: createClient({ url: service.url, key }), model, env };
}

async function rolesOf(session: Session): Promise<string[]> {
  const { data } = await session.messages().page();
  return data.map(({ role }) => role);
}

describe("the package", () => {
  let project = "";
  let typedIn: Promise<string> | undefined;
  /** All compiled blocks. */
  const compiledReadme = (): Promise<string> => (typedIn ??= typeInReadme(project));
  beforeAll(async () => {
    project = await installPackage();
  });
  afterAll(() => removeDirectory(project));

  it("is packed, installed in an empty project, compiled against with tsc and run by Node, without anything else", async () => {
    expect(await faultsOfPackage(readFileSync(path.join(project, TARBALL)))).toEqual([]);
    mkdirSync(path.join(project, "source"));
    writeFileSync(path.join(project, "source/program.ts"), PROGRAM);
    writeFileSync(path.join(project, "source/globals.d.ts"), "declare const process: { argv: string[] };");
    const tsc = (): Promise<{ stdout: string }> =>
      run(process.execPath, [TSC, ...TSC_OPTIONS], {
        cwd: project,
      });
    await tsc();
    const { stdout } = await run(process.execPath, ["out/program.js", await startService()], { cwd: project });
    expect(JSON.parse(stdout)).toEqual({ headSeq: 1, roles: ["user"], code: "session_not_found" });

    writeFileSync(path.join(project, "source/program.ts"), FAULTY_PROGRAM);
    const complaints = await tsc().catch((error: { stdout: string }) => error);
    expect(complaints.stdout.match(/program\.ts\(\d+/g)).toEqual(["program.ts(4", "program.ts(5", "program.ts(6"]);
  });

  it("does what its README says: each block compiles under strict in that project, and runs against the service and a scripted provider", async () => {
    const asksForTram = { does: "call", tool: "next_tram", input: {} } as const;
    const answers = { does: "answer", text: "In four minutes." } as const;
    const { client, model, env } = await startReader([
      // For the first block, for the loops with Anthropic's and OpenAI's SDK, and for the AI SDK.
      asksForTram,
      asksForTram,
      answers,
      asksForTram,
      answers,
      answers,
    ]);
    const { stdout } = await run(process.execPath, ["main.js"], { cwd: await compiledReadme(), env });
    const printed = stdout.trim().split("\n");
    expect(printed).toHaveLength(BLOCK_SETUPS.length);
    expect(printed[4]).toContain("In four minutes.");
    // In the second turn the model knew the first: in LangChain with its question, in LangGraph and the Agents SDK with its answer.
    expect(printed[7]).toBe('"Of 1."');

    const trip = client.withUser("ada").session("trip");
    const { data } = await trip.messages().page();
    const [callPart] = data[1]?.content ?? [];
    if (typeof callPart !== "object" || !("toolCallId" in callPart)) return expect.fail("there is no call");
    const result = { role: "tool", tool_call_id: callPart.toolCallId, content: "in four minutes" };
    const { context } = await trip.append(result, { format: "openai-chat", context: { format: "openai-chat" } });
    expect(context.messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool"]);

    const four = ["user", "assistant", "user", "assistant"];
    expect(
      Object.fromEntries(
        await Promise.all(
          ["anthropic", "openai", "ai-sdk", "langchain", "langgraph", "agents", "traced"].map(
            async (id) => [id, await rolesOf(client.session(id))] as const,
          ),
        ),
      ),
    ).toEqual({
      anthropic: ["user", "assistant", "tool", "assistant"],
      openai: ["user", "assistant", "tool", "assistant"],
      "ai-sdk": ["user", "assistant"],
      langchain: four,
      langgraph: four,
      agents: four,
      traced: ["user"],
    });
    // Each loop gave the model the output of its tool.
    const requests = await model.requests();
    expect(requests).toHaveLength(6);
    for (const at of [2, 4]) expect(JSON.stringify(requests[at]?.body)).toContain("in four minutes");
  });

  it("recovers from a process that was killed in the middle of a stream: the question is stored, and the next turn is complete", async () => {
    const { client, model, env } = await startReader([{ does: "stall", text: "In four " }]);
    const question = { id: "q1", role: "user", parts: [{ type: "text", text: "When does line 28 leave?" }] };
    const compiled = await compiledReadme();
    const start = (messages: object[]) =>
      spawn(process.execPath, ["crash.js"], { cwd: compiled, env: { ...env, MESSAGES: JSON.stringify(messages) } });
    const first = start([question]);
    const killed = new Promise((resolve) => {
      first.once("close", (_, signal) => resolve(signal));
    });
    first.stdout.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes("In four ")) first.kill("SIGKILL");
    });
    expect(await killed).toBe("SIGKILL");

    const memory = threadkeep({ client, sessionId: "crash" });
    const shown = await memory.history();
    expect(shown).toEqual([question]);
    // The page continues with the half of the answer that it saw or, after a reload, without it.
    await model.change([{ does: "answer", text: "Line 15 leaves at nine." }]);
    const half = { id: "a1", role: "assistant", parts: [{ type: "text", text: "In four " }] };
    const again = { id: "q2", role: "user", parts: [{ type: "text", text: "And line 15?" }] };
    const second = start([question, half, again]);
    expect(
      await new Promise((resolve) => {
        second.once("close", resolve);
      }),
    ).toBe(0);
    const told = (await model.requests()).at(-1)?.body["messages"];
    expect(told).toMatchObject([
      { role: "user", content: "When does line 28 leave?" },
      { role: "assistant", content: "In four " },
      { role: "user", content: "And line 15?" },
    ]);
    const whole = await memory.history();
    expect(whole.map(({ role }) => role)).toEqual(["user", "assistant", "user", "assistant"]);
    await expect(validateUIMessages({ messages: structuredClone(whole) })).resolves.toHaveLength(4);
  });
});
